/**
 * Records of a tar archive: the header of a member with all that announces and extends it. Reads pax (POSIX.1-2001),
 * GNU tar's long names, dumpdirs and its four ways to store sparse files (GNU tar manual, "Tar Internals").
 *
 * Whatever the bytes claim: nothing is allocated on their word beyond the limits here.
 */
import type { Attribute, Device } from '@freezer/filesystem'
import { type EntryType, Failure } from '@freezer/sdk'
import { parseAcl } from './acl.ts'
import { blockSize, decodeHeader, decodePax, flags, type Header, padded, parseTime } from './header.ts'
import { readSparse } from './sparse.ts'

/** One member of an archive. */
export interface Member {
  /** Path from the root of the tree, without `./` before and `/` behind. */
  path: string
  /** Undefined for a kind that no file system has: a volume label. */
  type: EntryType | undefined
  mode: number
  uid: number
  gid: number
  mtime: number
  mtimeNs: number
  /** Bytes of the file, holes included; 0 for all but files. */
  size: number
  /** Offset and length of each run of its data, when it is sparse. */
  runs: readonly number[] | undefined
  /** Target of a symbolic link as it is, path of the first name of a hard link. */
  link: string
  device: Device
  attributes: Attribute[]
  /** GNU tar's list of what a directory holds, where a pax record gives it. */
  dumpdir: string | undefined
  /** Whether the content is the dumpdir. */
  dumpdirFollows: boolean
  /** Bytes from the start of the record to the content, of the content, and of the whole record. */
  contentAt: number
  stored: number
  length: number
}

/** What `readMember` says besides a member: the archive ends here, or as many bytes are needed. */
export type Incomplete = { readonly end: true } | { readonly needs: number }
const end = { end: true } as const

/** No pax header and no long name is larger: attributes have at most 64 KiB each. */
const longestExtension = 16 * 2 ** 20
const mostExtensions = 8

const types: Record<string, EntryType> = {
  [flags.file]: 'file',
  [flags.contiguous]: 'file',
  [flags.sparse]: 'file',
  [flags.hardlink]: 'hardlink',
  [flags.symlink]: 'symlink',
  [flags.character]: 'character',
  [flags.block]: 'block',
  [flags.directory]: 'directory',
  [flags.dumpdir]: 'directory',
  [flags.fifo]: 'fifo',
}

/** Extensions that came before a header. */
interface Extensions {
  name?: string
  link?: string
  pax?: Map<string, string>
  paxBody?: Uint8Array
}

/**
 * The member whose record starts at `at`, or what is missing to tell.
 * @throws Failure `damaged` for what is no record, `hostile` for a name that leaves the tree
 */
export function readMember(bytes: Uint8Array, at: number): Member | Incomplete {
  const extensions: Extensions = {}
  let position = at
  for (let count = 0; count <= mostExtensions; count++) {
    if (position + blockSize > bytes.length) return { needs: position + blockSize - at }
    const header = decodeHeader(bytes, position)
    if (header === undefined) {
      if (position !== at)
        throw new Failure('damaged', 'A tar header announces a member that does not follow.')
      return end
    }
    if (header.size < 0) throw new Failure('damaged', 'A tar header gives a negative size.')
    const body = position + blockSize
    if (!announces.has(header.flag)) return finish(bytes, at, body, header, extensions)
    if (header.size > longestExtension) {
      throw new Failure('damaged', `A tar header announces ${header.size} bytes of extensions: too many.`)
    }
    const next = body + padded(header.size)
    if (next > bytes.length) return { needs: next + blockSize - at }
    extend(extensions, header.flag, bytes.subarray(body, body + header.size))
    position = next
  }
  throw new Failure('damaged', 'A member of the archive has more extensions than any program writes.')
}

const announces = new Set<string>([flags.pax, flags.globalPax, flags.longName, flags.longLink])

function extend(extensions: Extensions, flag: string, body: Uint8Array): void {
  if (flag === flags.longName) extensions.name = text(body)
  else if (flag === flags.longLink) extensions.link = text(body)
  else if (flag === flags.pax) {
    extensions.pax = decodePax(body)
    extensions.paxBody = body
  }
}

/** The string of a long-name record, which a NUL ends. */
function text(body: Uint8Array): string {
  const nul = body.indexOf(0)
  return Buffer.from(body.subarray(0, nul < 0 ? body.length : nul)).toString('latin1')
}

const none: Map<string, string> = new Map()

