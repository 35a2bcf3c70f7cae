// Copies restore to what their originals restore to, at every level, whatever lies between; killed ones leave only garbage.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzip } from '@freezer/codec-compress'
import { aes256Gcm, xchacha20Poly1305 } from '@freezer/codec-encrypt'
import {
  type Context,
  type CopyRequest,
  type CopyResult,
  copyBackups,
  Failure,
  isFailure,
  prune,
  quietContext,
  type Repository,
  type Storage,
} from '@freezer/sdk'
import { faultyStorage } from '@freezer/sdk/testing'
import { check } from './support/checked.ts'
import { backUp, openContainer, treeAt } from './support/containers.ts'
import { filesBelow, freezer, json, run, scratchDirectory } from './support/program.ts'
import { differences, makeTree, mutateTree, removeTree, seeded, type Tree } from './support/tree.ts'

const scratch = scratchDirectory('copy')
after(() => removeTree(scratch.path))
const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected
const usual = { codec: aes256Gcm, options: {}, always: false } as const

const plain = path.join(scratch.path, 'plain')
const encrypted = path.join(scratch.path, 'encrypted')
/** Trees by the moments of the backups of each container. */
const moments = new Map<string, Map<string, Tree>>()
let made = 0
const fresh = () => path.join(scratch.path, `copy-${made++}`)

before(async () => {
  for (const [directory, passphrase] of [
    [plain, undefined],
    [encrypted, 'one'],
  ] as const) {
    const source = fs.mkdtempSync(path.join(scratch.path, 'source-'))
    makeTree(source, seeded(71), 40)
    fs.writeFileSync(path.join(source, 'noise'), randomBytes(3_300_000))
    const repository = await openContainer(directory, passphrase)
    const trees = new Map<string, Tree>()
    for (let level = 0; level < 3; level++) {
      const { time } = await backUp(repository, source)
      trees.set(time, await treeAt(repository, scratch.path, time))
      mutateTree(source, seeded(level + 5), 8)
      fs.writeFileSync(path.join(source, `noise-${level}`), randomBytes(1_300_000))
    }
    moments.set(directory, trees)
    removeTree(source)
  }
})

function copy(
  from: Repository,
  to: Repository,
  request: Partial<CopyRequest> = {},
  context: Context = quietContext(),
): Promise<CopyResult> {
  return copyBackups({ from, to, encryption: usual, ...request }, context)
}

/** Everything that was backed up at `origin` restores from `repository` to the same, and nothing is damaged. */
async function expectCopies(repository: Repository, origin: string): Promise<void> {
  const names = await repository.names(undefined, new AbortController().signal)
  const trees = moments.get(origin) as Map<string, Tree>
  assert.deepEqual(
    names.map(({ time, level }) => [new Date(time).toISOString(), level]),
    [...trees.keys()].map((time, level) => [time, level]),
  )
  for (const [time, tree] of trees) {
    assert.deepEqual(differences(tree, await treeAt(repository, scratch.path, time)), [], time)
  }
  assert.deepEqual((await check(repository, 'all')).damaged, [])
}

/** The data segments of all backups, oldest first, put together. */
async function archives(repository: Repository, directory: string): Promise<Buffer> {
  const names = await repository.names(undefined, new AbortController().signal)
  const files = filesBelow(directory)
  return Buffer.concat(
    names.flatMap(({ id }) =>
      files
        .filter((file) => file.startsWith(`segments/${id}/data.`))
        .map((file) => fs.readFileSync(path.join(directory, file))),
    ),
  )
}

const ways: readonly [string, string, string | undefined, Partial<CopyRequest>][] = [
  ['plain to plain', plain, undefined, {}],
  ['plain to encrypted', plain, 'two', { verify: true }],
  [
    'encrypted to plain, gzip',
    encrypted,
    undefined,
    { compression: { codec: gzip, options: { gzipLevel: 1 } } },
  ],
  ['encrypted to uncompressed', encrypted, undefined, { compression: 'none', segmentSize: 70_000 }],
  [
    'encrypted to another key and cipher',
    encrypted,
    'three',
    { encryption: { codec: xchacha20Poly1305, options: {}, always: true } },
  ],
]
for (const [what, origin, passphrase, request] of ways) {
  test(`${what}, and back`, async () => {
    const from = await openContainer(origin, origin === encrypted ? 'one' : undefined)
    const directory = fresh()
    const to = await openContainer(directory, passphrase)
    const result = await copy(from, to, request)
    assert.deepEqual([result.copied, result.failed], [3, 0], JSON.stringify(result.backups))
    await expectCopies(to, origin)
    const again = await copy(from, to, request)
    assert.deepEqual([again.copied, again.present], [0, 3])

    const back = fresh()
    const home = await openContainer(back)
    await copy(to, home, {})
    await expectCopies(home, origin)
    // A copy of a copy is known where the original is.
    assert.equal((await copy(home, from)).present, 3)
    if (request.compression !== undefined) return
    const original = await archives(from, origin)
    const returned = await archives(home, back)
    if (origin === plain) assert.ok(original.equals(returned), 'compressed bytes are kept')
  })
}

