/**
 * Archives and indexes that no honest backup holds, made byte by byte. Its encoder is its own: it must be able to lie.
 *
 * A case without entries is an archive of which the index is made by listing it; one with entries is an index that was
 * forged beside it.
 */
import type { Entry, FailureCode } from '@freezer/sdk'

export interface CraftedMember {
  name: string
  flag?: string
  link?: string
  mode?: number
  content?: string | Buffer
  /** What the header says, when that is not the length of the content. */
  size?: number | Buffer
  pax?: Record<string, string>
  /** Changes the header before its checksum is made. */
  forge?: (header: Buffer) => void
  /** Changes the header afterwards. */
  spoil?: (header: Buffer) => void
}

const pad = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')

export function header(member: CraftedMember, length: number): Buffer {
  const block = Buffer.alloc(512)
  const size = member.size ?? length
  block.write(member.name, 0, 100, 'latin1')
  block.write(octal(member.mode ?? 0o644, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  if (typeof size === 'number') block.write(octal(size, 11), 124)
  else size.copy(block, 124)
  block.write(octal(1_700_000_000, 11), 136)
  block.write(member.flag ?? '0', 156, 1, 'latin1')
  block.write(member.link ?? '', 157, 100, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  member.forge?.(block)
  block.fill(' ', 148, 156)
  block.write(
    octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    ),
    148,
  )
  block[154] = 0
  member.spoil?.(block)
  return block
}

export function paxRecords(records: Record<string, string>): Buffer {
  const parts = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = rest.length
    while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length
    return `${length}${rest}`
  })
  return Buffer.from(parts.join(''), 'latin1')
}

export interface Crafted {
  archive: Buffer
  /** Where each record starts and how long it is. */
  places: { level: number; offset: number; length: number }[]
}

export function craft(members: readonly CraftedMember[], end = Buffer.alloc(1024)): Crafted {
  const pieces: Buffer[] = []
  const places: Crafted['places'] = []
  let offset = 0
  for (const member of members) {
    const content = Buffer.from(member.content ?? '')
    const record: Buffer[] = []
    if (member.pax !== undefined) {
      const records = paxRecords(member.pax)
      record.push(header({ name: '././@PaxHeader', flag: 'x' }, records.length), pad(records))
    }
    record.push(header(member, content.length), pad(content))
    const bytes = Buffer.concat(record)
    places.push({ level: 0, offset, length: bytes.length })
    offset += bytes.length
    pieces.push(bytes)
  }
  return { archive: Buffer.concat([...pieces, end]), places }
}

export interface HostileCase {
  title: string
  archive: Buffer
  entries?: Entry[]
  promised?: number
  overwrite?: boolean
  remove?: boolean
  /**
   * Puts things into the target beforehand, by commands of a shell that stands in it; `../outside` must stay as it is.
   */
  before?: string
  /** A failure of one of these codes; a warning with exit status 3; or nothing, since it does no harm. */
  outcome: FailureCode | 'warning' | 'harmless'
  /** A command of a shell in the target that succeeds afterwards. */
  afterwards?: string
}

const base: Entry = {
  type: 'file',
  directory: '',
  name: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 1_700_000_000,
  mtimeNs: 0,
  ctime: 1_700_000_000,
  ctimeNs: 0,
  inode: 1,
  link: '',
  place: { level: 0, offset: 0, length: 1024 },
}

const text = 'evil'
const one = craft([{ name: './f', content: text }])
const named = (name: string, more: Partial<Entry> = {}): Entry => ({ ...base, name, size: 4, ...more })
const directory = (path: string): Entry => ({ ...base, type: 'directory', directory: path, mode: 0o755 })
const symlink = (name: string, link: string): Entry => ({ ...base, type: 'symlink', name, link })
const hardlink = (name: string, link: string, where = ''): Entry => ({
  ...base,
  type: 'hardlink',
  directory: where,
  name,
  link,
})

/** Entries with a record each, honest but for what the entries say. */
function indexed(entries: Entry[]): { archive: Buffer; entries: Entry[] } {
  const flags: Record<string, string> = { file: '0', directory: '5', symlink: '2', fifo: '6', hardlink: '1' }
  const members = entries.map(({ type, directory: where, name, link }) => ({
    name: '',
    flag: flags[type] ?? '0',
    content: type === 'file' ? text : '',
    pax: {
      path: `./${where}${where === '' || name === '' ? '' : '/'}${name}`,
      ...(link && { linkpath: link }),
    },
  }))
  const { archive, places } = craft(members)
  return { archive, entries: entries.map((entry, i) => ({ ...entry, place: places[i] ?? base.place })) }
}

