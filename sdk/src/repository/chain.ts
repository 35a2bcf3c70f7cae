/** Reading what is stored of a backup and of the levels below it. Every byte is verified before it is given out. */
import type { BlockFacts } from '../contracts/codec.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { release } from '../contracts/memory.ts'
import type { Range, Storage } from '../contracts/storage.ts'
import type { CoderChain } from '../pipeline/coders.ts'
import { pageLimit } from './entries.ts'
import type { CodecUse, Manifest } from './manifest.ts'
import { type StreamName, segmentKey } from './names.ts'
import { lastAtMost } from './order.ts'
import {
  type ArchiveBlock,
  type BlockAddress,
  decodeRoot,
  decodeTablePage,
  type PageAddress,
  type Root,
} from './root.ts'

/** Limits of what a forged index can make us allocate, in bytes. */
const blockLimit = 64 * 2 ** 20
const rootLimit = 512 * 2 ** 20

/** Opens the codecs of a backup. */
export type OpenCodecs = (id: string, codecs: readonly CodecUse[]) => CoderChain

/** One level of a chain. */
export class StoredLevel {
  readonly #storage: Storage
  readonly #coders: CoderChain
  readonly #signal: AbortSignal
  readonly rootAddress: BlockAddress
  readonly id: string
  readonly codecs: readonly CodecUse[]
  #root: Promise<Root> | undefined
  /** The page of the block table that was read last. */
  #table: { readonly page: number; readonly blocks: Promise<readonly ArchiveBlock[]> } | undefined

  constructor(
    storage: Storage,
    open: OpenCodecs,
    { id, codecs, root }: { id: string; codecs: readonly CodecUse[]; root: BlockAddress },
    signal: AbortSignal,
  ) {
    this.#storage = storage
    this.#coders = open(id, codecs)
    this.codecs = codecs
    this.#signal = signal
    this.rootAddress = root
    this.id = id
  }

  /** @throws Failure `damaged` */
  root(): Promise<Root> {
    this.#root ??= this.readBlock('index', this.rootAddress, rootLimit).then(decodeRoot)
    return this.#root
  }

  /** Gives the memory of its root free; it is read again when it is needed. */
  forgetRoot(): void {
    this.#root = undefined
  }

  /**
   * The block of the archive that holds `offset`; undefined at its end.
   * @throws Failure `damaged`
   */
  async blockAt(offset: number): Promise<ArchiveBlock | undefined> {
    const { table } = await this.root()
    const page = lastAtMost(table, (part) => part.firstOffset - offset)
    const address = table[page]
    if (address === undefined) return undefined
    if (this.#table?.page !== page) {
      this.#table = { page, blocks: this.readBlock('index', address, pageLimit).then(decodeTablePage) }
    }
    const blocks = await this.#table.blocks
    const block = blocks[lastAtMost(blocks, (b) => b.start - offset)]
    return block !== undefined && offset < block.start + block.size ? block : undefined
  }

  /** The next block of the archive; undefined after the last. */
  blockAfter(block: ArchiveBlock): Promise<ArchiveBlock | undefined> {
    return this.blockAt(block.start + block.size)
  }

  /** Reads one block. @throws Failure `damaged` */
  async readBlock(
    stream: StreamName,
    address: BlockAddress,
    limit = blockLimit,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const [bytes] = await Array.fromAsync(this.fetch(stream, [address], limit))
    if (bytes === undefined) throw damagedBlock(this.id, stream, address)
    return this.decode(stream, address, bytes)
  }