test('one backup brings what it builds on, and no more', async () => {
  const from = await openContainer(plain)
  const to = await openContainer(fresh())
  const [, second] = await from.names(undefined, new AbortController().signal)
  assert.ok(second !== undefined)
  const result = await copy(from, to, { backups: [{ id: second.id.slice(0, 10) }] })
  assert.deepEqual(
    result.backups.map(({ level }) => level),
    [0, 1],
  )
  assert.equal((await copy(from, to)).copied, 1)
  await expectCopies(to, plain)
})

test('a dry run says the same and writes nothing', async () => {
  const directory = fresh()
  const result = await json('copy', '--container', plain, '--to-container', directory, '--dry-run')
  assert.deepEqual(
    (result['backups'] as { outcome: string }[]).map((one) => one.outcome),
    ['planned', 'planned', 'planned'],
  )
  assert.equal(fs.existsSync(directory), false)
})

test('a failure at any call of the destination leaves a container that the next run completes', async () => {
  const from = await openContainer(plain)
  const fail = new Failure('unavailable', 'No answer.')
  const directory = fresh()
  let failures = 0
  for (let call = 1; call < 200; call += 2) {
    const failing = (storage: Storage) => faultyStorage(storage, [{ call, fail }])
    try {
      await copy(from, await openContainer(directory, undefined, failing))
      break
    } catch (error) {
      assert.ok(isFailure(error) && error.code === 'unavailable', String(error))
      failures++
    }
    assert.deepEqual((await check(await openContainer(directory), 'all')).damaged, [])
  }
  assert.ok(failures > 5, `${failures}`)
  await expectCopies(await openContainer(directory), plain)
})

test('an answer that is lost, of whichever call, costs no copy its segments', async () => {
  const from = await openContainer(plain)
  const directory = fresh()
  const failAfter = new Failure('unavailable', 'The answer was lost.')
  let failures = 0
  for (let call = 1; call < 60; call++) {
    const losing = (storage: Storage) => faultyStorage(storage, [{ method: 'put', call, failAfter }])
    const fails = await openContainer(directory, undefined, losing)
      .then((to) => copy(from, to))
      .then(
        () => false,
        (error: unknown) => isFailure(error) && error.code === 'unavailable',
      )
    assert.deepEqual((await check(await openContainer(directory))).damaged, [])
    if (fails) failures++
  }
  assert.ok(failures >= 3, `${failures}`)
  await expectCopies(await openContainer(directory), plain)
})

test('killed at storage calls of the destination', async () => {
  const directory = fresh()
  const program = fileURLToPath(new URL('support/killed-copy.ts', import.meta.url))
  let kills = 0
  for (let call = 3; call < 300; call += 5) {
    const { status, stderr } = await run(process.execPath, [program, plain, directory, String(call)])
    const to = await openContainer(directory, 'other')
    assert.deepEqual((await check(to)).damaged, [])
    if (status === 0) break
    assert.equal(status, undefined, stderr)
    kills++
  }
  assert.ok(kills >= 4, `${kills}`)
  await expectCopies(await openContainer(directory, 'other'), plain)
})

test('interrupted, it leaves no backup behind and goes on the next time', async () => {
  const from = await openContainer(plain)
  const to = await openContainer(fresh())
  const stop = new AbortController()
  const context: Context = {
    ...quietContext(stop.signal),
    report: (event) => {
      if (event.type === 'progress' && event.progress.bytes > 1_000_000) stop.abort()
    },
  }
  await assert.rejects(copy(from, to, {}, context), code('interrupted'))
  assert.deepEqual((await check(to, 'all')).damaged, [])
  await copy(from, to)
  await expectCopies(to, plain)
})

test('what is damaged is named and not copied, nor what builds on it; all else is', async () => {
  const directory = fresh()
  fs.cpSync(plain, directory, { recursive: true })
  const from = await openContainer(directory)
  const source = fs.mkdtempSync(path.join(scratch.path, 'other-'))
  fs.writeFileSync(path.join(source, 'file'), 'content')
  const other = await backUp(from, source, { name: 'other' })
  const [, second] = await from.names({ host: 'h', name: 'n' }, new AbortController().signal)
  const segment = path.join(directory, 'segments', second?.id ?? '', 'data.00000000')
  const bytes = fs.readFileSync(segment)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
  fs.writeFileSync(segment, bytes)
  const target = fresh()
  const words = ['copy', '--container', directory, '--to-container', target]
  const { status, stdout } = await freezer(...words, '--json', '--no-progress')
  assert.equal(status, 6)
  const result = JSON.parse(stdout) as CopyResult
  assert.deepEqual(
    result.backups.map(({ name, level, outcome, failure }) => [name, level, outcome, failure?.code]),
    [
      ['n', 0, 'copied', undefined],
      ['n', 1, 'failed', 'damaged'],
      ['n', 2, 'failed', 'damaged'],
      ['other', 0, 'copied', undefined],
    ],
  )
  const to = await openContainer(target)
  await treeAt(to, scratch.path, other.time, 'other')
  assert.deepEqual((await check(to, 'all')).damaged, [])
  assert.match((await freezer(...words)).stderr, /2 of the backups could not be copied/)
})

