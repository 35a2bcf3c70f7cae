/**
 * The root of a backup's index: what its manifest points at, and what points at everything else. It holds the digest of
 * every page, those hold the place of every file, and table pages hold the digest of every block: so the manifest
 * vouches for every byte. `docs/format.md` has the layout.
 */
import { bytePath, displayPath } from '../contracts/entry.ts'
import { Failure } from '../contracts/failures.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { areCodecUses, type CodecUse } from './manifest.ts'

/** Bytes of a backup id and of a digest (SHA-256). */
export const idLength = 16
export const digestLength = 32

/** Where a stored block lies, and what it must be. */
export interface BlockAddress {
  /** Position in its stream, from 0. */
  readonly number: number
  readonly segment: number
  /** Bytes from the start of the segment. */
  readonly offset: number
  /** Bytes stored. */
  readonly stored: number
  /** Bytes after decoding. */
  readonly size: number
  /** SHA-256 of the stored bytes. */
  readonly digest: Uint8Array
}

/** A page of entries; it may lie in the index of a lower level. */
export interface PageAddress extends BlockAddress {
  readonly level: number
  /** SHA-256 of the page before encoding: tells whether the next level makes the same page. */
  readonly content: Uint8Array
  /** Directory and name of its first entry. */
  readonly directory: string
  readonly name: string
}

/** A page of the block table of the archive. */
export interface TableAddress extends BlockAddress {
  /** Number of the first block it lists, and bytes of the archive before that block. */
  readonly firstBlock: number
  readonly firstOffset: number
}

/** A lower level that this backup builds on. */
export interface Ancestor {
  readonly id: Uint8Array
  readonly codecs: readonly CodecUse[]
  readonly root: BlockAddress
}

export interface Root {
  /** Levels 0 up to the one below this backup's. */
  readonly ancestors: readonly Ancestor[]
  readonly pages: readonly PageAddress[]
  readonly table: readonly TableAddress[]
}

const rootVersion = 1

function writeAddress(writer: ByteWriter, address: BlockAddress): void {
  writer.integer(address.number)
  writer.integer(address.segment)
  writer.integer(address.offset)
  writer.integer(address.stored)
  writer.integer(address.size)
  writer.bytes(address.digest)
}

function readAddress(reader: ByteReader): BlockAddress {
  return {
    number: reader.integer(),
    segment: reader.integer(),
    offset: reader.integer(),
    stored: reader.integer(),
    size: reader.integer(),
    digest: reader.bytes(digestLength),
  }
}

export function encodeRoot(root: Root): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(4096)
  writer.byte(rootVersion)
  writer.integer(root.ancestors.length)
  for (const ancestor of root.ancestors) {
    writer.bytes(ancestor.id)
    writer.string(bytePath(JSON.stringify(ancestor.codecs)))
    writeAddress(writer, ancestor.root)
  }
  writer.integer(root.pages.length)
  for (const page of root.pages) {
    writer.integer(page.level)
    writeAddress(writer, page)
    writer.bytes(page.content)
    writer.string(page.directory)
    writer.string(page.name)
  }
  writer.integer(root.table.length)
  for (const part of root.table) {
    writeAddress(writer, part)
    writer.integer(part.firstBlock)
    writer.integer(part.firstOffset)
  }
  return new Uint8Array(writer.view())
}

/** @throws Failure `damaged` */
export function decodeRoot(bytes: Uint8Array): Root {
  const reader = new ByteReader(bytes)
  if (reader.byte() !== rootVersion)
    throw new Failure('damaged', 'The root of the index has an unknown version.')
  const ancestors = readMany(reader, () => ({
    id: reader.bytes(idLength),
    codecs: parseCodecs(reader.string()),
    root: readAddress(reader),
  }))
  const pages = readMany(reader, () => ({
    level: reader.integer(),
    ...readAddress(reader),
    content: reader.bytes(digestLength),
    directory: reader.string(),
    name: reader.string(),
  }))
  const table = readMany(reader, () => ({
    ...readAddress(reader),
    firstBlock: reader.integer(),
    firstOffset: reader.integer(),
  }))
  if (!reader.done) throw new Failure('damaged', 'The root of the index is longer than it says.')
  return { ancestors, pages, table }
}

function parseCodecs(text: string): CodecUse[] {
  try {
    const codecs: unknown = JSON.parse(displayPath(text))
    if (areCodecUses(codecs)) return codecs
  } catch {
    // Falls through: whatever it is, it is no list of codecs.
  }
  throw new Failure('damaged', 'The root of the index names no codecs.')
}

function readMany<T>(reader: ByteReader, read: () => T): T[] {
  const count = reader.integer()
  const items: T[] = []
  for (let i = 0; i < count; i++) items.push(read())
  return items
}

/** A page of the block table lists this many blocks at most. */
export const tablePageBlocks = 1024

/** One block of the archive, as the table has it: its address, and the bytes of the archive before it. */
export interface ArchiveBlock extends BlockAddress {
  readonly start: number
}

export function encodeTablePage(blocks: readonly ArchiveBlock[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(blocks.length * 48 + 32)
  writer.integer(blocks.length)
  for (const block of blocks) {
    writer.integer(block.start)
    writeAddress(writer, block)
  }
  return new Uint8Array(writer.view())
}

/** @throws Failure `damaged` */
export function decodeTablePage(bytes: Uint8Array): ArchiveBlock[] {
  const reader = new ByteReader(bytes)
  return readMany(reader, () => ({ start: reader.integer(), ...readAddress(reader) }))
}
