// Restores in place, their previews, and comparisons: over random trees, through the sdk.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import {
  backup,
  everything,
  type Finding,
  openRepository,
  type RestoreResult,
  type RunEvent,
  restore,
  type Selection,
  type TreeTarget,
  type VerifyResult,
  verify,
  type Warning,
} from '@freezer/sdk'
import { type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'
import { scratchDirectory } from './support/program.ts'
import { describeTree, differences, makeTree, mutateTree, removeTree, seeded } from './support/tree.ts'

const scratch = scratchDirectory('in-place')
after(() => removeTree(scratch.path))
const { signal } = new AbortController()

function listen() {
  const findings: Finding[] = []
  const warnings: Warning[] = []
  const report = (event: RunEvent) => {
    if (event.type === 'finding') findings.push(event.finding)
    if (event.type === 'warning') warnings.push(event.warning)
  }
  return { findings, warnings, context: { signal, now: Date.now, report } }
}

async function backUp(storage: MemoryStorage, source: string, exclude: readonly string[] = []) {
  const repository = await openRepository({ storage, codecs: [zstd], signal }, true)
  const request = {
    repository,
    source: { kind: 'tree', path: source, exclude, oneFileSystem: false, dereference: 'none' },
    engine: tar,
    host: 'h',
    name: 'n',
    mode: { name: 'fs', facts: { path: source } },
    compression: { codec: zstd, options: {} },
    levels: { incremental: true },
    workers: 1,
  } as const
  return backup(request, listen().context)
}

type Told = { readonly findings: Finding[]; readonly warnings: Warning[] }

async function bring(
  storage: MemoryStorage,
  directory: string,
  target: Partial<TreeTarget>,
  select: Partial<Selection> = {},
): Promise<RestoreResult & Told> {
  const { findings, warnings, context } = listen()
  const result = await restore(
    {
      repository: await openRepository({ storage, codecs: [zstd], signal }, false),
      engines: [tar],
      target: () => ({ kind: 'tree', path: directory, overwrite: false, remove: false, ...target }),
      select: { ...everything, ...select },
      list: true,
      workers: 1,
    },
    context,
  )
  return { ...result, findings, warnings }
}

async function compare(
  storage: MemoryStorage,
  directory: string,
  leftOut: readonly string[] = [],
): Promise<VerifyResult & Told> {
  const { findings, warnings, context } = listen()
  const result = await verify(
    {
      repository: await openRepository({ storage, codecs: [zstd], signal }, false),
      engines: [tar],
      target: () => ({
        kind: 'tree',
        path: directory,
        overwrite: false,
        remove: true,
        purpose: 'verify',
        leftOut,
      }),
      workers: 1,
    },
    context,
  )
  return { ...result, findings, warnings }
}

/** Every path with its inode and change time: what nobody can set back. */
function touched(directory: string): Map<string, string> {
  const found = execFileSync('find', [directory, '-printf', '%P\\0%i %C@\\0'], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  })
  const parts = found.split('\0')
  return new Map(parts.flatMap((name, at) => (at % 2 === 0 ? [[name, parts[at + 1] ?? '']] : [])))
}

const sorted = ({ findings, warnings }: Told) => ({
  findings: findings.map(({ action, path: own, differs }) => `${own} ${action} ${differs.join()}`).sort(),
  warnings: warnings.map(({ kind, path: own, message }) => `${own} ${kind} ${message}`).sort(),
})

const ways: readonly (Pick<TreeTarget, 'overwrite' | 'remove'> & { itself?: boolean })[] = [
  { overwrite: 'if-changed', remove: true },
  { overwrite: 'if-changed', remove: false },
  { overwrite: 'always', remove: true },
  { overwrite: 'always', remove: false },
  { overwrite: 'never', remove: false },
  { overwrite: false, remove: false },
  // The tree that was backed up itself, whose files the system vouches for.
  { overwrite: 'if-changed', remove: true, itself: true },
]