test('another backup of the same moment is not replaced, and leaves no place for a copy', async () => {
  const source = fs.mkdtempSync(path.join(scratch.path, 'moment-'))
  fs.writeFileSync(path.join(source, 'file'), 'content')
  const [from, to] = [await openContainer(fresh()), await openContainer(fresh())]
  let now = Date.parse('2026-07-01T00:00:00Z')
  const context = { ...quietContext(), now: () => now }
  for (const repository of [from, to]) await backUp(repository, source, { context })
  now += 86_400_000
  await backUp(from, source, { context })
  const result = await copy(from, to)
  assert.deepEqual(
    result.backups.map(({ failure }) => failure?.code),
    ['refused', 'refused'],
  )
  assert.equal((await to.names(undefined, context.signal)).length, 1)
})

test('older backups that are copied do not disturb the levels of newer ones; newer ones are built on', async () => {
  const source = fs.mkdtempSync(path.join(scratch.path, 'levels-'))
  const write = (content: string) => fs.writeFileSync(path.join(source, 'file'), content)
  let now = Date.parse('2026-07-01T00:00:00Z')
  const context = { ...quietContext(), now: () => (now += 1000) }
  const [old, to, young] = [
    await openContainer(fresh()),
    await openContainer(fresh()),
    await openContainer(fresh()),
  ]
  const trees: [string, Tree][] = []
  const next = async (repository: Repository, content: string) => {
    write(content)
    const result = await backUp(repository, source, { context })
    trees.push([result.time, await treeAt(repository, scratch.path, result.time)])
    return result
  }
  for (let i = 0; i < 3; i++) await next(old, `old ${i}`)
  const own = await next(to, 'own 0')
  assert.equal((await next(to, 'own 1')).level, 1)
  assert.equal((await copy(old, to)).copied, 3)
  const third = await next(to, 'own 2')
  assert.equal(third.level, 2, 'the chain of the container goes on')
  const chain = (await to.names(undefined, context.signal)).find(({ id }) => id === third.id)?.chain
  assert.equal(chain, own.id)

  for (let i = 0; i < 2; i++) await next(young, `young ${i}`)
  assert.equal((await copy(young, to)).copied, 2)
  const last = await next(to, 'own 3')
  assert.equal(last.level, 2, 'the newest chain is the one that was copied')
  for (const [time, tree] of trees) {
    assert.deepEqual(differences(tree, await treeAt(to, scratch.path, time)), [], time)
  }
  assert.deepEqual((await check(to, 'all')).damaged, [])
})

test('the destination is named by options, an ini file, the environment', async () => {
  const directory = fresh()
  const passphrase = path.join(scratch.path, 'pass')
  fs.writeFileSync(passphrase, 'four\n')
  const ini = path.join(scratch.path, 'copy.ini')
  fs.writeFileSync(ini, `[default]\nto_container = ${directory}\nto_encrypt_pass_file = ${passphrase}\n`)
  const result = await json(
    'copy',
    'latest',
    '--container',
    plain,
    '--config',
    ini,
    '--to-zstd-level',
    '3',
    '--to-compression',
    'zstd',
  )
  assert.equal(result['copied'], 3)
  await expectCopies(await openContainer(directory, 'four'), plain)
  // The same file serves other commands.
  assert.equal((await freezer('list', '--container', plain, '--config', ini)).status, 0)
  const missing = await freezer('copy', '--container', plain)
  assert.equal(missing.status, 2)
  assert.match(missing.stderr, /--to-container is required/)
  const wrong = await freezer('copy', '--container', plain, '--to-container', directory)
  assert.equal(wrong.status, 8)
})

test('a prune of the destination between any two calls of a copy leaves nothing that does not restore', async () => {
  const from = await openContainer(plain)
  for (let at = 1; at < 60; at += 4) {
    const directory = fresh()
    // A copy of level 0 is there, and a newer chain, so that the copy continues one that nothing else keeps.
    const first = await openContainer(directory)
    const [oldest] = await from.names(undefined, new AbortController().signal)
    await copy(from, first, { backups: [{ id: oldest?.id ?? '' }] })
    const source = fs.mkdtempSync(path.join(scratch.path, 'newer-'))
    fs.writeFileSync(path.join(source, 'file'), 'content')
    await backUp(first, source, { incremental: false })
    const pruner = await openContainer(directory)
    const pruning = await openContainer(directory, undefined, (storage) =>
      faultyStorage(storage, [], async (call) => {
        if (call !== at + 4) return
        await prune({ repository: pruner, policy: { keepLast: 1 }, garbageAfter: 2 }, quietContext())
      }),
    )
    await copy(from, pruning)
    const pruned = await openContainer(directory)
    assert.deepEqual((await check(pruned, 'all')).damaged, [], `call ${at}`)
    const { signal } = new AbortController()
    const names = await pruned.names(undefined, signal)
    for (const name of names) {
      const { parent } = await pruned.manifest(name, signal)
      assert.ok(
        parent === undefined || names.some(({ id }) => id === parent),
        `call ${at}: level ${name.level}`,
      )
    }
  }
})
