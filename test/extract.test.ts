// Entries with their content, out of real archives: all of a tree, parts of it, damaged ones, and those who leave early.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import {
  backup,
  type Entry,
  type ExtractedEntry,
  entryPath,
  everything,
  extract,
  isFailure,
  matcher,
  openBackup,
  openRepository,
  quietContext,
  type Selection,
} from '@freezer/sdk'
import { type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'
import { scratchDirectory } from './support/program.ts'
import { describeTree, makeTree, mutateTree, removeTree, seeded, type Tree } from './support/tree.ts'

const scratch = scratchDirectory('extract')
after(() => removeTree(scratch.path))

const { signal } = new AbortController()
const context = quietContext(signal)

async function backUp(storage: MemoryStorage, source: string, compressed = true): Promise<void> {
  await backup(
    {
      repository: await openRepository({ storage, codecs: [zstd], signal }, true),
      source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
      engine: tar,
      host: 'h',
      name: 'n',
      mode: { name: 'fs', facts: { path: source } },
      compression: compressed ? { codec: zstd, options: {} } : undefined,
      levels: { incremental: true },
    },
    context,
  )
}

async function open(storage: MemoryStorage) {
  const repository = await openRepository({ storage, codecs: [zstd], signal }, false)
  return { repository, engines: [tar], filter: {}, backup: 'latest' as const }
}

interface Got {
  readonly entry: Entry
  readonly attributes: Record<string, string>
  readonly device: bigint
  readonly size: number
  readonly sha256: string
}

async function contentOf(extracted: ExtractedEntry): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of extracted.content()) {
    assert.ok(chunk.length <= 2 ** 20)
    size += chunk.length
    hash.update(chunk)
  }
  return { size, sha256: hash.digest('hex') }
}

async function extractAll(
  storage: MemoryStorage,
  select: Partial<Selection> = {},
): Promise<Map<string, Got>> {
  const found = new Map<string, Got>()
  const request = { ...(await open(storage)), select: { ...everything, ...select } }
  for await (const extracted of extract(request, context)) {
    const { entry, attributes, device, failure } = extracted
    assert.equal(failure, undefined)
    found.set(entryPath(entry), {
      entry,
      attributes: Object.fromEntries(
        attributes.map(({ name, value }) => [name, Buffer.from(value).toString('hex')]),
      ),
      device:
        (BigInt(device.major) << 8n) | BigInt(device.minor & 0xff) | (BigInt(device.minor >>> 8) << 20n),
      ...(await contentOf(extracted)),
    })
  }
  return found
}

/** Compares what came out with the tree that went in; `tree` is what should have come. */
function expectTree(found: ReadonlyMap<string, Got>, tree: Tree, where: string): void {
  assert.deepEqual([...found.keys()].sort(), [...tree.keys()].sort(), where)
  for (const [own, is] of tree) {
    const { entry, size, sha256, attributes, device } = found.get(own) as Got
    const at = `${where}: ${own}`
    if (entry.type === 'hardlink') {
      const first = found.get(entry.link)
      assert.ok(first !== undefined && first.entry.type !== 'hardlink', at)
      assert.equal(is.sameAs, tree.get(entry.link)?.sameAs, at)
      continue
    }
    assert.equal(entry.type, is.type, at)
    assert.equal(entry.mode, is.mode, at)
    assert.equal(entry.uid, is.uid, at)
    assert.equal(BigInt(entry.mtime) * 1_000_000_000n + BigInt(entry.mtimeNs), is.mtime, at)
    if (is.type === 'symlink') assert.equal(entry.link, is.link, at)
    assert.deepEqual(attributes, is.attributes, at)
    assert.equal(device, is.device, at)
    if (is.type === 'file') assert.deepEqual({ size, sha256 }, { size: is.size, sha256: is.sha256 }, at)
    else assert.equal(size, 0, at)
  }
}

function within(own: string, paths: readonly string[]): boolean {
  return paths.some((one) => one === '' || own === one || own.startsWith(`${one}/`))
}

/** What should come of a selection: found by another way than by the index. */
function selected(tree: Tree, { paths = [], include = [], exclude = [] }: Partial<Selection>): Tree {
  const [included, excluded] = [matcher(include), matcher(exclude)]
  const chosen = [...tree.keys()].filter(
    (own) =>
      (paths.length === 0 || within(own, paths)) && included?.(own) !== false && excluded?.(own) !== true,
  )
  const above = chosen.flatMap((own) =>
    own.split('/').map((_, depth, parts) => parts.slice(0, depth).join('/')),
  )
  const wanted = new Set([...chosen, ...above])
  return new Map([...tree].filter(([own]) => wanted.has(own)))
}

test('all of random trees at several levels, and parts of them', async () => {
  for (const seed of [1, 2]) {
    const random = seeded(seed)
    const source = path.join(scratch.path, `random-${seed}`)
    const storage = memoryStorage()
    makeTree(source, random, 150)
    for (let level = 0; level < 2; level++) {
      await backUp(storage, source)
      const tree = describeTree(source)
      expectTree(await extractAll(storage), tree, `seed ${seed}, level ${level}`)
      const all = [...tree.keys()]
      const some = () => all[Math.floor(random() * all.length)] ?? ''
      const pattern = () => (some().split('/').at(-1) ?? 'x').slice(0, 2).replaceAll(/[^a-z]/g, '?') + '*'
      for (let round = 0; round < 6; round++) {
        const select = {
          paths: round % 3 === 0 ? [] : [some(), some(), some()].slice(0, 1 + (round % 3)),
          include: round % 4 === 1 ? [pattern()] : [],
          exclude: round % 4 === 2 ? [pattern()] : [],
        }
        const where = `seed ${seed}, level ${level}, ${JSON.stringify(select)}`
        expectTree(await extractAll(storage, select), selected(tree, select), where)
      }
      mutateTree(source, random)
    }
    removeTree(source)
  }
})

