/** What a backup stores: its archive, the index beside it, and the root that holds both together. */
import type { Storage } from '../contracts/storage.ts'
import { idBytes, type StoredChain } from '../repository/chain.ts'
import type { Page } from '../repository/entries.ts'
import { sha256 } from '../repository/keys.ts'
import {
  type Ancestor,
  type ArchiveBlock,
  type BlockAddress,
  encodeRoot,
  encodeTablePage,
  type PageAddress,
  type TableAddress,
  tablePageBlocks,
} from '../repository/root.ts'
import { BlockStream, type HalfEncoded } from './block-stream.ts'
import type { CoderChain } from './coders.ts'
import { defaultUploadStreams, SegmentWriter, UploadStreams } from './segments.ts'

export interface WrittenBackup {
  readonly id: string
  readonly level: number
  /** Bytes; what suits the storage unless said. */
  readonly segmentSize: number | undefined
  /** Segments on their way to the storage at a time. */
  readonly uploadStreams?: number | undefined
  readonly parent: StoredChain | undefined
}

/** Bytes of a segment where neither the user nor the storage says otherwise. */
const usualSegmentSize = 4 * 2 ** 20

/** Milliseconds that removing the segments of a failed backup may take. */
const discardLimit = 10_000

export class BackupWriter {
  readonly #level: number
  readonly #data: SegmentWriter
  readonly #index: SegmentWriter
  readonly #dataBlocks: BlockStream
  readonly #indexBlocks: BlockStream
  readonly #parent: StoredChain | undefined
  /** The parent's pages by the digest of their content. */
  readonly #known = new Map<string, PageAddress>()
  readonly #pages: Promise<PageAddress>[] = []
  readonly #table: Promise<TableAddress>[] = []
  #listed: Promise<ArchiveBlock>[] = []
  #bytes = 0

  constructor(
    storage: Storage,
    coders: CoderChain,
    {
      id,
      level,
      segmentSize = storage.segmentSize ?? usualSegmentSize,
      uploadStreams = defaultUploadStreams,
      parent,
    }: WrittenBackup,
    signal: AbortSignal,
    onStored: (bytes: number) => void,
  ) {
    const backup = idBytes(id)
    this.#level = level
    this.#parent = parent
    const streams = new UploadStreams(uploadStreams)
    this.#data = new SegmentWriter(storage, id, 'data', segmentSize, signal, streams, onStored)
    this.#index = new SegmentWriter(storage, id, 'index', segmentSize, signal, streams, onStored)
    this.#dataBlocks = new BlockStream(coders, this.#data, backup, 'data')
    this.#indexBlocks = new BlockStream(coders, this.#index, backup, 'index')
    for (const page of parent?.root.pages ?? []) this.#known.set(hex(page.content), page)
  }

  /** Takes the next block of the archive, in shared memory, which is free again when this resolves. */
  async block(bytes: Uint8Array, done?: HalfEncoded): Promise<void> {
    const start = this.#bytes
    this.#bytes += done?.size ?? bytes.length
    const address = this.#dataBlocks.add(bytes, done)
    const listed = address.then((at) => ({ start, ...at }))
    listed.catch(() => {})
    this.#listed.push(listed)
    if (this.#listed.length === tablePageBlocks) this.#endTablePage()
    await address
  }

  /** Takes the next page of the index. One that the parent has too is not stored again. */
  async page({ bytes, directory, name }: Page): Promise<void> {
    const content = sha256(bytes)
    const known = this.#known.get(hex(content))
    const page =
      known === undefined
        ? this.#indexBlocks.add(bytes).then((at) => ({ ...at, level: this.#level, content, directory, name }))
        : Promise.resolve(known)
    page.catch(() => {})
    this.#pages.push(page)
    await page
  }

  /** Whether the parent has a page of that content. */
  holdsPage(content: Uint8Array): boolean {
    return this.#known.has(hex(content))
  }

  /** Takes a page of the parent as the next page of the index. */
  knownPage(content: Uint8Array): void {
    const known = this.#known.get(hex(content))
    if (known === undefined) throw new Error('The parent has no such page.')
    this.#pages.push(Promise.resolve(known))
  }

  /** Stores what is left and the root; everything is durable when this returns. */
  async end(): Promise<BlockAddress> {
    if (this.#listed.length > 0) this.#endTablePage()
    const root = encodeRoot({
      ancestors: this.#ancestors(),
      pages: await Promise.all(this.#pages),
      table: await Promise.all(this.#table),
    })
    const address = await this.#indexBlocks.add(root)
    await Promise.all([this.#data.end(), this.#index.end()])
    return address
  }

  /** Removes what was stored. Only before the manifest was sent: an answer that was lost does not mean it is not there. */
  async discard(): Promise<void> {
    const signal = AbortSignal.timeout(discardLimit)
    await Promise.all([this.#data.discard(signal), this.#index.discard(signal)])
  }

  get archive(): { bytes: number; blocks: number } {
    return { bytes: this.#bytes, blocks: this.#dataBlocks.count }
  }

  /** Bytes. */
  get stored(): number {
    return this.#data.stored + this.#index.stored
  }

  get segments(): { data: number; index: number } {
    return { data: this.#data.count, index: this.#index.count }
  }

  #endTablePage(): void {
    const blocks = this.#listed
    this.#listed = []
    const part = Promise.all(blocks).then(async (listed) => {
      const address = await this.#indexBlocks.add(encodeTablePage(listed))
      return { ...address, firstBlock: listed[0]?.number ?? 0, firstOffset: listed[0]?.start ?? 0 }
    })
    part.catch(() => {})
    this.#table.push(part)
  }

  #ancestors(): Ancestor[] {
    const parent = this.#parent
    const top = parent?.levels.at(-1)
    if (parent === undefined || top === undefined) return []
    return [...parent.root.ancestors, { id: idBytes(top.id), codecs: top.codecs, root: top.rootAddress }]
  }
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('hex')
}
