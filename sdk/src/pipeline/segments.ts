/** One stream of encoded blocks, written to the storage as segments. */
import { release } from '../contracts/memory.ts'
import type { Storage } from '../contracts/storage.ts'
import { type StreamName, segmentKey } from '../repository/names.ts'
import type { BlockAddress } from '../repository/root.ts'
import type { Encoded } from './coders.ts'

/** Segments on their way to the storage at a time: one may wait for its disk while the next is being sent. */
const putsAtOnce = 2

/**
 * Collects blocks into a segment until the next one would make it larger than `limit`, and puts it while the next is
 * being filled: at most `putsAtOnce` segments and the one being filled are in memory.
 */
export class SegmentWriter {
  readonly #storage: Storage
  readonly #id: string
  readonly #stream: StreamName
  readonly #limit: number
  readonly #signal: AbortSignal
  readonly #onStored: (bytes: number) => void
  #chunks: Uint8Array[] = []
  #length = 0
  /** The puts under way, the oldest first. */
  #putting: Promise<void>[] = []
  /** Segments begun, bytes stored. */
  count = 0
  stored = 0

  constructor(
    storage: Storage,
    id: string,
    stream: StreamName,
    limit: number,
    signal: AbortSignal,
    onStored: (bytes: number) => void,
  ) {
    this.#storage = storage
    this.#id = id
    this.#stream = stream
    this.#limit = limit
    this.#signal = signal
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
    while (this.#putting.length >= putsAtOnce) await this.#putting.shift()
    const putting = this.#storage.put(key, chunks, this.#signal).then(() => {
      for (const chunk of chunks) release(chunk)
      this.#onStored(length)
    })
    // The rejection is met by a later call; until then it must not count as unhandled.
    putting.catch(() => {})
    this.#putting.push(putting)
  }
}