  /** The stored bytes of blocks that lie one behind the other in one segment, in one read. */
  async *fetch(
    stream: StreamName,
    addresses: readonly BlockAddress[],
    limit = blockLimit,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const first = addresses[0]
    const last = addresses.at(-1)
    if (first === undefined || last === undefined) return
    for (const address of addresses) {
      if (address.size > limit || address.stored > 2 * limit) {
        throw new Failure('hostile', 'The index promises a block larger than any that Freezer writes.', {
          facts: { backup: this.id, size: address.size },
        })
      }
    }
    const range = { offset: first.offset, length: last.offset + last.stored - first.offset }
    const key = segmentKey(this.id, stream, first.segment)
    let at = 0
    let block: Uint8Array<ArrayBuffer> = new Uint8Array(first.stored)
    let filled = 0
    for await (const chunk of this.#get(key, range)) {
      for (let used = 0; used < chunk.length; ) {
        const address = addresses[at]
        if (address === undefined) break
        const part = chunk.subarray(used, used + address.stored - filled)
        block.set(part, filled)
        used += part.length
        filled += part.length
        if (filled < address.stored) continue
        yield block
        block = new Uint8Array(addresses[++at]?.stored ?? 0)
        filled = 0
      }
      if (chunk.byteLength === chunk.buffer.byteLength) release(chunk)
    }
    const missing = addresses[at]
    if (missing !== undefined) throw damagedBlock(this.id, stream, missing)
  }

  async *#get(key: string, range: Range): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#storage.get(key, range, this.#signal)
    } catch (error) {
      // A segment that is gone ends the stream early, and so names the first block that is missing.
      if (!isFailure(error) || error.code !== 'not-found') throw error
    }
  }

  /**
   * @param kept codecs at the beginning whose work is not undone
   * @throws Failure `damaged`
   */
  async decode(
    stream: StreamName,
    address: BlockAddress,
    bytes: Uint8Array<ArrayBuffer>,
    kept = 0,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const facts: BlockFacts = { backup: idBytes(this.id), stream, number: address.number }
    try {
      return await this.#coders.decode(bytes, facts, address.size, address.digest, kept)
    } catch (error) {
      if (isFailure(error) && error.code !== 'damaged') throw error
      throw damagedBlock(this.id, stream, address, error)
    }
  }
}

/** A backup and the levels that it builds on. */
export class StoredChain {
  /** By level; the last is the backup itself. */
  readonly levels: readonly StoredLevel[]
  readonly root: Root

  private constructor(levels: readonly StoredLevel[], root: Root) {
    this.levels = levels
    this.root = root
  }

  /** @throws Failure `damaged` */
  static async open(
    storage: Storage,
    manifest: Manifest,
    codecs: OpenCodecs,
    signal: AbortSignal,
  ): Promise<StoredChain> {
    const address = { ...manifest.root, digest: Buffer.from(manifest.root.digest, 'hex') }
    const top = new StoredLevel(storage, codecs, { ...manifest, root: address }, signal)
    const root = await top.root()
    if (root.ancestors.length !== manifest.level) {
      throw new Failure('damaged', 'The index and the manifest of a backup disagree about its level.')
    }
    const below = root.ancestors.map((ancestor) => {
      const id = Buffer.from(ancestor.id).toString('hex')
      return new StoredLevel(storage, codecs, { ...ancestor, id }, signal)
    })
    return new StoredChain([...below, top], root)
  }

  /** @throws Failure `damaged` for a level that the chain does not have */
  level(level: number): StoredLevel {
    const stored = this.levels[level]
    if (stored === undefined)
      throw new Failure('damaged', 'The index names a level that the chain does not have.')
    return stored
  }

  /** A page of entries, of whichever level it was stored with. @throws Failure `damaged` */
  readPage(page: PageAddress): Promise<Uint8Array<ArrayBuffer>> {
    return this.level(page.level).readBlock('index', page, pageLimit)
  }
}

/** A backup's id in a buffer of its own. */
export function idBytes(id: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(id, 'hex'))
}

function damagedBlock(id: string, stream: StreamName, address: BlockAddress, cause?: unknown): Failure {
  return new Failure('damaged', 'A stored block is missing or is not what was stored.', {
    cause,
    facts: {
      segment: segmentKey(id, stream, address.segment),
      block: address.number,
      offset: address.offset,
    },
  })
}
