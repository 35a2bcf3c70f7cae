import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { compareEntries, type Entry, entryPath } from '../src/contracts/entry.ts'
import { Failure } from '../src/contracts/failures.ts'
import { type Difference, diffBackups } from '../src/pipeline/diff-backups.ts'
import type { OpenBackup } from '../src/pipeline/open-backup.ts'
import type { StoredChain } from '../src/repository/chain.ts'
import { type Page, PageWriter } from '../src/repository/entries.ts'
import type { PageAddress } from '../src/repository/root.ts'

const { signal } = new AbortController()

/** What of a path a test varies: its type, its size, its time and mode. */
interface Made {
  readonly directory: boolean
  readonly size: number
  readonly mtime: number
  readonly mode: number
}

function entriesOf(made: ReadonlyMap<string, Made>): Entry[] {
  const tree = new Map(made)
  for (const path of made.keys()) {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const parent = made.get(path.slice(0, end)) ?? { size: 0, mtime: 0, mode: 0 }
      tree.set(path.slice(0, end), { ...parent, directory: true })
    }
  }
  const entries = [...tree].map(([path, { directory, size, mtime, mode }]): Entry => {
    const slash = path.lastIndexOf('/')
    return {
      type: directory ? 'directory' : 'file',
      directory: directory ? path : path.slice(0, Math.max(0, slash)),
      name: directory ? '' : path.slice(slash + 1),
      mode,
      uid: 0,
      gid: 0,
      size: directory ? 0 : size,
      mtime,
      mtimeNs: 0,
      ctime: mtime + mode,
      ctimeNs: 0,
      inode: 0,
      link: '',
      // The same record whenever all else is the same.
      place: { level: 0, offset: size * 1_000_000 + mtime * 1000 + mode, length: 1 },
    }
  })
  return entries.sort(compareEntries)
}

/** A backup whose pages are cut before every entry of which `cut` says so, as real ones are: by the entry alone. */
function backupOf(
  entries: readonly Entry[],
  cut: (entry: Entry) => boolean,
  broken: (page: number) => boolean = () => false,
): { backup: OpenBackup; reads: number[]; pages: readonly Page[] } {
  const pages: Page[] = []
  let writer = new PageWriter((page) => pages.push(page))
  for (const entry of entries) {
    if (cut(entry)) {
      writer.end()
      writer = new PageWriter((page) => pages.push(page))
    }
    writer.add(entry)
  }
  writer.end()
  const reads: number[] = []
  const addresses = pages.map(
    ({ bytes, directory, name }, number): PageAddress => ({
      number,
      segment: 0,
      offset: 0,
      stored: 0,
      size: 0,
      level: 0,
      directory,
      name,
      digest: new Uint8Array(32),
      content: createHash('sha256').update(bytes).digest(),
    }),
  )
  const chain: Pick<StoredChain, 'readPage' | 'root'> & { levels: readonly { id: string }[] } = {
    root: { pages: addresses, ancestors: [], table: [] },
    levels: [{ id: 'one' }],
    readPage: async ({ number }: PageAddress) => {
      reads.push(number)
      const page = pages[number]
      if (page === undefined || broken(number)) throw new Failure('damaged', 'This page is lost.')
      return page.bytes
    },
  }
  const opened: Pick<OpenBackup, 'manifest' | 'chain'> = {
    manifest: { host: 'h', name: 'n' } as OpenBackup['manifest'],
    chain: chain as StoredChain,
  }
  return { backup: opened as OpenBackup, reads, pages }
}

function line(difference: Difference): string {
  const entry = difference.change === 'removed' ? difference.before : difference.after
  const aspects = difference.change === 'changed' ? ` ${difference.aspects.join()}` : ''
  return `${difference.change} ${entry.type} ${entryPath(entry)}${aspects}`
}

/** The same by brute force. */
function expected(before: readonly Entry[], after: readonly Entry[]): { entry: Entry; text: string }[] {
  const key = (entry: Entry) => `${entry.directory}\0${entry.name}`
  const old = new Map(before.map((entry) => [key(entry), entry]))
  const now = new Map(after.map((entry) => [key(entry), entry]))
  const all = [...new Map([...old, ...now]).values()].sort(compareEntries)
  return all.flatMap((entry) => {
    const a = old.get(key(entry))
    const b = now.get(key(entry))
    const path = `${entry.type} ${entryPath(entry)}`
    if (a === undefined) return [{ entry, text: `added ${path}` }]
    if (b === undefined) return [{ entry, text: `removed ${path}` }]
    const aspects = [
      ...(a.type === 'file' && (a.size !== b.size || a.mtime !== b.mtime) ? ['content'] : []),
      ...(a.type === 'directory' && a.mtime !== b.mtime ? ['mtime'] : []),
      ...(a.mode === b.mode ? [] : ['mode']),
    ]
    return aspects.length === 0 ? [] : [{ entry, text: `changed ${path} ${aspects.join()}` }]
  })
}