// More by SEEDS=100.
const seeds = Array.from({ length: Number(process.env['SEEDS'] ?? 2) }, (_, i) => 11 + i)
for (const seed of seeds) {
  test(`a preview changes nothing and says exactly what the restore does, seed ${seed}`, async () => {
    const random = seeded(seed)
    const source = path.join(scratch.path, `tree-${seed}`)
    const storage = memoryStorage()
    makeTree(source, random, 60)
    await backUp(storage, source)
    mutateTree(source, random, 15)
    await backUp(storage, source)
    const wanted = describeTree(source)
    for (const [number, { itself = false, ...way }] of ways.entries()) {
      const directory = itself ? source : `${source}-${number}`
      if (!itself) await bring(storage, directory, {})
      mutateTree(directory, random, 20)
      const before = describeTree(directory)
      const stamps = touched(directory)
      const planned = await bring(storage, directory, { ...way, purpose: 'preview' })
      assert.ok(planned.dryRun)
      assert.deepEqual(differences(before, describeTree(directory)), [])
      assert.deepEqual(touched(directory), stamps, 'a preview changed something')
      const done = await bring(storage, directory, way)
      const where = `seed ${seed}, ${JSON.stringify(way)}`
      assert.deepEqual(sorted(planned), sorted(done), where)
      const numbers = ({ created, replaced, updated, kept, deleted, unrestored }: RestoreResult) => ({
        created,
        replaced,
        updated,
        kept,
        deleted,
        unrestored,
      })
      assert.deepEqual(numbers(planned), numbers(done), where)
      const got = describeTree(directory)
      const { overwrite, remove } = way
      if (overwrite === 'always' && remove) assert.deepEqual(differences(wanted, got), [], where)
      if (overwrite === 'if-changed' && remove) {
        assert.deepEqual(differences(wanted, got), [], where)
        // Now there is nothing to do, and nothing is touched.
        const settled = touched(directory)
        const again = await bring(storage, directory, way)
        assert.deepEqual(
          again.findings.filter(({ action }) => action !== 'keep'),
          [],
          where,
        )
        assert.equal(again.bytes, 0, where)
        assert.deepEqual(touched(directory), settled, where)
        const compared = await compare(storage, directory)
        assert.deepEqual(sorted(compared).findings, [], where)
        assert.ok(compared.equal)
      }
      if (overwrite === 'never' || overwrite === false) {
        for (const [own, is] of before) {
          const now = got.get(own)
          assert.ok(now !== undefined, own)
          if (is.type !== 'directory')
            assert.deepEqual([now.sha256, now.mode, now.mtime], [is.sha256, is.mode, is.mtime], own)
        }
      }
      removeTree(directory)
    }
  })
}

test('the tree that was backed up is not even read from the container, and stays as it is', async () => {
  const source = path.join(scratch.path, 'unchanged')
  fs.mkdirSync(source)
  for (let i = 0; i < 40; i++) fs.writeFileSync(path.join(source, `f${i}`), Buffer.alloc(500_000, `${i} `))
  await new Promise((resolve) => setTimeout(resolve, 60))
  const storage = memoryStorage()
  await backUp(storage, source)
  const stamps = touched(source)
  const before = storage.bytesRead
  fs.writeFileSync(path.join(source, 'f7'), 'changed')
  const result = await bring(storage, source, { overwrite: 'if-changed', remove: true })
  const read = storage.bytesRead - before
  const changed = touched(source)
  const differ = [...changed.keys()].filter((own) => own !== '' && changed.get(own) !== stamps.get(own))
  assert.deepEqual(differ, ['f7'])
  assert.deepEqual([result.replaced, result.kept, result.bytes], [1, 40, 500_000])
  assert.equal(fs.readFileSync(path.join(source, 'f7'), 'utf8').slice(0, 4), '7 7 ')
  assert.ok(read < 3 * 2 ** 20, `${read} bytes were read`)
})

test('metadata alone is given back in place, except where another name shares it', async () => {
  const source = path.join(scratch.path, 'metadata')
  fs.mkdirSync(source)
  for (const name of ['alone', 'shared']) fs.writeFileSync(path.join(source, name), name, { mode: 0o640 })
  const storage = memoryStorage()
  await backUp(storage, source)
  const target = path.join(scratch.path, 'metadata-target')
  await bring(storage, target, {})
  const outside = path.join(scratch.path, 'outside')
  fs.linkSync(path.join(target, 'shared'), outside)
  for (const name of ['alone', 'shared']) fs.chmodSync(path.join(target, name), 0o777)
  const inode = fs.statSync(path.join(target, 'alone')).ino
  const { findings } = await bring(storage, target, { overwrite: 'if-changed' })
  const actions = Object.fromEntries(
    findings.map(({ path: own, action, differs }) => [own, [action, ...differs]]),
  )
  assert.deepEqual(actions, { '': ['keep'], alone: ['update', 'mode'], shared: ['replace'] })
  assert.equal(fs.statSync(path.join(target, 'alone')).ino, inode)
  assert.equal(fs.statSync(outside).mode & 0o777, 0o777, 'a file outside the target was changed')
  assert.deepEqual(differences(describeTree(source), describeTree(target)), [])
})

test('a selection with removal removes below what was selected whole, and nowhere else', async () => {
  const source = path.join(scratch.path, 'partial')
  for (const name of ['a/x/f', 'a/y/f', 'b/f']) {
    fs.mkdirSync(path.join(source, path.dirname(name)), { recursive: true })
    fs.writeFileSync(path.join(source, name), name)
  }
  const storage = memoryStorage()
  await backUp(storage, source)
  for (const name of ['a/x/extra', 'a/y/extra', 'b/extra', 'extra']) {
    fs.writeFileSync(path.join(source, name), 'extra')
  }
  fs.rmSync(path.join(source, 'b/f'))
  const { findings } = await bring(
    storage,
    source,
    { overwrite: 'if-changed', remove: true },
    { paths: ['a/x', 'b/f'] },
  )
  const acted = findings.filter(({ action }) => action === 'delete' || action === 'create')
  assert.deepEqual(acted.map(({ action, path: own }) => `${action} ${own}`).sort(), [
    'create b/f',
    'delete a/x/extra',
  ])
  for (const name of ['a/y/extra', 'b/extra', 'extra'])
    assert.ok(fs.existsSync(path.join(source, name)), name)
  await assert.rejects(
    bring(storage, source, { overwrite: 'always', remove: true }, { exclude: ['*.tmp'] }),
    /patterns leave things out/,
  )
  await assert.rejects(bring(storage, `${source}-new`, {}, { paths: ['a', 'none'] }), /does not hold "none"/)
  await assert.rejects(bring(storage, `${source}-new`, {}, { include: ['none'] }), /Nothing .* matches/)
  assert.ok(!fs.existsSync(`${source}-new`))
})

