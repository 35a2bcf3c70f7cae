import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { compareDirectories, type Entry, entryPath } from '../src/contracts/entry.ts'
import { isFailure } from '../src/contracts/failures.ts'
import { ByteReader, ByteWriter } from '../src/repository/bytes.ts'
import { type Page, PageReader, PageWriter, pageLimit } from '../src/repository/entries.ts'

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected

function pack(entries: readonly Entry[]): Page[] {
  const pages: Page[] = []
  const writer = new PageWriter((page) => void pages.push(page))
  for (const entry of entries) writer.add(entry)
  writer.end()
  return pages
}

function unpack(bytes: Uint8Array): Entry[] {
  const reader = new PageReader(bytes)
  const entries: Entry[] = []
  for (let entry = reader.next(); entry !== undefined; entry = reader.next()) entries.push(entry)
  return entries
}

/** Component by component, each by its bytes. */
function compareComponents(a: string, b: string): number {
  const [x, y] = [a, b].map((path) => (path === '' ? [] : path.split('/')))
  for (let at = 0; ; at++) {
    const [one, other] = [x?.[at], y?.[at]]
    if (one === undefined || other === undefined) return (x?.length ?? 0) - (y?.length ?? 0)
    const order = Buffer.compare(Buffer.from(one, 'latin1'), Buffer.from(other, 'latin1'))
    if (order !== 0) return order
  }
}

const walkOrder = (a: Entry, b: Entry): number =>
  compareComponents(a.directory, b.directory) ||
  Buffer.compare(Buffer.from(a.name, 'latin1'), Buffer.from(b.name, 'latin1'))

const byte = fc.integer({ min: 1, max: 255 }).map((b) => String.fromCharCode(b === 0x2f ? 0x30 : b))
const part = fc
  .oneof(
    fc.string({ unit: byte, minLength: 1, maxLength: 8 }),
    fc.string({ unit: fc.constantFrom('a', '!', '.', '0', '\xff'), minLength: 1, maxLength: 3 }),
    fc.string({ unit: byte, minLength: 255, maxLength: 255 }),
  )
  .filter((name) => name !== '.' && name !== '..')
const directory = fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/'))
const number = fc.oneof(fc.nat(200), fc.maxSafeNat(), fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53))
const signed = fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 52), max: 2 ** 52 }))
const nanoseconds = fc.nat(999_999_999)

const facts = fc.record({
  mode: fc.nat(0o7777),
  uid: fc.nat(0xfffffffe),
  gid: fc.nat(0xfffffffe),
  size: number,
  mtime: signed,
  mtimeNs: nanoseconds,
  ctime: signed,
  ctimeNs: fc.oneof(nanoseconds, fc.constant(-1)),
  inode: number,
  place: fc.record({ level: fc.nat(1000), offset: number, length: number }, { noNullPrototype: true }),
})
const others = fc.constantFrom('file', 'symlink', 'hardlink', 'fifo', 'character', 'block')

const entry: fc.Arbitrary<Entry> = fc
  .record({ directory, name: part, link: fc.string({ unit: byte, maxLength: 300 }), facts, type: others })
  .chain((made) =>
    fc.boolean().map((isDirectory): Entry => {
      const linked = made.type === 'symlink' || made.type === 'hardlink'
      return isDirectory
        ? { type: 'directory', directory: made.directory, name: '', link: '', ...made.facts }
        : {
            type: made.type as Entry['type'],
            directory: made.directory,
            name: made.name,
            link: linked ? made.link : '',
            ...made.facts,
          }
    }),
  )

/** Entries in walk order, each path once, every directory named before what is in it. */
const tree = fc
  .uniqueArray(entry, { selector: ({ directory: own, name }) => `${own}\0${name}`, maxLength: 60 })
  .map((entries) => {
    const named = new Set(entries.filter(({ name }) => name === '').map(({ directory: own }) => own))
    const [model] = entries
    if (model === undefined) return entries
    const used = new Set(entries.map(({ directory: own }) => own))
    for (const own of used) {
      if (named.has(own)) continue
      entries.push({ ...model, type: 'directory', directory: own, name: '', link: '' })
    }
    return entries.sort(walkOrder)
  })

describe('numbers', () => {
  test('up to 2^53 come back', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, signed)), (pairs) => {
        const writer = new ByteWriter(1)
        for (const [unsigned, either] of pairs) {
          writer.integer(unsigned)
          writer.signed(either)
        }
        const reader = new ByteReader(writer.view())
        for (const [unsigned, either] of pairs) {
          assert.equal(reader.integer(), unsigned)
          assert.equal(reader.signed(), either)
        }
        assert.ok(reader.done)
      }),
    )
  })
})

