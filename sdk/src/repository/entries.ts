/**
 * Pages of the index: entries in walk order, packed. `docs/format.md` has the layout.
 *
 * A page stands alone, and where one ends follows from the entries around the cut, not from what came before. So a
 * part of the tree that did not change gives the same pages as at the level below, and they are stored once.
 */
import {
  compareDirectories,
  type Entry,
  type EntryType,
  type EntryWriter,
  entryPath,
} from '../contracts/entry.ts'
import { Failure } from '../contracts/failures.ts'
import { ByteReader, ByteWriter } from './bytes.ts'

const types: readonly EntryType[] = ['file', 'directory', 'symlink', 'hardlink', 'fifo', 'character', 'block']
const typeNumbers = Object.fromEntries(types.map((type, i) => [type, i])) as Record<EntryType, number>

/** A page is cut after this many bytes, at the next entry whose path hashes to a multiple of `cutModulus`. */
const pageMinimum = 32 * 1024
const pageMaximum = 256 * 1024
const cutModulus = 64
/** No honest page is larger: the largest page plus one entry with the longest path and link. */
export const pageLimit = 1024 * 1024

export interface Page {
  /** Owned by the receiver. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Directory and name of its first entry. */
  readonly directory: string
  readonly name: string
}

/** Packs entries into pages and hands each out when it is full. */
export class PageWriter implements EntryWriter {
  readonly #emit: (page: Page) => void
  readonly #writer = new ByteWriter(pageMaximum + 64 * 1024)
  #first: { directory: string; name: string } | undefined
  #directory: string | undefined
  #name = ''
  /** Entries so far, and bytes of content that they have. */
  entries = 0
  bytes = 0

  constructor(emit: (page: Page) => void) {
    this.#emit = emit
  }

  add(entry: Entry): void {
    this.#checkOrder(entry)
    const writer = this.#writer
    if (
      writer.length >= pageMaximum ||
      (writer.length >= pageMinimum && hashPath(entry.directory, entry.name) % cutModulus === 0)
    ) {
      this.#cut()
    }
    if (this.#first === undefined) {
      this.#first = { directory: entry.directory, name: entry.name }
      writer.string(entry.directory)
    }
    writer.byte(typeNumbers[entry.type])
    writer.string(entry.type === 'directory' ? entry.directory : entry.name)
    writer.integer(entry.mode)
    writer.integer(entry.uid)
    writer.integer(entry.gid)
    writer.integer(entry.size)
    writer.signed(entry.mtime)
    writer.integer(entry.mtimeNs)
    writer.signed(entry.ctime)
    writer.integer(entry.ctimeNs + 1)
    writer.integer(entry.inode)
    writer.integer(entry.place.level)
    writer.integer(entry.place.offset)
    writer.integer(entry.place.length)
    if (entry.type === 'symlink' || entry.type === 'hardlink') writer.string(entry.link)
    this.#directory = entry.directory
    this.#name = entry.name
    this.entries++
    if (entry.type === 'file') this.bytes += entry.size
  }

  /** Hands out the last page. */
  end(): void {
    if (this.#first !== undefined) this.#cut()
  }

  #cut(): void {
    if (this.#first === undefined) return
    const bytes = new Uint8Array(this.#writer.length)
    bytes.set(this.#writer.view())
    this.#emit({ bytes, ...this.#first })
    this.#writer.length = 0
    this.#first = undefined
  }

  #checkOrder(entry: Entry): void {
    if (this.#directory === undefined) return
    const order =
      entry.directory === this.#directory
        ? entry.name > this.#name
        : compareDirectories(entry.directory, this.#directory) > 0
    if (!order) {
      throw new Failure('internal', 'The engine gave the entries of a directory out of order.', {
        facts: { directory: entry.directory, name: entry.name },
      })
    }
  }
}

function hashPath(directory: string, name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < directory.length; i++) hash = Math.imul(hash ^ directory.charCodeAt(i), 0x01000193)
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  // The low bits of this hash alternate with the last character; the high ones do not.
  return hash >>> 16
}

/**
 * The entries of a page, one by one.
 * @throws Failure `damaged` for bytes that no writer made
 */
export class PageReader {
  readonly #reader: ByteReader
  #directory: string

  constructor(bytes: Uint8Array) {
    this.#reader = new ByteReader(bytes)
    this.#directory = this.#reader.string()
  }

  next(): Entry | undefined {
    const reader = this.#reader
    if (reader.done) return undefined
    const type = types[reader.byte()]
    if (type === undefined)
      throw new Failure('damaged', 'A page of the index holds an entry of unknown type.')
    let name = reader.string()
    if (type === 'directory') {
      this.#directory = name
      name = ''
    }
    const entry: Entry = {
      type,
      directory: this.#directory,
      name,
      mode: reader.integer(),
      uid: reader.integer(),
      gid: reader.integer(),
      size: reader.integer(),
      mtime: reader.signed(),
      mtimeNs: reader.integer(),
      ctime: reader.signed(),
      ctimeNs: reader.integer() - 1,
      inode: reader.integer(),
      link: '',
      place: { level: reader.integer(), offset: reader.integer(), length: reader.integer() },
    }
    if (type === 'symlink' || type === 'hardlink') entry.link = reader.string()
    checkNames(entry)
    return entry
  }
}

/** The entries of a page. @throws Failure `damaged`, `hostile` */
export function readEntries(bytes: Uint8Array): Entry[] {
  const reader = new PageReader(bytes)
  const entries: Entry[] = []
  for (let entry = reader.next(); entry !== undefined; entry = reader.next()) entries.push(entry)
  return entries
}

/** @throws Failure `hostile` for a path that could lead outside the tree */
function checkNames(entry: Entry): void {
  const path = entryPath(entry)
  const odd =
    path.includes('\0') ||
    entry.name.includes('/') ||
    (entry.type !== 'directory' && entry.name === '') ||
    (path !== '' && path.split('/').some((part) => part === '' || part === '.' || part === '..'))
  if (odd) {
    throw new Failure('hostile', 'The index names a path that no backup holds.', {
      facts: { path: JSON.stringify(path) },
      remedy: 'The container was tampered with; restore from another copy.',
    })
  }
}
