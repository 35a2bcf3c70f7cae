/** One stream of encoded blocks, written to the storage as segments. */
import { release } from '../contracts/memory.ts'
import type { Storage } from '../contracts/storage.ts'
import { type StreamName, segmentKey } from '../repository/names.ts'
import type { BlockAddress } from '../repository/root.ts'
import type { Encoded } from './coders.ts'

/** Segments on their way at a time unless said: one may wait for its disk while the next is being sent. */
export const defaultUploadStreams = 2

/** So many puts at a time, whoever they are for. */
export class UploadStreams {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Waits for a place among those that put; `leave` gives it back. */
  async enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    await promise
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

/**
 * Collects blocks into a segment until the next one would make it larger than `limit`, and puts it while the next is
 * being filled: in memory are as many segments as may be put at a time, one that is full, and the one being filled.
 */
export class SegmentWriter {
  readonly #storage: Storage
  readonly #id: string
  readonly #stream: StreamName
  readonly #limit: number
  readonly #signal: AbortSignal
  readonly #streams: UploadStreams
  readonly #onStored: (bytes: number) => void
  #chunks: Uint8Array[] = []
  #length = 0
  /** The puts under way, and those that failed. */
  readonly #putting = new Set<Promise<void>>()
  /** A put failed, or there is to be no backup: nothing more is put. */
  #failed = false
  /** Segments begun, bytes stored. */
  count = 0
  stored = 0

  constructor(
    storage: Storage,
    id: string,
    stream: StreamName,
    limit: number,
    signal: AbortSignal,
    streams: UploadStreams,
    onStored: (bytes: number) => void,
  ) {
    this.#storage = storage
    this.#id = id
    this.#stream = stream
    this.#limit = limit
    this.#signal = signal
    this.#streams = streams
    this.#onStored = onStored
  }

  /** Appends a block and says where it lies; waits while too many segments are full. Calls must not overlap. */
  async append({ bytes, digest }: Encoded, number: number, size: number): Promise<BlockAddress> {
    if (this.#length > 0 && this.#length + bytes.length > this.#limit) await this.#put()
    if (this.#length === 0) this.count++
    const offset = this.#length
    this.#chunks.push(bytes)
    this.#length += bytes.length
    this.stored += bytes.length
    return { number, segment: this.count - 1, offset, stored: bytes.length, size, digest }
  }

  /** Puts what is left; every block is durable when this returns. */
  async end(): Promise<void> {
    if (this.#length > 0) await this.#put()
    await Promise.all(this.#putting)
  }

  /** Removes what was put, for a backup that is not going to be. Never fails: what stays is garbage. */
  async discard(signal: AbortSignal): Promise<void> {
    // What waits for its turn must not come after all was removed.
    this.#failed = true
    await Promise.allSettled(this.#putting)
    for (let segment = 0; segment < this.count; segment++) {
      await this.#storage.remove(segmentKey(this.#id, this.#stream, segment), signal).catch(() => {})
    }
  }

  async #put(): Promise<void> {
    const chunks = this.#chunks
    const length = this.#length
    const key = segmentKey(this.#id, this.#stream, this.count - 1)
    this.#chunks = []
    this.#length = 0
    await this.#streams.enter()
    const putting = this.#stored(key, chunks, length).finally(() => this.#streams.leave())
    this.#putting.add(putting)
    putting.then(
      () => this.#putting.delete(putting),
      // It is met by a later call; until then it must not count as unhandled.
      () => {
        this.#failed = true
      },
    )
    if (this.#failed) await Promise.all(this.#putting)
  }

  async #stored(key: string, chunks: readonly Uint8Array[], length: number): Promise<void> {
    // Of what is not going to be a backup nothing more needs to be sent.
    if (this.#failed) return
    await this.#storage.put(key, chunks, this.#signal)
    for (const chunk of chunks) release(chunk)
    this.#onStored(length)
  }
}