describe('pages', () => {
  test('give back any entries, whatever bytes their names hold', () => {
    fc.assert(
      fc.property(tree, (entries) => {
        const back = pack(entries).flatMap(({ bytes }) => unpack(bytes))
        // Without a comparison for people: that of long strings takes minutes.
        assert.ok(isDeepStrictEqual(back, entries))
      }),
      { numRuns: 200 },
    )
  })

  test('name their first entry', () => {
    for (const page of pack(wide(5000))) {
      const [first] = unpack(page.bytes)
      assert.equal(first?.directory, page.directory)
      assert.equal(first?.name, page.name)
    }
  })

  test('hold at most what a reader takes', () => {
    const long = 'x'.repeat(4000)
    const entries = wide(4000).map((e) => ({ ...e, type: 'symlink' as const, link: long }))
    for (const { bytes } of pack(entries)) assert.ok(bytes.length <= pageLimit)
  })

  test('of no entries are none', () => assert.deepEqual(pack([]), []))

  test('are cut where the entries say, so that a change moves few of them', () => {
    const entries = wide(60_000)
    const before = digests(pack(entries))
    assert.ok(before.size >= 30, `${before.size} pages`)
    for (const at of [1, 777, 30_000, 59_998]) {
      const model = entries[at] as Entry
      const inserted = entries.toSpliced(at + 1, 0, { ...model, name: `${model.name}+` })
      const removed = entries.toSpliced(at, 1)
      const changed = entries.with(at, { ...model, size: 2 ** 52 })
      for (const after of [inserted, removed, changed]) {
        const fresh = [...digests(pack(after))].filter((page) => !before.has(page))
        assert.ok(fresh.length <= 3, `${fresh.length} pages differ`)
      }
    }
  })

  test('take entries in walk order alone, each once', () => {
    fc.assert(
      fc.property(entry, entry, (a, b) => {
        const order = walkOrder(a, b)
        if (order < 0) pack([a, b])
        else assert.throws(() => pack([a, b]), code('internal'))
      }),
    )
  })

  test('that are cut off or hold anything else are damaged or hostile, and nothing worse', () => {
    const bad = (bytes: Uint8Array): void => {
      try {
        unpack(bytes)
      } catch (error) {
        assert.ok(isFailure(error) && ['damaged', 'hostile'].includes(error.code), String(error))
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bad))
    const [page] = pack(wide(50))
    assert.ok(page !== undefined)
    for (let length = 0; length < page.bytes.length; length += 7) bad(page.bytes.subarray(0, length))
    assert.throws(() => unpack(page.bytes.subarray(0, -1)), code('damaged'))
    assert.throws(() => unpack(new Uint8Array()), code('damaged'))
  })

  test('with a path that leads elsewhere are hostile', () => {
    const model = wide(1)[0] as Entry
    const forged: Partial<Entry>[] = [
      { name: '..' },
      { name: '.' },
      { name: 'a/b' },
      { name: '/' },
      { name: 'a\0b' },
      { directory: '..' },
      { directory: 'a/../b' },
      { directory: '/etc' },
      { directory: 'a//b' },
      { directory: 'a/' },
      { type: 'directory', directory: '../x', name: '' },
      { type: 'directory', directory: './x', name: '' },
      { name: '' },
    ]
    for (const change of forged) {
      const [page] = pack([{ ...model, ...change }])
      assert.throws(() => unpack(page?.bytes ?? new Uint8Array()), code('hostile'), JSON.stringify(change))
    }
  })
})

describe('walk order', () => {
  test('is the order of components by their bytes', () => {
    fc.assert(
      fc.property(directory, directory, (a, b) => {
        assert.equal(Math.sign(compareDirectories(a, b)), Math.sign(compareComponents(a, b)))
      }),
      { numRuns: 2000 },
    )
  })

  test('keeps a directory and all below it together', () => {
    const paths = ['a!', 'a', 'a/b', 'a.b', 'a/b/c', 'a0', 'a/!', ''].sort(compareDirectories)
    assert.deepEqual(paths, ['', 'a', 'a/!', 'a/b', 'a/b/c', 'a!', 'a.b', 'a0'])
  })

  test('has a path for every entry', () => {
    assert.equal(entryPath({ directory: '', name: '' }), '')
    assert.equal(entryPath({ directory: 'a/b', name: '' }), 'a/b')
    assert.equal(entryPath({ directory: '', name: 'c' }), 'c')
    assert.equal(entryPath({ directory: 'a/b', name: 'c' }), 'a/b/c')
  })
})

/** So many files in one directory. */
function wide(count: number): Entry[] {
  return Array.from({ length: count }, (_, at) => ({
    type: 'file',
    directory: 'wide',
    name: `file-${String(at).padStart(8, '0')}`,
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    size: at,
    mtime: 1_700_000_000 + at,
    mtimeNs: at,
    ctime: 1_700_000_000 + at,
    ctimeNs: at,
    inode: at + 1,
    link: '',
    place: { level: 0, offset: at * 512, length: 512 },
  }))
}

const digests = (pages: readonly Page[]): Set<string> =>
  new Set(pages.map(({ bytes }) => Buffer.from(bytes).toString('base64')))
