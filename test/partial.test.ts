// Parts of backups brought back: the right entries, at the right cost; and the program's words for it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import {
  backup,
  everything,
  matcher,
  openRepository,
  quietContext,
  restore,
  type Selection,
} from '@freezer/sdk'
import { type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'
import { freezer, json, scratchDirectory } from './support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
  type Tree,
} from './support/tree.ts'

const scratch = scratchDirectory('partial')
after(() => removeTree(scratch.path))
const context = quietContext()
const { signal } = context

async function backUp(storage: MemoryStorage, source: string): Promise<void> {
  const request = {
    repository: await openRepository({ storage, codecs: [zstd], signal }, true),
    source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
    engine: tar,
    host: 'h',
    name: 'n',
    mode: { name: 'fs', facts: {} },
    compression: { codec: zstd, options: {} },
    levels: { incremental: true },
    workers: 1,
  } as const
  await backup(request, context)
}

async function bring(storage: MemoryStorage, directory: string, select: Partial<Selection>) {
  return restore(
    {
      repository: await openRepository({ storage, codecs: [zstd], signal }, false),
      engines: [tar],
      target: () => ({ kind: 'tree', path: directory, overwrite: false, remove: false }),
      select: { ...everything, ...select },
      workers: 1,
    },
    context,
  )
}

/** What of a tree a selection brings back, hard links among the rest only. */
function selected(tree: Tree, { paths = [], include = [], exclude = [] }: Partial<Selection>): Tree {
  const [included, excluded] = [matcher(include), matcher(exclude)]
  const chosen = [...tree.keys()].filter(
    (own) =>
      (paths.length === 0 || paths.some((one) => one === '' || own === one || own.startsWith(`${one}/`))) &&
      included?.(own) !== false &&
      excluded?.(own) !== true,
  )
  const wanted = new Set(chosen)
  for (const own of chosen) {
    const parts = own.split('/')
    for (let depth = 0; depth < parts.length; depth++) wanted.add(parts.slice(0, depth).join('/'))
  }
  const part: Tree = new Map()
  const groups = new Map<string, string[]>()
  for (const [own, description] of tree) {
    if (!wanted.has(own)) continue
    part.set(own, { ...description, sameAs: '' })
    const { sameAs } = description
    if (sameAs !== '') groups.set(sameAs, [...(groups.get(sameAs) ?? []), own])
  }
  for (const names of groups.values()) {
    const [first = ''] = names.sort()
    if (names.length > 1) for (const own of names) part.set(own, { ...part.get(own), sameAs: first } as never)
  }
  return part
}

test('parts of random trees, at several levels, with hard links across the boundary', async () => {
  let parts = 0
  for (const seed of [21, 22]) {
    const random = seeded(seed)
    const source = path.join(scratch.path, `tree-${seed}`)
    const storage = memoryStorage()
    makeTree(source, random, 120)
    for (let level = 0; level < 3; level++) {
      await backUp(storage, source)
      const tree = describeTree(source)
      const all = [...tree.keys()]
      const linked = all.filter((own) => tree.get(own)?.sameAs !== '')
      const some = (from = all) => from[Math.floor(random() * from.length)] ?? ''
      const pattern = () => `${(some().split('/').at(-1) ?? 'x').slice(0, 2).replaceAll(/[^a-z]/g, '?')}*`
      for (let round = 0; round < 6; round++) {
        const select = {
          paths: round % 3 === 0 ? [] : round % 3 === 1 ? [some(linked), some(linked)] : [some(), some()],
          include: round === 3 ? [pattern(), pattern()] : [],
          exclude: round % 4 === 0 ? [pattern()] : [],
        }
        const target = path.join(scratch.path, `part-${parts++}`)
        const where = `seed ${seed}, level ${level}, ${JSON.stringify(select)}`
        const expected = selected(tree, select)
        if (expected.size === 0) {
          await assert.rejects(bring(storage, target, select), /matches/)
          continue
        }
        const result = await bring(storage, target, select)
        assert.equal(result.unrestored, 0, where)
        assert.equal(result.entries, expected.size, where)
        assert.deepEqual(differences(expected, describeTree(target)), [], where)
        removeTree(target)
      }
      mutateTree(source, random)
    }
    removeTree(source)
  }
})

test('one file of 100,000 costs a handful of reads', async (t) => {
  // In memory, where there is such a place: so many files take a disk minutes.
  const memory = fs.existsSync('/dev/shm') ? '/dev/shm' : scratch.path
  const source = fs.mkdtempSync(path.join(memory, 'freezer-many-'))
  t.after(() => removeTree(source))
  for (let d = 0; d < 100; d++) {
    const directory = path.join(source, `d${d}`)
    fs.mkdirSync(directory, { recursive: true })
    for (let f = 0; f < 1000; f++) fs.writeFileSync(path.join(directory, `f${f}`), '')
  }
  fs.writeFileSync(path.join(source, 'd42/f867'), 'file 867 of 42')
  const storage = memoryStorage()
  await backUp(storage, source)
  const stored = [...storage.blobs.values()].reduce((sum, { length }) => sum + length, 0)
  const before = { get: storage.calls.get, list: storage.calls.list, bytes: storage.bytesRead }
  const target = path.join(scratch.path, 'one')
  const result = await bring(storage, target, { paths: ['d42/f867'] })
  assert.equal(result.entries, 3)
  assert.equal(fs.readFileSync(path.join(target, 'd42/f867'), 'utf8'), 'file 867 of 42')
  const cost = {
    get: storage.calls.get - before.get,
    list: storage.calls.list - before.list,
    bytes: storage.bytesRead - before.bytes,
  }
  const shown = `${JSON.stringify(cost)} of ${stored} bytes stored`
  // The container's mark, the manifest, the root, pages of three directories and of the table, a block for each entry.
  assert.ok(cost.get <= 14 && cost.list <= 5, shown)
  assert.ok(cost.bytes < 300_000 && cost.bytes < stored / 10, shown)
})