const sparse = (map: string, realSize: string, data = text) =>
  craft([
    {
      name: './GNUSparseFile.0/f',
      content: Buffer.concat([pad(Buffer.from(map)), Buffer.from(data)]),
      pax: {
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': './f',
        'GNU.sparse.realsize': realSize,
      },
    },
  ])

/** A base-256 number field. */
const binary = (...bytes: number[]) => Buffer.from([...bytes])
const dumpdir = (items: string) => craft([{ name: './', flag: 'D', content: items }])
const deep = Array.from({ length: 10_000 }, (_, depth) => `${'d/'.repeat(depth)}d`)

const listed = (
  title: string,
  outcome: HostileCase['outcome'],
  { archive }: { archive: Buffer },
  more: Partial<HostileCase> = {},
): HostileCase => ({ title, archive, outcome, ...more })

const forged = (
  title: string,
  outcome: HostileCase['outcome'],
  entries: Entry[],
  more: Partial<HostileCase> = {},
): HostileCase => ({ title, ...indexed(entries), outcome, ...more })

const over = { overwrite: true }

export const hostileCases: HostileCase[] = [
  // Names, as an archive gives them.
  ...['../evil', 'a/../../evil', '/etc/evil', '..', './..', 'a/..', './a/./../../evil'].map((name) =>
    listed(`a member named ${name}`, 'hostile', craft([{ name, content: text }])),
  ),
  listed('a pax path with ..', 'hostile', craft([{ name: 'f', pax: { path: '../evil' } }])),
  listed('a pax path with NUL', 'hostile', craft([{ name: 'f', pax: { path: 'a\0b' } }])),
  listed('a sparse name with ..', 'hostile', craft([{ name: 'f', pax: { 'GNU.sparse.name': '../evil' } }])),
  listed(
    'a GNU long name with ..',
    'hostile',
    craft([
      { name: '././@LongLink', flag: 'L', content: '../evil\0' },
      { name: 'f', content: text },
    ]),
  ),
  listed('a prefix with ..', 'hostile', craft([{ name: 'evil', forge: (h) => h.write('../outside', 345) }])),
  listed('a name with a newline', 'harmless', craft([{ name: './a\nb', content: text }]), {
    afterwards: "test -f 'a\nb'",
  }),
  listed('a member without a name', 'damaged', craft([{ name: '', content: text }])),
  // Links, as an archive gives them.
  listed(
    'a file through a symlink of the archive',
    'hostile',
    craft([
      { name: './l', flag: '2', link: '../outside' },
      { name: './l/evil', content: text },
    ]),
  ),
  listed(
    'a directory through a symlink of the archive',
    'hostile',
    craft([
      { name: './l', flag: '2', link: '../outside' },
      { name: './l/d/', flag: '5' },
    ]),
  ),
  listed(
    'a symlink in the place of a directory with files',
    'harmless',
    craft([
      { name: './l/', flag: '5' },
      { name: './l/f', content: text },
      { name: './l', flag: '2', link: '../outside' },
    ]),
    { afterwards: 'test -L l' },
  ),
  listed(
    'a file through what was a directory and is a symlink now',
    'hostile',
    craft([
      { name: './l/', flag: '5' },
      { name: './l', flag: '2', link: '../outside' },
      { name: './l/evil', content: text },
    ]),
  ),
  listed('a hard link with ..', 'hostile', craft([{ name: './h', flag: '1', link: '../outside/secret' }])),
  listed('an absolute hard link', 'hostile', craft([{ name: './h', flag: '1', link: '/etc/passwd' }])),
  listed('a hard link to itself', 'warning', craft([{ name: './h', flag: '1', link: './h' }])),
  listed(
    'hard links in a circle',
    'warning',
    craft([
      { name: './a', flag: '1', link: './b' },
      { name: './b', flag: '1', link: './a' },
    ]),
  ),
  listed(
    'a hard link to a directory',
    'warning',
    craft([
      { name: './d/', flag: '5' },
      { name: './h', flag: '1', link: './d' },
    ]),
  ),
  listed(
    'a hard link to a symlink to outside',
    'harmless',
    craft([
      { name: './s', flag: '2', link: '../outside/secret' },
      { name: './h', flag: '1', link: './s' },
    ]),
    { afterwards: 'test -L s && test -L h' },
  ),
  listed('a symlink with NUL', 'hostile', craft([{ name: './s', flag: '2', pax: { linkpath: 'a\0b' } }])),
  // What is in the target already.
  listed(
    'a directory where the target has a symlink',
    'warning',
    craft([
      { name: './l/', flag: '5' },
      { name: './l/evil', content: text },
    ]),
    { before: 'ln -s ../outside l', afterwards: 'test -L l' },
  ),
  listed(
    'the same, to be replaced',
    'harmless',
    craft([
      { name: './l/', flag: '5' },
      { name: './l/evil', content: text },
    ]),
    { before: 'ln -s ../outside l', afterwards: 'test -f l/evil && ! test -L l', ...over },
  ),
  listed('a file where the target has a symlink', 'warning', one, { before: 'ln -s ../outside/secret f' }),
  listed('the same file, to be replaced', 'harmless', one, {
    before: 'ln -s ../outside/secret f',
    afterwards: 'test "$(cat f)" = evil && ! test -L f',
    ...over,
  }),
  listed('a file where the target has a hard link to outside', 'harmless', one, {
    before: 'ln ../outside/secret f',
    afterwards: 'test "$(cat f)" = evil',
    ...over,
  }),
  listed('a file where the target has a directory with files', 'warning', one, {
    before: 'mkdir f && echo mine >f/mine',
    afterwards: 'test -f f/mine',
    ...over,
  }),
  listed('removing a symlink that leads outside', 'harmless', craft([{ name: './', flag: '5' }]), {
    before: 'mkdir d && ln -s ../outside l && ln -s ../../outside d/l',
    afterwards: '! test -e l && ! test -e d',
    ...over,
    remove: true,
  }),
  // Lists of directories.
  ...['Y../evil\0\0', 'Da/b\0\0', 'Y.\0\0', 'N\0Ya\0\0'].map((items, i) =>
    listed(`a dumpdir that names no name, ${i + 1}`, 'hostile', dumpdir(items)),
  ),
  listed('a dumpdir that renames to outside', 'hostile', dumpdir('Rd\0T../evil\0\0')),
  listed('a dumpdir that renames from outside', 'hostile', dumpdir('R/etc\0Td\0\0')),
  listed('a dumpdir that renames into itself', 'damaged', dumpdir('Rd\0Td/e\0\0')),
  listed('a dumpdir that renames to nothing', 'damaged', dumpdir('Rd\0Ya\0\0')),
  listed('a dumpdir with a target and no source', 'damaged', dumpdir('Td\0\0')),
  listed('a dumpdir of another language', 'damaged', dumpdir('Qd\0\0')),
  listed('a dumpdir that omits what the target holds', 'harmless', dumpdir('\0'), {
    before: 'echo mine >mine',
    afterwards: 'test -f mine',
    ...over,
  }),
  listed(
    'a dumpdir said to have 8 GiB',
    'damaged',
    craft([{ name: './', flag: 'D', size: 8 * 2 ** 30 - 1 }]),
  ),
  // Numbers.
  listed('a size beyond the archive', 'damaged', craft([{ name: './f', content: text, size: 2 ** 33 - 1 }])),
  listed(
    'a negative size',
    'damaged',
    craft([{ name: './f', size: binary(0xff, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0) }]),
  ),
  listed(
    'a size beyond 2^53',
    'damaged',
    craft([{ name: './f', size: binary(0x80, 0, 0, 0, 127, 255, 255, 255, 255, 255, 255, 255) }]),
  ),
  listed('a size that is no number', 'damaged', craft([{ name: './f', size: Buffer.from('12x4567890z') }])),
  listed('a wrong checksum', 'damaged', craft([{ name: './f', spoil: (h) => h.fill(0x37, 148, 152) }])),
  listed('a changed header', 'damaged', craft([{ name: './f', spoil: (h) => h.write('g', 2) }])),
  listed(
    'a pax size beyond the archive',
    'damaged',
    craft([{ name: './f', pax: { size: '1000000000000' } }]),
  ),
  ...['-1', '1e3', '0x10', '', '9007199254740993', ' 1'].map((size) =>
    listed(`a pax size of "${size}"`, 'damaged', craft([{ name: './f', pax: { size } }])),
  ),
  listed('a pax owner of -1', 'damaged', craft([{ name: './f', pax: { uid: '-1' } }])),
  listed('a pax owner of 2^32 - 1', 'hostile', craft([{ name: './f', pax: { uid: '4294967295' } }])),
  listed('a pax time that is none', 'damaged', craft([{ name: './f', pax: { mtime: 'yesterday' } }])),
  listed(
    'a pax header of 4 GiB',
    'damaged',
    craft([{ name: 'x', flag: 'x', size: 2 ** 32, content: paxRecords({ path: 'f' }) }]),
  ),
  listed(
    'a long name of 1 GiB',
    'damaged',
    craft([{ name: 'L', flag: 'L', size: 2 ** 30, content: 'name' }]),
  ),
  ...['99 path=f\n', '3 path=f\n', 'path=f\n', '10 path=fx', '8 nokey\n', '0 \n', '99999999999999 a=b\n'].map(
    (records) =>
      listed(
        `a pax record ${JSON.stringify(records)}`,
        'damaged',
        craft([{ name: 'x', flag: 'x', content: records }, { name: './f' }]),
      ),
  ),
  listed('a pax header and then nothing', 'damaged', craft([{ name: 'x', flag: 'x', content: '' }])),
  listed('an extension after an extension, a thousand times', 'damaged', {
    archive: Buffer.concat([
      ...Array.from({ length: 1000 }, () => header({ name: 'x', flag: 'x' }, 0)),
      one.archive,
    ]),
  }),
  // Sparse files.
  listed('a sparse map out of order', 'damaged', sparse('2\n8\n2\n0\n2\n', '10')),
  listed('a sparse map that overlaps', 'damaged', sparse('2\n0\n2\n1\n2\n', '10')),
  listed('a sparse map beyond the file', 'damaged', sparse('1\n8\n4\n', '10')),
  listed('a sparse map of less than the data', 'damaged', sparse('1\n0\n2\n', '10')),
  listed('a sparse map of more than the data', 'damaged', sparse('1\n0\n9\n', '10')),
  listed('a sparse map of 10^15 runs', 'damaged', sparse('1000000000000000\n0\n4\n', '10')),
  listed('a sparse map without an end', 'damaged', sparse('7'.repeat(2000), '10')),
  listed('a sparse map that is none', 'damaged', sparse('1\n-8\n4\n', '10')),
  listed('a sparse map that overflows', 'damaged', sparse('1\n9007199254740991\n4\n', '9007199254740991')),
  listed('a sparse size of 2^60', 'damaged', sparse('1\n0\n4\n', '1152921504606846976')),
  listed('a sparse size of 4 PiB', 'warning', sparse('1\n0\n4\n', '4503599627370496')),
  listed(
    'an old sparse map that overlaps',
    'damaged',
    craft([
      {
        name: './f',
        flag: 'S',
        content: text,
        forge(block) {
          for (const [i, value] of [0, 2, 1, 2].entries()) block.write(octal(value, 11), 386 + i * 12)
          block.write(octal(10, 11), 483)
        },
      },
    ]),
  ),
  listed(
    'an old sparse map without end',
    'damaged',
    craft([{ name: './f', flag: 'S', forge: (block) => block.fill(1, 482, 483) }], Buffer.alloc(0)),
  ),
  // Metadata.
  listed(
    'a setuid file, which root may restore',
    'harmless',
    craft([{ name: './f', mode: 0o6755, content: text }]),
    { afterwards: 'test -u f' },
  ),
  listed(
    'attributes that do not exist',
    'warning',
    craft([{ name: './f', content: text, pax: { 'SCHILY.xattr.nowhere.x': 'y', 'SCHILY.xattr.x': 'y' } }]),
  ),
  listed(
    'a broken access control list',
    'warning',
    craft([{ name: './f', content: text, pax: { 'SCHILY.xattr.system.posix_acl_access': 'broken' } }]),
  ),
  // Whole archives.
  listed('no archive at all', 'damaged', { archive: Buffer.alloc(5000, 'not an archive ') }),
  listed('an empty archive', 'damaged', { archive: Buffer.alloc(0) }),
  listed('an archive without its end', 'damaged', craft([{ name: './f', content: text }], Buffer.alloc(0))),
  {
    title: 'ten thousand directories, each in the other',
    ...craft([{ name: './d/', flag: '5' }]),
    entries: deep.map((path) => ({ ...directory(path), inode: 0, ctimeNs: -1 })),
    outcome: 'harmless',
    afterwards: `test -d ${'d/'.repeat(1500)}`,
  },
  // Indexes.
  ...['..', '.', 'a/b', '/etc/evil', 'a\0b', '\u012f', '..\u012fevil'].map((name) =>
    forged(`an entry named ${JSON.stringify(name)}`, 'hostile', [named(name)]),
  ),
  forged('a file without a name', 'hostile', [named('')]),
  ...['..', '../outside', 'a/../../outside', '/tmp', 'a//b', 'a/', './a', 'a/\0'].flatMap((path) => [
    forged(`a directory ${JSON.stringify(path)}`, 'hostile', [directory(path)]),
    forged(`a file in ${JSON.stringify(path)}`, 'hostile', [named('f', { directory: path })]),
  ]),
  forged('a directory with a name', 'hostile', [{ ...directory('d'), name: 'd' }]),
  forged('a file through a symlink', 'warning', [symlink('l', '../outside'), named('f', { directory: 'l' })]),
  forged('a symlink and a directory of one name', 'warning', [
    symlink('l', '../outside'),
    directory('l'),
    named('f', { directory: 'l' }),
  ]),
  forged(
    'the same, to be replaced',
    'warning',
    [symlink('l', '../outside'), directory('l'), named('f', { directory: 'l' })],
    { ...over, remove: true },
  ),
  forged('a file and a directory of one name', 'warning', [named('l'), directory('l')]),
  forged('one entry twice', 'hostile', [named('f'), named('f')]),
  forged('one directory twice', 'hostile', [directory('d'), directory('d')]),
  forged('entries out of order', 'hostile', [named('g'), named('f')]),
  forged('directories out of order', 'hostile', [directory('e'), directory('d')]),
  forged('a file after a subdirectory', 'hostile', [directory('d'), named('f')]),
  forged('a hard link to outside', 'hostile', [hardlink('h', '../outside/secret')]),
  forged('an absolute hard link in the index', 'hostile', [hardlink('h', '/etc/passwd')]),
  forged('a hard link to itself in the index', 'hostile', [hardlink('h', 'h')]),
  forged('a hard link to a later entry', 'hostile', [hardlink('a', 'b'), named('b')]),
  forged('a hard link to nothing', 'warning', [hardlink('b', 'a')]),
  forged('a hard link to no name', 'hostile', [hardlink('b', '')]),
  forged('a hard link with a foreign slash', 'hostile', [hardlink('z', '..\u012foutside')]),
  forged(
    'a hard link through a symlink of the target',
    'warning',
    [directory('z'), hardlink('h', 'l/secret', 'z')],
    { before: 'ln -s ../outside l' },
  ),
  forged('a hard link through a symlink of the archive', 'warning', [
    symlink('l', '../outside'),
    directory('z'),
    hardlink('h', 'l/secret', 'z'),
  ]),
  forged('a symlink with NUL in the index', 'hostile', [symlink('s', 'a\0b')]),
  ...(
    [
      ['mode', 0o200644],
      ['mode', -1],
      ['uid', -1],
      ['uid', 0xffffffff],
      ['gid', 2 ** 40],
      ['gid', 1.5],
      ['size', -1],
      ['size', Number.NaN],
      ['mtime', Number.POSITIVE_INFINITY],
      ['mtimeNs', 1e9],
      ['mtimeNs', -1],
    ] as const
  ).map(([member, value]) => forged(`${member} ${value}`, 'hostile', [named('f', { [member]: value })])),
  {
    title: 'an unknown type',
    archive: one.archive,
    entries: [named('f', { type: 'socket' as 'fifo' })],
    outcome: 'hostile',
  },
  {
    title: 'a place before the archive',
    archive: one.archive,
    entries: [named('f', { place: { level: 0, offset: -512, length: 1024 } })],
    outcome: 'hostile',
  },
  {
    title: 'a place behind the archive',
    archive: one.archive,
    entries: [named('f', { place: { level: 0, offset: 2 ** 40, length: 1024 } })],
    outcome: 'warning',
  },
  {
    title: 'a place within a record',
    archive: one.archive,
    entries: [named('f', { place: { level: 0, offset: 100, length: 1024 } })],
    outcome: 'warning',
  },
  { title: 'the record of another path', archive: one.archive, entries: [named('g')], outcome: 'hostile' },
  {
    title: 'the record of another type',
    archive: one.archive,
    entries: [{ ...symlink('f', 'somewhere') }],
    outcome: 'warning',
  },
  {
    title: 'a record of another size',
    archive: one.archive,
    entries: [named('f', { size: 5 })],
    outcome: 'warning',
  },
  {
    title: 'a file whose record is that of a directory',
    ...craft([{ name: './f', flag: '5' }]),
    entries: [named('f', { size: 0 })],
    outcome: 'warning',
  },
  {
    title: 'more content than was promised',
    ...indexed([named('a'), named('b')]),
    promised: 7,
    outcome: 'hostile',
  },
  {
    title: 'one record for a thousand files, beyond the promise',
    archive: craft([{ name: './f', content: Buffer.alloc(100_000) }]).archive,
    entries: Array.from({ length: 1000 }, (_, i) =>
      named(`f${i + 1000}`, { size: 100_000, inode: 0, ctimeNs: -1 }),
    ),
    promised: 300_000,
    outcome: 'hostile',
  },
]
