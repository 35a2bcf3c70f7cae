import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, asyncProperty, assert as check, constantFrom, integer } from 'fast-check'
import { compareDirectories, type Entry, entryPath, isWithin } from '../src/contracts/entry.ts'
import { Failure } from '../src/contracts/failures.ts'
import type { StoredChain } from '../src/repository/chain.ts'
import { type Page, PageWriter } from '../src/repository/entries.ts'
import type { PageAddress } from '../src/repository/root.ts'
import { TreeIndex } from '../src/repository/tree-index.ts'

/** Names that sort around the slash and share beginnings, which is where an order goes wrong. */
const name = array(constantFrom('a', 'b', 'c', '!', '.', '\u0001', '\u00ff'), { minLength: 1, maxLength: 3 })
  .map((letters) => letters.join(''))
  .filter((text) => text !== '.' && text !== '..')
const tree = array(array(name, { minLength: 1, maxLength: 4 }), { maxLength: 60 })

function entriesOf(paths: readonly (readonly string[])[]): Entry[] {
  const directories = new Set([''])
  const files = new Set<string>()
  for (const path of paths) {
    for (let depth = 1; depth < path.length; depth++) directories.add(path.slice(0, depth).join('/'))
    files.add(path.join('/'))
  }
  const entry = (type: Entry['type'], directory: string, base: string): Entry => ({
    type,
    directory,
    name: base,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    mtimeNs: 0,
    ctime: 0,
    ctimeNs: 0,
    inode: 0,
    link: '',
    place: { level: 0, offset: 0, length: 0 },
  })
  const all = [...directories].map((path) => entry('directory', path, ''))
  for (const path of files) {
    if (directories.has(path)) continue
    const slash = path.lastIndexOf('/')
    all.push(entry('file', path.slice(0, Math.max(0, slash)), path.slice(slash + 1)))
  }
  return all.sort((a, b) => compareDirectories(a.directory, b.directory) || (a.name < b.name ? -1 : 1))
}

/** A chain of one level whose pages hold `size` entries each. */
function indexOf(entries: readonly Entry[], size: number): { index: TreeIndex; reads: () => number } {
  const pages: Page[] = []
  for (let at = 0; at < entries.length; at += size) {
    const writer = new PageWriter((page) => pages.push(page))
    for (const entry of entries.slice(at, at + size)) writer.add(entry)
    writer.end()
  }
  let reads = 0
  const chain: Pick<StoredChain, 'readPage'> & { root: { pages: readonly PageAddress[] } } = {
    root: {
      pages: pages.map(({ directory, name: first }, number) => ({
        number,
        segment: 0,
        offset: 0,
        stored: 0,
        size: 0,
        level: 0,
        directory,
        name: first,
        digest: new Uint8Array(32),
        content: new Uint8Array(32),
      })),
    },
    readPage: async ({ number }) => {
      reads++
      const page = pages[number]
      if (page === undefined) throw new Failure('damaged', 'There is no such page.')
      return page.bytes
    },
  }
  return { index: new TreeIndex(chain as StoredChain), reads: () => reads }
}

const paths = (entries: readonly Entry[]) => entries.map((entry) => `${entry.type} ${entryPath(entry)}`)

test('A path, a directory and a subtree are what they are in the whole list, however the pages are cut', async () => {
  await check(
    asyncProperty(tree, integer({ min: 1, max: 9 }), async (made, size) => {
      const all = entriesOf(made)
      const { index } = indexOf(all, size)
      for (const entry of all) assert.deepEqual(await index.find(entryPath(entry)), entry)
      for (const absent of ['zz', 'a/zz', 'a\u0001', '!']) {
        const expected = all.find((entry) => entryPath(entry) === absent)
        assert.deepEqual(await index.find(absent), expected)
      }
      for (const { directory } of all.filter((entry) => entry.type === 'directory')) {
        const children = await Array.fromAsync(index.children(directory))
        const inside = all.filter((entry) => {
          const path = entryPath(entry)
          const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
          return path !== '' && parent === directory
        })
        assert.deepEqual(paths(children), paths(inside))
        const below = (await Array.fromAsync(index.subtree(directory))).flat()
        const expected = all.filter(
          (entry) => entry.directory === directory || isWithin(entry.directory, directory),
        )
        assert.deepEqual(paths(below), paths(expected))
      }
    }),
    { numRuns: 200 },
  )
})

test('Looking up a path reads no more than two pages of many', async () => {
  const made = Array.from({ length: 5000 }, (_, i) => [`d${i % 50}`, `f${i}`])
  const { index, reads } = indexOf(entriesOf(made), 20)
  assert.equal((await index.find('d7/f4007'))?.name, 'f4007')
  assert.ok(reads() <= 2, `${reads()} pages were read`)
})
