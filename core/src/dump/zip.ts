/**
 * Members as a zip archive, as `fflate` writes it: without zip64, so what does not fit is refused beforehand. Node deflates,
 * several times as fast.
 */
import { once } from 'node:events'
import { crc32, createDeflateRaw } from 'node:zlib'
import type { Entry } from '@freezer/sdk'
import { bytePath, displayPath, Failure } from '@freezer/sdk'
import { Zip, type ZipInputFile } from 'fflate'
import type { Losses, Member } from './members.ts'

/** What the fields of an archive without zip64 hold. */
export const zipLimits = { bytes: 2 ** 32 - 1, entries: 2 ** 16 - 1 } as const

/** Bytes that a member takes beside its name, twice, and content: headers, extra fields, what deflate adds. */
const overhead = 256

/** "Made by Unix": the upper half of the attributes is the mode of a file. */
const unix = 3
const directoryAttribute = 0x10
const typeBits: Partial<Record<Entry['type'], number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
}

/** Methods of compression. */
const stored = 0
const deflated = 8

const nothing = new Uint8Array(0)

/** Times that the old field holds; it is of local time. */
const earliest = new Date(1980, 0, 1).getTime()
const latest = new Date(2099, 11, 31).getTime()

/** Counts what an archive is going to take at most. */
export class ZipSize {
  #bytes = 0
  #entries = 0

  /** @throws Failure `refused` when it is more than an archive can hold */
  add(path: string, size: number): void {
    this.#bytes += size + Math.ceil(size / 1000) + 2 * path.length + overhead
    this.#entries++
    if (this.#bytes <= zipLimits.bytes && this.#entries <= zipLimits.entries) return
    throw new Failure(
      'refused',
      'This is too much for a zip archive, which holds 65,535 entries and 4 GiB before compression.',
      { remedy: 'Use --format tar, or dump a part of it: name a path.' },
    )
  }
}

/**
 * The archive, in pieces.
 * @param linked the files behind hard links, by their paths: such a link is stored as one more file
 */
export async function* zipArchive(
  members: AsyncIterable<Member>,
  linked: (paths: readonly string[]) => AsyncIterable<Member>,
  losses: Losses,
): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = []
  const zip = new Zip((error, chunk) => {
    if (error) throw error
    if (chunk.length > 0) chunks.push(chunk)
  })
  let links: string[] = []
  const addAll = async function* (from: AsyncIterable<Member>): AsyncGenerator<Uint8Array> {
    for await (const member of from) {
      if (member.entry.type === 'hardlink') links.push(member.path)
      else if (canHold(member, losses)) {
        for await (const _ of add(zip, member)) yield* chunks.splice(0)
      }
      yield* chunks.splice(0)
    }
  }
  yield* addAll(members)
  while (links.length > 0) {
    const paths = links
    links = []
    yield* addAll(linked(paths))
    // Of several names of a file each round stores one.
    if (links.length === paths.length)
      throw new Failure('damaged', 'The index has hard links that lead to no file.')
  }
  zip.end()
  yield* chunks
}

function canHold({ entry, path, attributes }: Member, losses: Losses): boolean {
  if (path === '') return false
  if (typeBits[entry.type] === undefined) {
    losses.tell(
      'unrestored',
      path,
      'It is left out: a zip archive holds files, directories and symbolic links.',
    )
    return false
  }
  if (bytePath(displayPath(path)) !== path) {
    losses.tell('unrestored', path, 'It is left out: its name is no text, which a zip archive cannot hold.')
    return false
  }
  if (attributes.length > 0) {
    losses.tell('metadata', path, 'A zip archive cannot hold its extended attributes or ACL.')
  }
  return true
}

/** Adds one member; yields whenever there may be something to take. */
async function* add(zip: Zip, { entry, path, content }: Member): AsyncGenerator<void> {
  const file = fileOf(entry, path, content === undefined ? stored : deflated)
  zip.add(file)
  if (content === undefined) {
    const target = entry.type === 'symlink' ? Buffer.from(entry.link, 'latin1') : nothing
    count(file, target)
    file.ondata?.(null, target, true)
    return
  }
  const deflate = createDeflateRaw()
  const feed = async () => {
    for await (const chunk of content) {
      count(file, chunk)
      if (!deflate.write(chunk)) await once(deflate, 'drain')
    }
    deflate.end()
  }
  const feeding = feed()
  feeding.catch((error: Error) => deflate.destroy(error))
  try {
    for await (const piece of deflate) {
      file.ondata?.(null, piece, false)
      yield
    }
    await feeding
  } finally {
    deflate.destroy()
  }
  file.ondata?.(null, nothing, true)
}

/** Size and checksum are asked for when the last of the content has come. */
function count(file: ZipInputFile, chunk: Uint8Array): void {
  file.size += chunk.length
  file.crc = crc32(chunk, file.crc)
}

function fileOf(entry: Entry, path: string, compression: number): ZipInputFile {
  const { type, mode, mtime, uid, gid } = entry
  const upper = ((typeBits[type] ?? 0) | mode) * 2 ** 16
  return {
    filename: `${displayPath(path)}${type === 'directory' ? '/' : ''}`,
    size: 0,
    crc: 0,
    compression,
    os: unix,
    attrs: upper + (type === 'directory' ? directoryAttribute : 0),
    mtime: Math.min(Math.max(mtime * 1000, earliest), latest),
    extra: { 0x7875: owner(uid, gid), ...(Math.abs(mtime) < 2 ** 31 ? { 0x5455: time(mtime) } : {}) },
  }
}

/** Info-ZIP "UT": the time of modification, in UTC. */
function time(seconds: number): Uint8Array {
  const field = Buffer.alloc(5)
  field.writeUInt8(1)
  field.writeInt32LE(seconds, 1)
  return field
}

/** Info-ZIP "ux": owner and group. */
function owner(uid: number, gid: number): Uint8Array {
  const field = Buffer.alloc(11)
  field.writeUInt8(1)
  field.writeUInt8(4, 1)
  field.writeUInt32LE(uid, 2)
  field.writeUInt8(4, 6)
  field.writeUInt32LE(gid, 7)
  return field
}
