/**
 * Random access to an archive that can only be read from its beginning. Restores ask for the records of directories and
 * for those of files in two ascending sequences: so there are a few readings under way, each of which goes on where
 * what is asked for lies ahead of it. An archive in another order is put aside whole, once that has cost some readings.
 */
import { Failure, isFailure } from '../contracts/failures.ts'
import { ScratchFile } from './scratch.ts'

/** Readings of one archive at a time. */
const atOnce = 3
/** Readings that were begun anew before the archive is put aside. */
const patience = 4
const pieceSize = 2 ** 20

type Open = (signal: AbortSignal) => AsyncIterable<Uint8Array>

/** An archive that was put aside, and why not all of it. */
interface Aside {
  readonly file: ScratchFile
  readonly failure: unknown
}

/** One reading. */
interface Cursor {
  readonly chunks: AsyncIterator<Uint8Array>
  readonly stop: AbortController
  position: number
  rest: Uint8Array
}

export class ArchiveCursors implements AsyncDisposable {
  readonly #open: Open
  readonly #signal: AbortSignal
  /** The one that was used last comes last. */
  #cursors: Cursor[] = []
  #begun = 0
  #aside: Aside | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(open: Open, signal: AbortSignal) {
    this.#open = open
    this.#signal = signal
  }

  /**
   * `length` bytes from `offset` on.
   * @throws Failure `damaged` when there are not so many; of the storage
   */
  read(offset: number, length: number): Promise<Uint8Array> {
    const read = this.#turn.then(() => this.#read(offset, length))
    this.#turn = read.catch(() => {})
    return read
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#aside !== undefined) return this.#readAside(this.#aside, offset, length)
    const ahead = this.#cursors.filter(({ position }) => position <= offset)
    let cursor = ahead.reduce<Cursor | undefined>(
      (best, one) => (best === undefined || one.position > best.position ? one : best),
      undefined,
    )
    if (cursor === undefined) {
      if (this.#begun === atOnce + patience) return this.#readAside(await this.#putAside(), offset, length)
      cursor = await this.#begin()
    }
    this.#cursors = [...this.#cursors.filter((one) => one !== cursor), cursor]
    try {
      await this.#take(cursor, offset - cursor.position)
      return Buffer.concat(await this.#take(cursor, length, true))
    } catch (error) {
      await this.#end(cursor)
      throw error
    }
  }

  async #begin(): Promise<Cursor> {
    const [oldest] = this.#cursors
    if (oldest !== undefined && this.#cursors.length === atOnce) await this.#end(oldest)
    this.#begun++
    const stop = new AbortController()
    const chunks = this.#open(AbortSignal.any([this.#signal, stop.signal]))[Symbol.asyncIterator]()
    return { chunks, stop, position: 0, rest: new Uint8Array(0) }
  }

  /** Goes on by `length` bytes, which it gives when they are wanted. */
  async #take(cursor: Cursor, length: number, isWanted = false): Promise<Uint8Array[]> {
    const taken: Uint8Array[] = []
    for (let left = length; left > 0; ) {
      if (cursor.rest.length === 0) {
        const { done, value } = await cursor.chunks.next()
        if (done === true) throw tooShort()
        cursor.rest = value
      }
      const part = cursor.rest.subarray(0, left)
      if (isWanted) taken.push(part)
      cursor.rest = cursor.rest.subarray(part.length)
      cursor.position += part.length
      left -= part.length
    }
    return taken
  }

  async #end(cursor: Cursor): Promise<void> {
    this.#cursors = this.#cursors.filter((one) => one !== cursor)
    cursor.stop.abort()
    await Promise.resolve(cursor.chunks.return?.()).catch(() => {})
  }

  async #putAside(): Promise<Aside> {
    for (const cursor of this.#cursors) await this.#end(cursor)
    const file = await ScratchFile.open()
    let failure: unknown
    try {
      for await (const chunk of this.#open(this.#signal)) {
        for (let at = 0; at < chunk.length; at += pieceSize)
          await file.append([chunk.subarray(at, at + pieceSize)])
      }
    } catch (error) {
      if (!isFailure(error) || error.code !== 'damaged') {
        await file[Symbol.asyncDispose]()
        throw error
      }
      failure = error
    }
    this.#aside = { file, failure }
    return this.#aside
  }

  async #readAside({ file, failure }: Aside, offset: number, length: number): Promise<Uint8Array> {
    if (offset + length <= file.length) return file.read(offset, length)
    throw failure ?? tooShort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn
    for (const cursor of this.#cursors) await this.#end(cursor)
    await this.#aside?.file[Symbol.asyncDispose]()
  }
}

function tooShort(): Failure {
  return new Failure('damaged', 'The archive is shorter than it was a moment ago.')
}
