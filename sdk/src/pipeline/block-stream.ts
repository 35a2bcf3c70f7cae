/** One stream of a backup: blocks numbered, encoded side by side, and appended to segments in their order. */
import type { BlockAddress } from '../repository/root.ts'
import type { CoderChain } from './coders.ts'
import type { SegmentWriter } from './segments.ts'

/** What was done already to a block: by how many codecs from the first on, and its bytes before that. */
export interface HalfEncoded {
  readonly codecs: number
  readonly size: number
}

export class BlockStream {
  readonly #chain: CoderChain
  readonly #segments: SegmentWriter
  readonly #backup: Uint8Array
  readonly #stream: 'data' | 'index'
  #order: Promise<unknown> = Promise.resolve()
  /** Blocks added so far. */
  count = 0

  constructor(chain: CoderChain, segments: SegmentWriter, backup: Uint8Array, stream: 'data' | 'index') {
    this.#chain = chain
    this.#segments = segments
    this.#backup = backup
    this.#stream = stream
  }

  /**
   * Resolves when the block is on its way to the storage. The caller bounds how many blocks it adds before that.
   */
  add(bytes: Uint8Array, done?: HalfEncoded): Promise<BlockAddress> {
    const number = this.count++
    const size = done?.size ?? bytes.length
    const facts = { backup: this.#backup, stream: this.#stream, number }
    const encoded = this.#chain.encode(bytes, facts, done?.codecs)
    const before = this.#order
    const address = (async () => {
      const block = await encoded
      await before
      return this.#segments.append(block, number, size)
    })()
    // It may be awaited later than it fails.
    address.catch(() => {})
    this.#order = address
    return address
  }
}