test('a bad block leaves the file in place that was there, also in place', async () => {
  const source = path.join(scratch.path, 'damaged')
  fs.mkdirSync(source)
  fs.writeFileSync(path.join(source, 'f'), Buffer.alloc(3_000_000, 'content'))
  fs.writeFileSync(path.join(source, 'g'), 'g')
  const storage = memoryStorage()
  await backUp(storage, source)
  const target = path.join(scratch.path, 'damaged-target')
  await bring(storage, target, {})
  fs.writeFileSync(path.join(target, 'f'), 'mine')
  const key = [...storage.blobs.keys()].find((name) => name.includes('/data.')) ?? ''
  const blob = storage.blobs.get(key) as Uint8Array
  blob[10] = (blob[10] ?? 0) ^ 1
  const result = await bring(storage, target, { overwrite: 'if-changed', remove: true })
  assert.ok(result.damaged)
  assert.equal(fs.readFileSync(path.join(target, 'f'), 'utf8'), 'mine')
  assert.deepEqual(fs.readdirSync(target).sort(), ['f', 'g'])
})

test('verify finds every kind of difference, and nothing else', async () => {
  const source = path.join(scratch.path, 'verified')
  const names = ['content', 'size', 'mode', 'time', 'gone', 'type', 'd/inside', 'd2/f', 'same']
  for (const name of names) {
    fs.mkdirSync(path.join(source, path.dirname(name)), { recursive: true })
    fs.writeFileSync(path.join(source, name), `content of ${name}`)
  }
  fs.symlinkSync('somewhere', path.join(source, 'link'))
  fs.linkSync(path.join(source, 'same'), path.join(source, 'same2'))
  fs.linkSync(path.join(source, 'same'), path.join(source, 'same3'))
  const hole = fs.openSync(path.join(source, 'sparse'), 'w')
  fs.writeSync(hole, 'data', 5_000_000)
  fs.ftruncateSync(hole, 9_000_000)
  fs.closeSync(hole)
  fs.writeFileSync(path.join(source, 'cache.tmp'), 'left out')
  const storage = memoryStorage()
  await backUp(storage, source, ['*.tmp'])
  const clean = await compare(storage, source, ['*.tmp'])
  assert.deepEqual(sorted(clean).findings, [])
  assert.ok(clean.equal)
  assert.deepEqual(
    (await compare(storage, source)).findings.map(({ path: own }) => own),
    ['cache.tmp'],
  )

  const keepTime = (name: string, change: (file: string) => void) => {
    const file = path.join(source, name)
    const { atime, mtime } = fs.statSync(path.dirname(file))
    const own = fs.lstatSync(file)
    change(file)
    if (fs.existsSync(file)) fs.lutimesSync(file, own.atime, own.mtime)
    fs.utimesSync(path.dirname(file), atime, mtime)
  }
  keepTime('content', (file) => fs.writeFileSync(file, 'CONTENT of content'))
  keepTime('size', (file) => fs.appendFileSync(file, '!'))
  keepTime('mode', (file) => fs.chmodSync(file, 0o600))
  fs.utimesSync(path.join(source, 'time'), 1, 1)
  keepTime('gone', (file) => fs.rmSync(file))
  keepTime('type', (file) => {
    fs.rmSync(file)
    fs.mkdirSync(file)
  })
  fs.rmSync(path.join(source, 'd'), { recursive: true })
  fs.writeFileSync(path.join(source, 'extra'), '')
  keepTime('link', (file) => {
    fs.rmSync(file)
    fs.symlinkSync('elsewhere', file)
  })
  keepTime('same3', (file) => {
    fs.rmSync(file)
    fs.copyFileSync(path.join(source, 'same'), file)
  })
  keepTime('sparse', (file) => {
    const fd = fs.openSync(file, 'r+')
    fs.writeSync(fd, 'x', 8_999_999)
    fs.closeSync(fd)
  })
  const found = await compare(storage, source, ['*.tmp'])
  const told = Object.fromEntries(
    found.findings.map(({ action, path: own, differs }) => [
      own,
      [action, ...differs.filter((one) => one !== 'time' || own === 'time')].join(' '),
    ]),
  )
  delete told['']
  assert.deepEqual(told, {
    content: 'changed content',
    size: 'changed size content',
    mode: 'changed mode',
    time: 'changed time',
    gone: 'missing',
    type: 'changed type',
    d: 'missing',
    'd/inside': 'missing',
    extra: 'extra',
    link: 'changed link',
    same3: 'changed names',
    sparse: 'changed content',
  })
  assert.ok(!found.equal)
})