describe('a tree with large files', () => {
  const source = path.join(scratch.path, 'large')
  const storage = memoryStorage()
  const sizes = { a: 5_000_000, b: 40_000_000, c: 3_000_000, d: 10 }

  test('is backed up', async () => {
    fs.mkdirSync(source)
    for (const [name, size] of Object.entries(sizes)) {
      fs.writeFileSync(path.join(source, name), Buffer.alloc(size, name))
    }
    const sparse = fs.openSync(path.join(source, 'hole'), 'w')
    fs.writeSync(sparse, 'begin', 1_000_000)
    fs.ftruncateSync(sparse, 9_000_000)
    fs.closeSync(sparse)
    await backUp(storage, source, false)
    expectTree(await extractAll(storage), describeTree(source), 'large')
  })

  test('content may be left, at any point, and the next entries come whole', async () => {
    const request = { ...(await open(storage)), select: everything }
    const before = storage.bytesRead
    for await (const extracted of extract(request, context)) {
      const { name } = extracted.entry
      if (name === 'a') {
        for await (const chunk of extracted.content()) {
          assert.ok(chunk.length > 0)
          break
        }
      } else if (name === 'c' || name === 'd') {
        const { size, sha256 } = await contentOf(extracted)
        assert.equal(size, sizes[name])
        assert.equal(sha256, createHash('sha256').update(Buffer.alloc(size, name)).digest('hex'))
        await assert.rejects(contentOf(extracted), /read once/)
      }
    }
    const read = storage.bytesRead - before
    assert.ok(read < 45_000_000, `${read} bytes were read, though most of b was left`)
  })

  test('leaving the loop stops reading; an open backup stays open', async () => {
    const request = await open(storage)
    await using opened = await openBackup(request.repository, 'latest', {}, quietContext(signal))
    const before = storage.bytesRead
    for await (const { entry } of extract({ ...request, backup: opened, select: everything }, context)) {
      if (entry.name === 'a') break
    }
    assert.ok(storage.bytesRead - before < 25_000_000)
    const again = extract({ ...request, backup: opened, select: { ...everything, paths: ['d'] } }, context)
    const names = (await Array.fromAsync(again)).map(({ entry }) => entryPath(entry))
    assert.deepEqual(names, ['', 'd'])
  })

  test('one path costs its blocks; entries without content cost those of their headers', async () => {
    const cost = async (select: Partial<Selection>, content: boolean) => {
      const request = { ...(await open(storage)), select: { ...everything, ...select }, content }
      const before = { bytes: storage.bytesRead, calls: storage.calls.get }
      const names: string[] = []
      for await (const { entry } of extract(request, context)) names.push(entryPath(entry))
      return { names, bytes: storage.bytesRead - before.bytes, calls: storage.calls.get - before.calls }
    }
    const one = await cost({ paths: ['d'] }, true)
    assert.deepEqual(one.names, ['', 'd'])
    assert.ok(one.bytes < 3 * 2 ** 20 && one.calls <= 10, JSON.stringify(one))
    const headers = await cost({}, false)
    assert.deepEqual(headers.names, ['', 'a', 'b', 'c', 'd', 'hole'])
    assert.ok(headers.bytes < 8 * 2 ** 20, JSON.stringify(headers))
  })

  test('a damaged block fails the content of its file, the next entries come', async () => {
    const key = [...storage.blobs.keys()].find((name) => name.endsWith('data.00000004')) ?? ''
    const sound = storage.blobs.get(key) ?? new Uint8Array(0)
    const damaged = sound.slice()
    // In the middle of b: four blocks of a MiB are a segment.
    damaged[100] = 1 ^ (damaged[100] ?? 0)
    storage.blobs.set(key, damaged)
    const request = { ...(await open(storage)), select: everything }
    const failed: string[] = []
    for await (const extracted of extract(request, context)) {
      const name = extracted.entry.name
      try {
        const { sha256, size } = await contentOf(extracted)
        if (name in sizes) {
          assert.equal(sha256, createHash('sha256').update(Buffer.alloc(size, name)).digest('hex'))
        }
      } catch (error) {
        assert.ok(isFailure(error) && error.code === 'damaged', String(error))
        failed.push(name)
      }
    }
    assert.deepEqual(failed, ['b'])
    storage.blobs.set(key, sound)
  })

  test('a path that is not there, and an abort', async () => {
    const request = { ...(await open(storage)), select: { ...everything, paths: ['d', 'zz'] } }
    const first = extract(request, context).next()
    await assert.rejects(first, (error) => isFailure(error) && error.code === 'not-found')
    const abort = new AbortController()
    const repository = await openRepository({ storage, codecs: [zstd], signal: abort.signal }, false)
    const run = extract({ ...request, repository, select: everything }, quietContext(abort.signal))
    await run.next()
    abort.abort()
    const rest = async () => {
      for await (const extracted of run) await contentOf(extracted)
    }
    await assert.rejects(rest(), (error) => isFailure(error) && error.code === 'interrupted')
  })
})
