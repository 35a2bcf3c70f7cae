/**
 * Random file trees with everything that can belong to a file, and their comparison. Reads and writes with Node and
 * with its own declarations of the C library, so that it shares no code with what it judges.
 *
 * Names are byte strings: one character U+0000 to U+00FF a byte.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const mknod = libc.func('int mknod(const void *, uint32_t, uint64_t)')
const utimensat = libc.func('int utimensat(int, const void *, void *, int)')
const lseek = libc.func('int64_t lseek(int, int64_t, int)')
const llistxattr = libc.func('long llistxattr(const void *, void *, size_t)')
const lgetxattr = libc.func('long lgetxattr(const void *, const void *, void *, size_t)')
const lsetxattr = libc.func('int lsetxattr(const void *, const void *, const void *, size_t, int)')
const lremovexattr = libc.func('int lremovexattr(const void *, const void *)')

const root = process.getuid?.() === 0

/** Numbers from 0 up to 1, the same for the same seed. */
export type Random = () => number

/** A generator of pseudo-random numbers (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const below = (random: Random, limit: number) => Math.floor(random() * limit)
const chance = (random: Random, probability: number) => random() < probability

function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)] as T
}

/** A path for Node: bytes. */
const raw = (path: string) => Buffer.from(path, 'latin1')
/** A path for the C library: bytes and a NUL. */
const cstring = (path: string) => Buffer.from(`${path}\0`, 'latin1')
const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