const letter = fc.constantFrom('a', 'b', 'c', '!', '\u0001', '\u00ff')
const pathOf = fc
  .array(fc.array(letter, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.map((part) => part.join('')).join('/'))
const anyMade = fc.record({
  directory: fc.boolean(),
  size: fc.integer({ min: 0, max: 2 }),
  mtime: fc.integer({ min: 0, max: 2 }),
  mode: fc.integer({ min: 0, max: 1 }),
})
const treeOf = fc.array(fc.tuple(pathOf, anyMade), { maxLength: 60 })

/** A tree, and the same after some changes. */
const twoTrees = fc
  .tuple(treeOf, fc.array(fc.tuple(pathOf, fc.option(anyMade)), { maxLength: 10 }))
  .map(([tree, changes]) => {
    const before = new Map(tree)
    const after = new Map(tree)
    for (const [path, change] of changes) {
      if (change === null) after.delete([...after.keys()][path.length % Math.max(1, after.size)] ?? '')
      else after.set(path, change)
    }
    return [entriesOf(before), entriesOf(after)] as const
  })

const cutAt = (salt: number) => (entry: Entry) =>
  createHash('sha256')
    .update(`${salt}${entryPath(entry)}`, 'latin1')
    .digest()
    .readUInt8() %
    4 ===
  0

test('the differences are those of the whole lists, in walk order, however the pages are cut', async () => {
  await fc.assert(
    fc.asyncProperty(twoTrees, fc.integer(), fc.boolean(), async ([before, after], salt, aligned) => {
      const one = backupOf(before, cutAt(salt))
      const other = backupOf(after, cutAt(aligned ? salt : salt + 1))
      const found = await Array.fromAsync(
        diffBackups({ before: one.backup, after: other.backup, signal }),
        line,
      )
      assert.deepEqual(
        found,
        expected(before, after).map(({ text }) => text),
      )
    }),
    { numRuns: 500 },
  )
})

test('a page that is lost is told once, and nothing is said of what may be on it', async () => {
  await fc.assert(
    fc.asyncProperty(twoTrees, fc.integer(), fc.func(fc.boolean()), async ([before, after], salt, lose) => {
      const one = backupOf(before, cutAt(salt), (number) => lose('before', number))
      const other = backupOf(after, cutAt(salt), (number) => lose('after', number))
      const gaps: { from: PageAddress; to: PageAddress | undefined }[] = []
      const lost = (page: PageAddress, backup: OpenBackup) => {
        gaps.push({ from: page, to: backup.chain.root.pages[page.number + 1] })
      }
      const found = await Array.fromAsync(
        diffBackups({ before: one.backup, after: other.backup, lost, signal }),
        line,
      )
      const said = expected(before, after).filter(
        ({ entry }) =>
          !gaps.some(
            ({ from, to }) =>
              compareEntries(entry, from) >= 0 && (to === undefined || compareEntries(entry, to) < 0),
          ),
      )
      assert.deepEqual(
        found,
        said.map(({ text }) => text),
      )
      assert.equal(new Set(gaps.map(({ from }) => from)).size, gaps.length)
    }),
    { numRuns: 500 },
  )
})

test('without anybody to tell, a lost page is a failure', async () => {
  const entries = entriesOf(new Map([['a', { directory: false, size: 0, mtime: 0, mode: 0 }]]))
  const one = backupOf(
    entries,
    () => false,
    () => true,
  )
  const other = backupOf([], () => false)
  await assert.rejects(
    Array.fromAsync(diffBackups({ before: one.backup, after: other.backup, signal })),
    /This page is lost/,
  )
})

test('pages that both have are not read', async () => {
  const tree = new Map(
    Array.from({ length: 5000 }, (_, i) => [
      `d${i % 50}/f${i}`,
      { directory: false, size: i, mtime: 0, mode: 0 },
    ]),
  )
  const before = entriesOf(tree)
  tree.set('d7/f7', { directory: false, size: 1, mtime: 1, mode: 0 })
  tree.delete('d20/f20')
  tree.set('d33/new', { directory: false, size: 1, mtime: 1, mode: 0 })
  const one = backupOf(before, cutAt(1))
  const other = backupOf(entriesOf(tree), cutAt(1))
  const found = await Array.fromAsync(diffBackups({ before: one.backup, after: other.backup, signal }), line)
  assert.deepEqual(found, ['removed file d20/f20', 'added file d33/new', 'changed file d7/f7 content'])
  assert.ok(one.pages.length > 1000)
  assert.ok(one.reads.length <= 6, `${one.reads.length} pages of ${one.pages.length} were read`)
  assert.ok(other.reads.length <= 6, `${other.reads.length} pages of ${other.pages.length} were read`)
  assert.equal(new Set(one.reads).size, one.reads.length)
})
