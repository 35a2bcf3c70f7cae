/** One stream of encoded blocks, written to the storage as segments. */
import { release } from '../contracts/memory.ts'
import type { Storage } from '../contracts/storage.ts'
import { type StreamName, segmentKey } from '../repository/names.ts'
import type { BlockAddress } from '../repository/root.ts'
import type { Encoded } from './coders.ts'

/**
 * Collects blocks into a segment until the next one would make it larger than `limit`, and puts it while the next is
 * being filled: at most two segments are in memory.
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
  #putting: Promise<void> = Promise.resolve()
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

  /** Appends a block and says where it lies; waits while two segments are full. Calls must not overlap. */
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
    await this.#putting
  }

  async #put(): Promise<void> {
    const chunks = this.#chunks
    const length = this.#length
    const key = segmentKey(this.#id, this.#stream, this.count - 1)
    this.#chunks = []
    this.#length = 0
    await this.#putting
    this.#putting = this.#storage.put(key, chunks, this.#signal).then(() => {
      for (const chunk of chunks) release(chunk)
      this.#onStored(length)
    })
    // The rejection is met by the next call; until then it must not count as unhandled.
    this.#putting.catch(() => {})
  }
}