function checked(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`)
  return result
}

const list = Buffer.alloc(65536)
const valueBuffer = Buffer.alloc(65536)

/** Reads the extended attributes of a path without following a link: name to value in hexadecimal. */
function readAttributes(path: Buffer): Record<string, string> {
  const found: Record<string, string> = {}
  const length = Number(llistxattr(path, list, list.length))
  if (length <= 0) return found
  for (const name of list
    .toString('latin1', 0, length - 1)
    .split('\0')
    .sort()) {
    const size = checked(
      Number(lgetxattr(path, cstring(name), valueBuffer, valueBuffer.length)),
      `lgetxattr ${name}`,
    )
    found[name] = valueBuffer.toString('hex', 0, size)
  }
  return found
}

function setAttribute(path: string, name: string, value: Buffer): void {
  checked(lsetxattr(cstring(path), cstring(name), value, value.length, 0), `lsetxattr ${name} on ${path}`)
}

/** Sets the modification time of a path without following a link. */
export function setTime(path: string, seconds: bigint, nanoseconds: number): void {
  const times = Buffer.alloc(32)
  for (const offset of [0, 16]) {
    times.writeBigInt64LE(seconds, offset)
    times.writeBigInt64LE(BigInt(nanoseconds), offset + 8)
  }
  checked(utimensat(-100, cstring(path), times, 0x100), `utimensat ${path}`)
}

/** Everything about one path that a restore brings back. */
export interface Description {
  type: 'file' | 'directory' | 'symlink' | 'fifo' | 'character' | 'block' | 'socket'
  mode: number
  uid: number
  gid: number
  /** Nanoseconds since 1970. */
  mtime: bigint
  /** Bytes; 0 for directories, whose size says nothing. */
  size: number
  sha256: string
  /** Where a file holds data, as `offset+length`; everything else is a hole. */
  data: string
  blocks: number
  link: string
  /** Device number of a device node. */
  device: bigint
  /** The first path of the tree, in byte order, that is the same file; '' for a file of one name. */
  sameAs: string
  attributes: Record<string, string>
}

/** Path relative to the described directory, '' for itself, to what is there. */
export type Tree = Map<string, Description>

const types: Record<number, Description['type']> = {
  [fs.constants.S_IFREG]: 'file',
  [fs.constants.S_IFDIR]: 'directory',
  [fs.constants.S_IFLNK]: 'symlink',
  [fs.constants.S_IFIFO]: 'fifo',
  [fs.constants.S_IFCHR]: 'character',
  [fs.constants.S_IFBLK]: 'block',
  [fs.constants.S_IFSOCK]: 'socket',
}

const piece = Buffer.alloc(1 << 20)

function readContent(path: Buffer, description: Description): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
  try {
    const hash = createHash('sha256')
    for (let length = fs.readSync(fd, piece); length > 0; length = fs.readSync(fd, piece)) {
      hash.update(piece.subarray(0, length))
    }
    description.sha256 = hash.digest('hex')
    const runs: string[] = []
    for (let end = 0; end < description.size; ) {
      const start = Number(lseek(fd, end, 3))
      if (start < 0) break
      end = Number(lseek(fd, start, 4))
      runs.push(`${start}+${end - start}`)
    }
    description.data = runs.join(' ')
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * Every path of the tree under `dir`, with every byte and all metadata. Directories are read through descriptors, so
 * that paths longer than the system takes are no obstacle. Access times of files change.
 */
export function describeTree(dir: string): Tree {
  const tree: Tree = new Map()
  const inodes = new Map<string, string[]>()

  function visit(location: Buffer, path: string): void {
    const stat = fs.lstatSync(location, { bigint: true })
    const type = types[Number(stat.mode) & fs.constants.S_IFMT] ?? 'file'
    const description: Description = {
      type,
      mode: Number(stat.mode) & 0o7777,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtime: stat.mtimeNs,
      size: type === 'directory' ? 0 : Number(stat.size),
      sha256: '',
      data: '',
      blocks: Number(stat.blocks),
      link: type === 'symlink' ? fs.readlinkSync(location, 'latin1') : '',
      device: type === 'character' || type === 'block' ? stat.rdev : 0n,
      sameAs: '',
      attributes: readAttributes(Buffer.concat([location, Buffer.alloc(1)])),
    }
    tree.set(path, description)
    if (type !== 'directory' && stat.nlink > 1n) {
      const inode = `${stat.dev}:${stat.ino}`
      inodes.set(inode, [...(inodes.get(inode) ?? []), path])
    }
    if (type === 'file') readContent(location, description)
    if (type !== 'directory') return
    const fd = fs.openSync(
      location,
      fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW,
    )
    try {
      for (const name of fs.readdirSync(`/proc/self/fd/${fd}`, 'latin1').sort()) {
        visit(raw(`/proc/self/fd/${fd}/${name}`), path === '' ? name : `${path}/${name}`)
      }
    } finally {
      fs.closeSync(fd)
    }
  }

  visit(raw(utf8(dir)), '')
  for (const paths of inodes.values()) {
    const first = paths.sort()[0] as string
    if (paths.length > 1) for (const path of paths) (tree.get(path) as Description).sameAs = first
  }
  return tree
}

/**
 * What differs between two trees, one readable line each, none when they are equal.
 *
 * @param ignore members of a description that do not count; `blocks` never does, since file systems place the same
 *   data differently, and holes do not in a file that takes as many blocks as if it had none
 */
export function differences(a: Tree, b: Tree, ignore: readonly (keyof Description)[] = []): string[] {
  const lines: string[] = []
  const shown = (path: string) => JSON.stringify(path === '' ? '.' : path)
  for (const [path, before] of a) {
    const after = b.get(path)
    if (after === undefined) {
      lines.push(`${shown(path)} (${before.type}) is missing`)
      continue
    }
    for (const member of Object.keys(before) as (keyof Description)[]) {
      if (member === 'blocks' || ignore.includes(member)) continue
      if (member === 'data' && before.blocks * 512 >= before.size) continue
      const [x, y] = [before[member], after[member]].map((value) =>
        typeof value === 'object'
          ? JSON.stringify(value)
          : member === 'mode'
            ? value.toString(8)
            : `${value}`,
      )
      if (x !== y) lines.push(`${shown(path)} (${before.type}): ${member} is ${y}, not ${x}`)
    }
  }
  for (const [path, { type }] of b) {
    if (!a.has(path)) lines.push(`${shown(path)} (${type}) should not be there`)
  }
  return lines
}

/** Removes a tree however long its paths are. */
export function removeTree(dir: string): void {
  const { status, stderr } = spawnSync('rm', ['-rf', '--', dir], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = random() * 256
  return bytes
}

/** A name that no other entry has; often one that is hard on archives and shells. */
function randomName(random: Random): string {
  const unique = below(random, 36 ** 6).toString(36)
  switch (below(random, 14)) {
    case 0:
      return utf8(`ünïcödé-日本語-🦊-${unique}`)
    case 1: // Not UTF-8, any byte that a name may hold.
      return (
        unique +
        randomBytes(random, 1 + below(random, 20))
          .toString('latin1')
          .replace(/[/\0]/g, '\xff')
      )
    case 2:
      return `new\nline\n${unique}`
    case 3:
      return `${unique}-${'long'.repeat(80)}`.slice(0, 255)
    case 4: // Around the 100 bytes of a tar header.
      return `${unique}-${'x'.repeat(110)}`.slice(0, 92 + below(random, 16))
    case 5:
      return `${pick(random, [' ', '-', '--', '~', '#', '*', '..', '...', '\\', '"', "'", '\t', '%', '='])}${unique}`
    case 6:
      return `${unique}${pick(random, [' ', '\\', '.', '\r', '\x7f', '\n', ' (x)'])}`
    default:
      return `${unique}.${pick(random, ['txt', 'c', 'jpg', 'data'])}`
  }
}

function randomContent(random: Random): Buffer {
  const size = pick(random, [
    () => 0,
    () => 1 + below(random, 600),
    () => below(random, 5000),
    () => below(random, 5000),
    () => pick(random, [511, 512, 513, 1023, 1024, 4096, 10240, 65536]),
    () => below(random, 40_000),
    () => (chance(random, 0.2) ? below(random, 1_500_000) : below(random, 9000)),
  ])()
  if (chance(random, 0.5)) return Buffer.alloc(size, `${random()} the same again and again\n`)
  return Buffer.alloc(size, randomBytes(random, Math.min(size, 4093)))
}

function writeSparse(random: Random, path: string): void {
  const fd = fs.openSync(raw(path), 'wx')
  try {
    const size = below(random, 3 << 20)
    fs.ftruncateSync(fd, size)
    for (let runs = size === 0 ? 0 : below(random, 6); runs > 0; runs--) {
      const offset = chance(random, 0.5) ? below(random, size) : Math.floor(below(random, size) / 4096) * 4096
      fs.writeSync(fd, randomBytes(random, Math.min(1 + below(random, 9000), size - offset)), 0, null, offset)
    }
  } finally {
    fs.closeSync(fd)
  }
}

/** The value of a POSIX ACL attribute: version 2, then tag, permissions and id of each entry. */
function randomAcl(random: Random): Buffer {
  const entries: [tag: number, permissions: number, id: number][] = [
    [0x01, 7, 0xffffffff],
    [0x02, below(random, 8), 1000 + below(random, 9)],
    [0x04, below(random, 8), 0xffffffff],
    ...(chance(random, 0.5) ? [[0x08, 5, 2000 + below(random, 70_000)] as [number, number, number]] : []),
    [0x10, below(random, 8), 0xffffffff],
    [0x20, below(random, 8), 0xffffffff],
  ]
  const value = Buffer.alloc(4 + entries.length * 8)
  value.writeUInt32LE(2, 0)
  for (const [i, [tag, permissions, id]] of entries.entries()) {
    value.writeUInt16LE(tag, 4 + i * 8)
    value.writeUInt16LE(permissions, 6 + i * 8)
    value.writeUInt32LE(id, 8 + i * 8)
  }
  return value
}

function changeAttributes(random: Random, path: string, type: Description['type']): void {
  const value = () => randomBytes(random, pick(random, [0, 1, 20, 300]))
  if (type === 'file' || type === 'directory') {
    const name = pick(random, ['user.note', 'user.a=b', 'user.%41', utf8('user.ü'), 'user.mime_type'])
    const present = readAttributes(cstring(path))[name] !== undefined
    if (present && chance(random, 0.5)) checked(lremovexattr(cstring(path), cstring(name)), `remove ${name}`)
    else setAttribute(path, name, value())
    if (chance(random, 0.4)) setAttribute(path, 'system.posix_acl_access', randomAcl(random))
    if (type === 'directory' && chance(random, 0.4)) {
      setAttribute(path, 'system.posix_acl_default', randomAcl(random))
    }
  }
  if (!root) return
  if (chance(random, 0.3)) setAttribute(path, 'trusted.freezer', value())
  if (type === 'file' && chance(random, 0.4)) {
    const capability = Buffer.alloc(20)
    capability.writeUInt32LE(0x02000001, 0)
    capability.writeUInt32LE(1 << below(random, 30), 4)
    setAttribute(path, 'security.capability', capability)
  }
}

function changeOwner(random: Random, path: string): void {
  if (!root) return
  const id = () => pick(random, [0, 1, 33, 1000, 65534, 2_097_151, 2_097_152, 123_456_789, 4_294_967_294])
  fs.lchownSync(raw(path), id(), id())
}

function changeMode(random: Random, path: string, type: Description['type']): void {
  if (type === 'symlink') return
  const special = chance(random, 0.15) ? pick(random, [0o4000, 0o2000, 0o1000, 0o6000, 0o7000]) : 0
  const bits = pick(random, [0o644, 0o755, 0o600, 0o640, 0o444, below(random, 0o1000), 0])
  fs.chmodSync(raw(path), special | bits | (root ? 0 : type === 'directory' ? 0o700 : 0o600))
}

function changeTime(random: Random, path: string): void {
  const seconds = pick(random, [
    () => 0n,
    () => -1n,
    () => -BigInt(below(random, 2 ** 31)), // From 1901 on.
    () => BigInt(below(random, 2 ** 31)),
    () => 1_700_000_000n + BigInt(below(random, 1e7)),
    () => 8_589_934_591n, // The last second that eleven octal digits hold: 2242.
    () => 8_589_934_592n + BigInt(below(random, 6e9)), // As far as ext4 goes: 2446.
  ])()
  setTime(path, seconds, pick(random, [0, 1, 999_999_999, below(random, 1e9)]))
}

function decorate(random: Random, path: string, type: Description['type'], probability: number): void {
  if (chance(random, probability)) changeOwner(random, path)
  if (chance(random, probability)) changeMode(random, path, type)
  if (chance(random, probability * 0.6)) changeAttributes(random, path, type)
}

interface Found {
  path: string
  type: Description['type']
}

/** Every path under `dir`, parents first, without `dir` itself. */
function walk(dir: string): Found[] {
  const found: Found[] = []
  for (const name of fs.readdirSync(raw(dir), 'latin1').sort()) {
    const path = `${dir}/${name}`
    const type = types[fs.lstatSync(raw(path)).mode & fs.constants.S_IFMT] ?? 'file'
    found.push({ path, type })
    if (type === 'directory') found.push(...walk(path))
  }
  return found
}

// The longest path made: below what the system takes in one call (4,096 bytes).
const longestPath = 3500

/** Makes one new entry in directory `parent`; `files` are those to which a hard link may lead. */
function makeEntry(random: Random, parent: string, files: readonly string[]): Found {
  const name = randomName(random)
  const path = `${parent}/${name}`
  const roll = random()
  if (roll < 0.2 && path.length < longestPath - 300) {
    fs.mkdirSync(raw(path))
    return { path, type: 'directory' }
  }
  if (roll < 0.3) {
    const targets = [
      'nowhere',
      '/etc/passwd',
      '..',
      '.',
      utf8('../ü\n'),
      '/',
      'a/../b',
      'x'.repeat(150),
      parent,
    ]
    fs.symlinkSync(raw(pick(random, targets)), raw(path))
    return { path, type: 'symlink' }
  }
  if (roll < 0.38 && files.length > 0) {
    fs.linkSync(raw(pick(random, files)), raw(path))
    return { path, type: 'file' }
  }
  if (roll < 0.42) {
    checked(mknod(cstring(path), fs.constants.S_IFIFO | 0o644, 0), 'mkfifo')
    return { path, type: 'fifo' }
  }
  if (roll < 0.46 && root) {
    const character = chance(random, 0.5)
    const kind = character ? fs.constants.S_IFCHR : fs.constants.S_IFBLK
    // Major and minor numbers as Linux packs them, beyond the old eight bits too.
    const [major, minor] = [1 + below(random, 4000), below(random, 1 << 18)]
    const device = (BigInt(major) << 8n) | BigInt(minor & 0xff) | (BigInt(minor >>> 8) << 20n)
    checked(mknod(cstring(path), kind | 0o600, device), 'mknod')
    return { path, type: character ? 'character' : 'block' }
  }
  if (roll < 0.54) writeSparse(random, path)
  else fs.writeFileSync(raw(path), randomContent(random), { flag: 'wx' })
  return { path, type: 'file' }
}

/**
 * Fills `dir`, made when missing, with a random tree: every type but sockets, hard names, long paths, sparse files,
 * owners, modes, extended attributes, ACLs, capabilities and times from 1901 to 2446. What needs privilege is left
 * out for other users than root.
 *
 * @param entries how many paths, about
 */
export function makeTree(dir: string, random: Random, entries = 120): void {
  const top = utf8(dir)
  fs.mkdirSync(raw(top), { recursive: true })
  const directories = [top]
  const files: string[] = []
  const made: Found[] = []
  let deepest = top
  for (let i = 0; i < entries; i++) {
    const parent = chance(random, 0.15) ? deepest : pick(random, directories)
    const entry = makeEntry(random, parent, files)
    made.push(entry)
    if (entry.type === 'file') files.push(entry.path)
    if (entry.type === 'directory') {
      directories.push(entry.path)
      if (entry.path.length > deepest.length) deepest = entry.path
    }
  }
  for (const { path, type } of made) decorate(random, path, type, 0.4)
  decorate(random, top, 'directory', 0.4)
  for (const { path } of made.toReversed()) if (chance(random, 0.8)) changeTime(random, path)
  changeTime(random, top)
}

/**
 * Changes a tree as its users might between two backups: content edited, appended and cut, entries made, removed,
 * renamed and replaced by another type, metadata alone changed, hard links added and removed.
 *
 * @param changes how many, about
 */
export function mutateTree(dir: string, random: Random, changes = 30): void {
  const top = utf8(dir)
  for (let i = 0; i < changes; i++) {
    const found = walk(top)
    const files = found.filter(({ type }) => type === 'file').map(({ path }) => path)
    const directories = [top, ...found.filter(({ type }) => type === 'directory').map(({ path }) => path)]
    const { path, type } = found.length === 0 ? makeEntry(random, top, files) : pick(random, found)
    const file = files.length === 0 ? undefined : pick(random, files)
    switch (below(random, 13)) {
      case 0:
      case 1: {
        const entry = makeEntry(random, pick(random, directories), files)
        decorate(random, entry.path, entry.type, 0.3)
        break
      }
      case 2: // Edit in place, at the end too; keeps the size.
        if (file !== undefined && fs.statSync(raw(file)).size > 0) {
          const fd = fs.openSync(raw(file), 'r+')
          fs.writeSync(fd, randomBytes(random, 1), 0, 1, below(random, fs.fstatSync(fd).size))
          fs.closeSync(fd)
        }
        break
      case 3:
        if (file !== undefined) fs.appendFileSync(raw(file), randomBytes(random, 1 + below(random, 3000)))
        break
      case 4:
        if (file !== undefined) fs.truncateSync(raw(file), below(random, fs.statSync(raw(file)).size + 1))
        break
      case 5:
        fs.rmSync(raw(path), { recursive: true, force: true })
        break
      case 6: {
        // Rename, into another directory too; never a directory into itself.
        const parent = pick(random, directories)
        const inside = parent === path || parent.startsWith(`${path}/`)
        const to = `${inside ? top : parent}/${randomName(random)}`
        const longest = Math.max(...found.map((one) => (one.path.startsWith(path) ? one.path.length : 0)))
        if (longest - path.length + to.length < longestPath) fs.renameSync(raw(path), raw(to))
        break
      }
      case 7: {
        // Replace by an entry of another type under the same name.
        fs.rmSync(raw(path), { recursive: true, force: true })
        if (type === 'directory') fs.writeFileSync(raw(path), randomContent(random))
        else if (type === 'file') fs.symlinkSync(raw('replaced'), raw(path))
        else if (path.length < longestPath - 300) {
          fs.mkdirSync(raw(path))
          makeEntry(random, path, [])
        }
        break
      }
      case 8:
        changeMode(random, path, type)
        break
      case 9:
        changeOwner(random, path)
        break
      case 10:
        changeAttributes(random, path, type)
        break
      case 11:
        changeTime(random, path)
        break
      case 12: // One more name for a file; a name the fewer comes from removing and renaming.
        if (file !== undefined)
          fs.linkSync(raw(file), raw(`${pick(random, directories)}/${randomName(random)}`))
        break
    }
  }
}
