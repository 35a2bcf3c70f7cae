/**
 * The storage behind a container of another program: its archives where Freezer's own segments would lie, though nobody
 * stored them; the indexes that were made from them, and all other small things, put aside until the run ends.
 */
import { Failure, throwIfAborted } from '../contracts/failures.ts'
import type { Range, Storage } from '../contracts/storage.ts'
import { parseSegment } from '../repository/names.ts'
import { ScratchFile } from './scratch.ts'

/** Bytes of a segment: whole blocks, so that each begins at a multiple of this. */
export const scratchSegment = 64 * 2 ** 20
/** Bytes given at once. */
const pieceSize = 2 ** 20

/** Reads a part of the archive of a backup. */
export type ReadArchive = (id: string, offset: number, length: number) => Promise<Uint8Array>

interface Kept {
  readonly offset: number
  readonly size: number
}

export class ScratchStorage implements Storage, AsyncDisposable {
  readonly #archive: ReadArchive
  readonly #blobs = new Map<string, Kept>()
  #file: Promise<ScratchFile> | undefined

  constructor(archive: ReadArchive) {
    this.#archive = archive
  }

  async put(key: string, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    const size = chunks.reduce((sum, { length }) => sum + length, 0)
    if (parseSegment(key)?.stream === 'data') {
      this.#blobs.set(key, { offset: 0, size })
      return
    }
    this.#file ??= ScratchFile.open()
    this.#blobs.set(key, { offset: await (await this.#file).append(chunks), size })
  }

  async *get(key: string, range: Range | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const kept = this.#blobs.get(key)
    if (kept === undefined) throw new Failure('not-found', `There is no ${key}.`)
    const segment = parseSegment(key)
    const end = range === undefined ? kept.size : Math.min(kept.size, range.offset + range.length)
    for (let at = range?.offset ?? 0; at < end; at += pieceSize) {
      throwIfAborted(signal)
      const length = Math.min(pieceSize, end - at)
      if (segment?.stream === 'data') {
        yield await this.#archive(segment.id, segment.number * scratchSegment + at, length)
      } else if (this.#file !== undefined) {
        yield await (await this.#file).read(kept.offset + at, length)
      }
    }
  }

  async *list(prefix: string, signal: AbortSignal): ReturnType<Storage['list']> {
    for (const [key, { size }] of this.#blobs) {
      throwIfAborted(signal)
      if (key.startsWith(prefix)) yield { key, size }
    }
  }

  async remove(key: string): Promise<void> {
    this.#blobs.delete(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#file?.catch(() => undefined))?.[Symbol.asyncDispose]()
  }
}