test('the program restores parts, previews, restores in place and verifies', async () => {
  const source = path.join(scratch.path, 'home')
  for (const name of ['me/letters/a', 'me/letters/b.tmp', 'me/other', 'you/c']) {
    fs.mkdirSync(path.join(source, path.dirname(name)), { recursive: true })
    fs.writeFileSync(path.join(source, name), name)
  }
  const container = path.join(scratch.path, 'container')
  const of = ['--container', container]
  const { id } = await json('backup', source, ...of, '-N', 'n', '--exclude', '*.bak')
  const files = (directory: string) =>
    fs
      .readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => fs.statSync(path.join(directory, name)).isFile())
      .sort()

  const target = path.join(scratch.path, 'target')
  await json('restore', target, ...of, '-N', 'n', '--path', './me/letters/', '--exclude', '*.tmp')
  assert.deepEqual(files(target), ['me/letters/a'])
  removeTree(target)
  await json('restore', target, ...of, '--backup', String(id).slice(0, 8), '--path', path.join(source, 'you'))
  assert.deepEqual(files(target), ['you/c'])
  removeTree(target)
  const outside = await freezer('restore', target, ...of, '-N', 'n', '--path', '/elsewhere')
  assert.equal(outside.status, 4)
  assert.ok(!fs.existsSync(target))
  const nothing = await freezer('restore', target, ...of)
  assert.equal(nothing.status, 2)
  assert.match(nothing.stderr, /--backup-name is required.*--backup/)

  assert.equal((await freezer('verify', source, ...of, '-N', 'n')).status, 0)
  fs.writeFileSync(path.join(source, 'me/other'), 'changed')
  fs.writeFileSync(path.join(source, 'you/new\n'), 'new')
  fs.writeFileSync(path.join(source, 'x.bak'), 'left out')
  fs.rmSync(path.join(source, 'me/letters/a'))
  const compared = await freezer('verify', source, ...of, '-N', 'n')
  assert.equal(compared.status, 16, compared.stderr)
  assert.match(compared.stdout, /^missing +me\/letters\/a$/m)
  assert.match(compared.stdout, /^changed +me\/other \(size, content, time\)$/m)
  assert.match(compared.stdout, /^extra +you\/new\\x0a$/m)
  assert.doesNotMatch(compared.stdout, /bak/)
  assert.equal((await freezer('verify', source, ...of, '-N', 'n', '--path', 'me/letters/b.tmp')).status, 16)
  assert.equal((await freezer('verify', path.join(source, 'none'), ...of, '-N', 'n')).status, 4)

  const words = ['restore', source, ...of, '-N', 'n', '--overwrite=if-changed', '--path', 'me']
  const before = describeTree(source)
  const planned = await freezer(...words, '--dry-run', '--json')
  assert.equal(planned.status, 0, planned.stderr)
  const findings = planned.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { type: string; action: string; path: string })
    .filter(({ type, action }) => type === 'finding' && (action === 'create' || action === 'replace'))
    .map(({ action, path: own }) => `${action} ${own}`)
  assert.deepEqual(findings.sort(), ['create me/letters/a', 'replace me/other'])
  const plan = JSON.parse(planned.stdout) as Record<string, unknown>
  assert.deepEqual([plan['dryRun'], plan['created'], plan['replaced']], [true, 1, 1])
  assert.deepEqual(differences(before, describeTree(source)), [])
  const shown = await freezer(...words, '--dry-run')
  assert.match(shown.stdout, /^create +me\/letters\/a\n/m)
  assert.match(shown.stdout, /^Would restore: /m)
  await json(...words)
  assert.equal(fs.readFileSync(path.join(source, 'me/other'), 'utf8'), 'me/other')
  assert.ok(fs.existsSync(path.join(source, 'x.bak')))
  const patterns = await freezer(...words, '--delete', '--include', 'x')
  assert.equal(patterns.status, 2)
  const never = await freezer('restore', source, ...of, '-N', 'n', '--overwrite=never', '--delete')
  assert.equal(never.status, 2)
  // Alone it means always, wherever it stands.
  const always = await json('restore', '--overwrite', source, ...of, '-N', 'n', '--delete')
  assert.deepEqual([always['replaced'], always['deleted']], [4, 2])
  assert.equal((await freezer('verify', source, ...of, '-N', 'n')).status, 0)
  const odd = await freezer('restore', source, ...of, '-N', 'n', '--overwrite=perhaps')
  assert.equal(odd.status, 2)
})
