// Looking inside backups: what is shown is what is there, and costs the parts of the index that hold it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import {
  type BackupResult,
  backup,
  diffBackups,
  displayPath,
  type Entry,
  entryPath,
  findEntries,
  isFailure,
  listEntries,
  openBackup,
  openRepository,
  quietContext,
  type Repository,
  readFile,
  searcher,
} from '@freezer/sdk'
import { type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'
import { scratchDirectory } from './support/program.ts'
import { describeTree, makeTree, mutateTree, removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('look')
after(() => removeTree(scratch.path))
const context = quietContext()
const { signal } = context

function open(storage: MemoryStorage, passphrase?: Uint8Array): Promise<Repository> {
  return openRepository({ storage, codecs: [zstd, aes256Gcm], passphrase, signal }, true)
}

function backUp(
  repository: Repository,
  source: string,
  name: string,
  maxLevel?: number,
): Promise<BackupResult> {
  return backup(
    {
      repository,
      engine: tar,
      source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
      host: 'h',
      name,
      mode: { name: 'fs', facts: {} },
      compression: { codec: zstd, options: {} },
      encryption: repository.encrypted ? { codec: aes256Gcm, options: {} } : undefined,
      levels: { incremental: true, ...(maxLevel === undefined ? {} : { maxLevel }) },
    },
    context,
  )
}

/** Every entry of a backup, with the id of the level that has its record. */
async function entriesOf(repository: Repository, id: string): Promise<(Entry & { record: string })[]> {
  await using opened = await openBackup(repository, { id }, {}, quietContext(signal))
  const entries = await Array.fromAsync(listEntries(opened, { recursive: true }))
  return entries.map((entry) => ({ ...entry, record: opened.chain.level(entry.place.level).id }))
}

/** Calls and bytes that `work` cost, and what it gave. */
async function cost<T>(
  storage: MemoryStorage,
  work: () => Promise<T>,
): Promise<{ result: T; gets: number; bytes: number }> {
  const { calls, bytesRead } = storage
  const gets = calls.get
  const result = await work()
  return { result, gets: calls.get - gets, bytes: storage.bytesRead - bytesRead }
}

describe('random trees, two chains, two names, encrypted', () => {
  const storage = memoryStorage()
  let repository: Repository
  const made: (BackupResult & { tree: ReturnType<typeof describeTree> })[] = []

  before(async () => {
    repository = await open(storage, Buffer.from('secret'))
    for (const name of ['one', 'two']) {
      const random = seeded(name.length * 7 + (name === 'one' ? 1 : 2))
      const source = path.join(scratch.path, name)
      makeTree(source, random, 80)
      for (let i = 0; i < 5; i++) {
        const tree = describeTree(source)
        made.push({ ...(await backUp(repository, source, name, 2)), tree })
        mutateTree(source, random, 12)
      }
    }
  })

  test('ls: every directory of every backup has what the file system had', async () => {
    assert.deepEqual(
      made.map(({ level }) => level),
      [0, 1, 2, 0, 1, 0, 1, 2, 0, 1],
    )
    for (const { id, tree } of made) {
      await using opened = await openBackup(repository, { id }, {}, quietContext(signal))
      const all = await Array.fromAsync(listEntries(opened, { recursive: true }), entryPath)
      assert.deepEqual(
        all.toSorted(),
        [...tree.keys()].filter((own) => own !== '' && tree.get(own)?.type !== 'socket').sort(),
      )
      for (const [directory, { type }] of tree) {
        if (type !== 'directory') continue
        const children = await Array.fromAsync(listEntries(opened, { path: directory }), entryPath)
        const parent = (own: string) => own.slice(0, Math.max(0, own.lastIndexOf('/')))
        assert.deepEqual(
          children.toSorted(),
          [...tree.keys()].filter((own) => own !== '' && parent(own) === directory).sort(),
        )
      }
    }
  })

  test('ls: a file is itself; a path that is not there is told', async () => {
    const [{ id, tree } = { id: '', tree: new Map() }] = made
    await using opened = await openBackup(repository, { id }, {}, quietContext(signal))
    for (const [own, { type, mode, uid, gid, size, mtime, sameAs }] of tree) {
      if (type === 'directory') continue
      const [entry, ...more] = await Array.fromAsync(listEntries(opened, { path: own }))
      assert.ok(entry !== undefined && more.length === 0, own)
      assert.equal(BigInt(entry.mtime) * 1_000_000_000n + BigInt(entry.mtimeNs), mtime)
      assert.deepEqual([entry.mode, entry.uid, entry.gid], [mode, uid, gid])
      if (sameAs === '' && type === 'file') assert.equal(entry.size, size)
    }
    for (const absent of ['nothing', 'nothing/at/all', '\xff']) {
      await assert.rejects(
        Array.fromAsync(listEntries(opened, { path: absent })),
        (error) => isFailure(error) && error.code === 'not-found',
      )
    }
  })

  test('find: each path once a name, in the backups that have it, one version for one record', async () => {
    for (const pattern of ['*', '*a*', '[a-m]?*', '*/*']) {
      const matches = searcher(pattern)
      const expected = new Map<string, Map<string, { records: Set<string>; mtime: string }>>()
      for (const { id, name } of made) {
        for (const entry of await entriesOf(repository, id)) {
          if (!matches(entryPath(entry))) continue
          const key = `${name}:${entry.directory}\0${entry.name}`
          const record = `${entry.record} ${entry.place.offset}`
          const backups = expected.get(key) ?? new Map()
          expected.set(
            key,
            backups.set(id, { records: new Set([record]), mtime: `${entry.mtime}.${entry.mtimeNs}` }),
          )
        }
      }
      const found = await Array.fromAsync(findEntries(repository, { pattern }, context))
      const root = (own: string) => own === ''
      const seen = new Set<string>()
      for (const { name, host, path: own, versions } of found) {
        if (root(own)) continue
        assert.equal(host, 'h')
        const [first] = versions
        assert.ok(first !== undefined)
        const key = `${name}:${first.entry.directory}\0${first.entry.name}`
        assert.ok(!seen.has(key), `${displayPath(own)} is told twice`)
        seen.add(key)
        const backups = expected.get(key)
        assert.ok(backups !== undefined, displayPath(own))
        assert.deepEqual(
          versions.flatMap((version) => version.backups.map(({ id }) => id)).sort(),
          [...backups.keys()].sort(),
        )
        // Backups that share a record are of one version.
        const versionOf = new Map(versions.flatMap((v, i) => v.backups.map(({ id }) => [id, i] as const)))
        for (const [id, { records, mtime }] of backups) {
          for (const [other, { records: others, mtime: otherTime }] of backups) {
            if ([...records].some((record) => others.has(record)))
              assert.equal(versionOf.get(id), versionOf.get(other))
            if (mtime !== otherTime) assert.notEqual(versionOf.get(id), versionOf.get(other))
          }
        }
        for (const { backups: of } of versions) {
          assert.deepEqual(
            of,
            of.toSorted((a, b) => (a.time < b.time ? -1 : 1)),
          )
        }
      }
      assert.equal(seen.size, expected.size)
    }
    const only = await Array.fromAsync(findEntries(repository, { pattern: '*', name: 'two' }, context))
    assert.ok(only.length > 0 && only.every(({ name }) => name === 'two'))
  })

  test('diff: any two backups, of one chain, of two, of two names', async () => {
    for (const a of made) {
      for (const b of made) {
        await using one = await openBackup(repository, { id: a.id }, {}, quietContext(signal))
        await using other = await openBackup(repository, { id: b.id }, {}, quietContext(signal))
        const found = new Map<string, string>()
        for await (const difference of diffBackups({ before: one, after: other, signal })) {
          const entry = difference.change === 'removed' ? difference.before : difference.after
          const own = entryPath(entry)
          // A directory that gave way to something else is removed, and that is added.
          found.set(own, `${found.get(own) ?? ''}${difference.change}`)
        }
        for (const own of new Set([...a.tree.keys(), ...b.tree.keys()])) {
          const [x, y] = [a.tree.get(own), b.tree.get(own)]
          const said = found.get(own)
          const where = `${a.name} ${a.level} to ${b.name} ${b.level}: ${displayPath(own)}`
          if (x === undefined) assert.equal(said, 'added', where)
          else if (y === undefined) assert.equal(said, 'removed', where)
          else if ((x.type === 'directory') !== (y.type === 'directory')) {
            assert.ok(said === 'removedadded' || said === 'addedremoved', where)
          } else if (
            x.type !== y.type ||
            x.size !== y.size ||
            x.mtime !== y.mtime ||
            x.mode !== y.mode ||
            x.uid !== y.uid ||
            x.gid !== y.gid ||
            x.link !== y.link
          ) {
            assert.equal(said, 'changed', where)
          } else if (a.id === b.id) assert.equal(said, undefined, where)
        }
      }
    }
  })

  test('a damaged index: the rest is still shown, and the loss is told', async () => {
    const damaged = memoryStorage()
    for (const [key, bytes] of storage.blobs) damaged.blobs.set(key, bytes.slice())
    const hurt = await open(damaged, Buffer.from('secret'))
    const [{ id } = { id: '' }] = made
    const key = [...damaged.blobs.keys()].find((one) => one.includes(`${id}/index`))
    assert.ok(key !== undefined)
    const bytes = damaged.blobs.get(key) as Uint8Array
    bytes[10] = (bytes[10] ?? 0) ^ 1
    const lost: string[] = []
    await using opened = await openBackup(hurt, { id }, {}, quietContext(signal))
    await assert.rejects(
      Array.fromAsync(listEntries(opened, { recursive: true })),
      (error) => isFailure(error) && error.code === 'damaged',
    )
    await Array.fromAsync(listEntries(opened, { recursive: true, lost: (page) => lost.push(page.directory) }))
    assert.equal(lost.length, 1)
    let losses = 0
    const found = await Array.fromAsync(
      findEntries(
        hurt,
        {
          pattern: '*',
          lost: ({ backups }) => {
            losses++
            assert.ok(backups.includes(id))
          },
        },
        context,
      ),
    )
    assert.ok(losses > 0 && found.length > 0)
  })
})

describe('a tree of 20,000 entries at level 2, encrypted', () => {
  const storage = memoryStorage()
  let repository: Repository
  const made: BackupResult[] = []
  let indexBytes = 0
  let total = 0

  before(async () => {
    const source = path.join(scratch.path, 'large')
    for (let d = 0; d < 200; d++) {
      fs.mkdirSync(path.join(source, `directory-${d}`), { recursive: true })
      for (let f = 0; f < 100; f++) {
        fs.writeFileSync(path.join(source, `directory-${d}`, `file-${f}.txt`), `${d} ${f} `.repeat(20))
      }
    }
    repository = await open(storage, Buffer.from('secret'))
    made.push(await backUp(repository, source, 'n'))
    fs.appendFileSync(path.join(source, 'directory-17', 'file-3.txt'), 'more')
    made.push(await backUp(repository, source, 'n'))
    fs.writeFileSync(path.join(source, 'directory-150', 'new.txt'), 'new')
    fs.rmSync(path.join(source, 'directory-90', 'file-9.txt'))
    made.push(await backUp(repository, source, 'n'))
    for (const [key, { length }] of storage.blobs) {
      total += length
      if (key.includes('/index.')) indexBytes += length
    }
    fs.rmSync(source, { recursive: true })
  })

  test('it is as large as it must be for this', () => {
    assert.deepEqual(
      made.map(({ level }) => level),
      [0, 1, 2],
    )
    assert.ok((made[2]?.entries ?? 0) >= 20_000)
  })

  test('ls of a directory reads the root of the index and a few pages', async (t) => {
    const { result, gets, bytes } = await cost(storage, async () => {
      await using opened = await openBackup(repository, 'latest', {}, quietContext(signal))
      return Array.fromAsync(listEntries(opened, { path: 'directory-150' }), entryPath)
    })
    assert.equal(result.length, 101)
    t.diagnostic(`${gets} reads, ${bytes} bytes of ${indexBytes} of the index and ${total} in all`)
    // The manifest twice, the root of the index, the page with the directory, and one or two with what is in it.
    assert.ok(gets <= 6, `${gets} reads`)
    assert.ok(bytes < indexBytes / 4, `${bytes} bytes`)
  })

  test('find reads every page that three backups share once', async (t) => {
    const { result, gets, bytes } = await cost(storage, async () =>
      Array.fromAsync(findEntries(repository, { pattern: 'file-3.txt' }, context)),
    )
    assert.equal(result.length, 200)
    const changed = result.find(({ path: own }) => own === 'directory-17/file-3.txt')
    assert.deepEqual(
      changed?.versions.map(({ backups }) => backups.map(({ level }) => level)),
      [[0], [1, 2]],
    )
    const other = result.filter((one) => one !== changed)
    assert.ok(other.every(({ versions }) => versions.length === 1 && versions[0]?.backups.length === 3))
    const pages = new Set<string>()
    for (const { id } of made) {
      await using opened = await openBackup(repository, { id }, {}, quietContext(signal))
      for (const page of opened.chain.root.pages) {
        pages.add(`${opened.chain.level(page.level).id} ${page.number}`)
      }
    }
    t.diagnostic(`${gets} reads of ${pages.size} pages, ${bytes} bytes of ${indexBytes}`)
    // Three manifests, three roots, and each page.
    assert.equal(gets, pages.size + 6)
    assert.ok(bytes <= indexBytes + 16 * 1024)
  })

  test('diff of two levels reads the pages that differ', async (t) => {
    const [, one, two] = made
    const { result, gets, bytes } = await cost(storage, async () => {
      await using old = await openBackup(repository, { id: one?.id ?? '' }, {}, quietContext(signal))
      await using now = await openBackup(repository, { id: two?.id ?? '' }, {}, quietContext(signal))
      return Array.fromAsync(diffBackups({ before: old, after: now, signal }), (difference) => {
        const entry = difference.change === 'removed' ? difference.before : difference.after
        return `${difference.change} ${entryPath(entry)}`
      })
    })
    assert.deepEqual(
      result.filter((difference) => !difference.startsWith('changed')),
      ['added directory-150/new.txt', 'removed directory-90/file-9.txt'],
    )
    t.diagnostic(`${gets} reads, ${bytes} bytes of ${indexBytes}`)
    // Two manifests, two roots, and the pages around two changes, twice.
    assert.ok(gets <= 4 + 8, `${gets} reads`)
    assert.ok(bytes < indexBytes / 2, `${bytes} bytes`)
  })

  test('cat of a file reads a page or two of the index and the block that holds it', async (t) => {
    for (const [own, expected] of [
      ['directory-3/file-77.txt', '3 77 '.repeat(20)],
      ['directory-17/file-3.txt', `${'17 3 '.repeat(20)}more`],
      ['directory-150/new.txt', 'new'],
    ] as const) {
      const { result, gets, bytes } = await cost(storage, async () => {
        await using opened = await openBackup(repository, 'latest', {}, quietContext(signal))
        const request = { repository, engines: [tar], backup: opened, path: own }
        return Buffer.concat(await Array.fromAsync(readFile(request, context)))
      })
      assert.equal(result.toString(), expected)
      t.diagnostic(`${gets} reads, ${bytes} bytes of ${total}`)
      // Manifest, root, a page for each directory on the way and the file; of each level that has one of them root, block
      // table and block.
      assert.ok(gets <= 12, `${gets} reads`)
      assert.ok(bytes < total / 4, `${bytes} bytes`)
    }
  })
})
