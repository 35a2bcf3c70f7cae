/** The content of files on its way into the archive: always exactly as long as the header said. */
import { readSync } from 'node:fs'
import type { Segment } from '@freezer/filesystem'
import type { EngineBackup } from '@freezer/sdk'
import { padded } from './header.ts'
import type { Members } from './member.ts'

interface Read {
  readonly length: number
  readonly outcome: Outcome
}

/** How much of a file could be read: all, less because it shrank, or less because of an error. */
export type Outcome = 'whole' | 'short' | { readonly error: unknown }

export class Content {
  readonly #run: EngineBackup
  readonly #members: Members
  #bytes = 0

  constructor(run: EngineBackup, members: Members) {
    this.#run = run
    this.#members = members
  }

  /** Bytes of content since the last call. */
  takeCount(): number {
    const bytes = this.#bytes
    this.#bytes = 0
    return bytes
  }

  /** Writes `size` bytes of the open file, zeros for what cannot be read, and the padding. */
  async whole(fd: number, size: number): Promise<Outcome> {
    const read = await this.#segment(fd, 0, size)
    const missing = size - read.length
    const padding = padded(size) - size
    if (missing + padding > 0) await this.#members.zeros(missing + padding)
    return read.outcome
  }

  /** Writes a map of the segments and their bytes, as `sparseSize` counted them, and the padding. */
  async sparse(fd: number, segments: readonly Segment[]): Promise<Outcome> {
    const map = sparseMap(segments)
    await this.#run.archive.write(map)
    let outcome: Outcome = 'whole'
    let stored = 0
    for (const { offset, length } of segments) {
      const read: Read =
        outcome === 'whole' ? await this.#segment(fd, offset, length) : { length: 0, outcome }
      outcome = read.outcome
      await this.#members.zeros(length - read.length)
      stored += length
    }
    await this.#members.zeros(padded(stored) - stored)
    return outcome
  }

  async #segment(fd: number, start: number, length: number): Promise<Read> {
    const { archive, signal, count } = this.#run
    let done = 0
    while (done < length) {
      const space = archive.space()
      let got: number
      try {
        got = readSync(fd, space, 0, Math.min(space.length, length - done), start + done)
      } catch (error) {
        return { length: done, outcome: { error } }
      }
      if (got === 0) return { length: done, outcome: 'short' }
      done += got
      this.#bytes += got
      if (this.#bytes >= 1 << 20) count(0, this.takeCount())
      const full = archive.commit(got)
      if (full !== undefined) {
        await full
        signal.throwIfAborted()
      }
    }
    return { length: done, outcome: 'whole' }
  }
}

/**
 * The map of GNU's sparse format 1.0: the number of segments, then offset and length of each, every number on a line,
 * filled to whole blocks. A last segment without bytes tells where the file ends.
 */
export function sparseMap(segments: readonly Segment[]): Uint8Array {
  let text = `${segments.length}\n`
  for (const { offset, length } of segments) text += `${offset}\n${length}\n`
  const map = new Uint8Array(padded(text.length))
  map.set(Buffer.from(text, 'latin1'))
  return map
}

/** Bytes that follow the header of a file stored as these segments. */
export function sparseSize(segments: readonly Segment[]): number {
  return sparseMap(segments).length + segments.reduce((sum, { length }) => sum + length, 0)
}