function finish(
  bytes: Uint8Array,
  at: number,
  body: number,
  header: Header,
  { name, link, pax = none, paxBody }: Extensions,
): Member | Incomplete {
  const type = types[header.flag]
  const stored = storedSize(header, type, pax)
  const time = pax.get('mtime')
  const { seconds, nanoseconds } =
    time === undefined ? { seconds: header.mtime, nanoseconds: 0 } : parseTime(time)
  const linkName = pax.get('linkpath') ?? link ?? header.link
  const path = pax.get('GNU.sparse.name') ?? pax.get('path') ?? name ?? header.name
  const member: Member = {
    path: type === undefined ? path : relativePath(path),
    type,
    mode: header.mode & 0o7777,
    uid: whole(pax.get('uid')) ?? header.uid,
    gid: whole(pax.get('gid')) ?? header.gid,
    mtime: seconds,
    mtimeNs: nanoseconds,
    size: type === 'file' ? stored : 0,
    runs: undefined,
    link: type === 'hardlink' ? relativePath(linkName) : type === 'symlink' ? linkName : '',
    device: { major: header.devMajor, minor: header.devMinor },
    attributes: pax === none ? [] : attributesOf(pax),
    dumpdir: pax.get('GNU.dumpdir'),
    dumpdirFollows: header.flag === flags.dumpdir,
    contentAt: body - at,
    stored,
    length: body - at + padded(stored),
  }
  if (type === 'file') {
    const sparse = readSparse(bytes, body, header.flag === flags.sparse, stored, pax, paxBody)
    if (sparse === undefined) return member
    if ('needs' in sparse) return { needs: sparse.needs + body - at }
    member.size = sparse.size
    member.runs = sparse.runs
    member.contentAt += sparse.mapLength
    // The map of the newest format is part of the content; that of the oldest one is not.
    if (header.flag === flags.sparse) member.length += sparse.mapLength
    else member.stored -= sparse.mapLength
  }
  return member
}

function storedSize(header: Header, type: EntryType | undefined, pax: Map<string, string>): number {
  // Some programs give links the size of what they point to, and no content.
  if (type === 'hardlink' || type === 'symlink' || type === 'fifo') return 0
  if (type === 'character' || type === 'block') return 0
  if (header.flag === flags.directory) return 0
  return whole(pax.get('size')) ?? header.size
}

/** @throws Failure `damaged` for what is no whole number from 0 to 2^53 */
function whole(digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined
  const value = Number(digits)
  if (!/^\d+$/.test(digits) || !Number.isSafeInteger(value)) {
    throw new Failure('damaged', 'A pax header of the archive holds a number that is none.')
  }
  return value
}

/**
 * A member's name as a path from the root of the tree: '' for the root.
 * @throws Failure `hostile` when it leads elsewhere
 */
export function relativePath(name: string): string {
  if (name.startsWith('/') || name.includes('\0')) throw outside(name)
  if (!/(^|\/)\.{0,2}(\/|$)/.test(name)) return name
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw outside(name)
  return parts.join('/')
}

function outside(name: string): Failure {
  const shown = JSON.stringify(Buffer.from(name.slice(0, 200), 'latin1').toString('utf8'))
  return new Failure('hostile', `The archive holds a member named ${shown}, outside of its tree.`, {
    remedy: 'No honest backup does: do not trust where it came from.',
  })
}

const attributePrefix = 'SCHILY.xattr.'
const acls: [key: string, attribute: string][] = [
  ['SCHILY.acl.access', 'system.posix_acl_access'],
  ['SCHILY.acl.default', 'system.posix_acl_default'],
]

function attributesOf(pax: Map<string, string>): Attribute[] {
  const found: Attribute[] = []
  for (const [key, value] of pax) {
    if (!key.startsWith(attributePrefix)) continue
    // GNU tar writes `=` and `%` in a name as `%3D` and `%25`.
    const name = key.slice(attributePrefix.length).replace(/%3D/g, '=').replace(/%25/g, '%')
    if (name !== '' && !name.includes('\0')) found.push({ name, value: Buffer.from(value, 'latin1') })
  }
  for (const [key, name] of acls) {
    const value = pax.get(key)
    if (value === undefined || found.some((attribute) => attribute.name === name)) continue
    const acl = parseAcl(value)
    if (acl !== undefined) found.push({ name, value: acl })
  }
  const label = pax.get('RHT.security.selinux')
  if (label !== undefined && !found.some(({ name }) => name === 'security.selinux')) {
    found.push({ name: 'security.selinux', value: Buffer.from(`${label}\0`, 'latin1') })
  }
  return found
}
