// Several runs in one process, as a program that embeds the sdk has them: nothing of one is seen in another.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { getEventListeners } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import {
  backup,
  checkContainer,
  Failure,
  isFailure,
  listBackups,
  openRepository,
  openStorage,
  type Repository,
  type RunEvent,
  restore,
  treeSource,
  treeTarget,
} from '@freezer/sdk'
import { Bandwidth } from '@freezer/sdk/storages'
import { memoryStorage } from '@freezer/sdk/testing'
import { local } from '@freezer/storage-local'
import { checkout, filesBelow, run, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('embedding')
after(scratch.remove)
const within = (name: string) => path.join(scratch.path, name)
const trees = ['one', 'two', 'three'].map(within)

/** Complaints of Node: about listeners that pile up, among others. */
const warnings: Error[] = []
process.on('warning', (warning) => warnings.push(warning))

before(() => {
  for (const [i, tree] of trees.entries()) {
    fs.mkdirSync(path.join(tree, 'sub'), { recursive: true })
    fs.writeFileSync(path.join(tree, 'large'), randomBytes(6 * 2 ** 20 + i))
    for (let n = 0; n < 50; n++) fs.writeFileSync(path.join(tree, 'sub', `${n}`), `${tree} ${n}`)
    // Never backed up, and so a warning that names the run.
    fs.symlinkSync('nowhere', path.join(tree, 'link'))
  }
})

const contents = (directory: string) =>
  filesBelow(directory).map((name) => [name, fs.readFileSync(path.join(directory, name)).toString('base64')])

async function openContainer(name: string, passphrase?: string): Promise<Repository> {
  const storage = await openStorage(local, { container: within(name) }, { create: true })
  const secret = passphrase === undefined ? {} : { passphrase: Buffer.from(passphrase) }
  return openRepository({ storage, codecs: [zstd, aes256Gcm], ...secret }, true)
}

/** What a run was told. */
interface Told {
  readonly events: RunEvent[]
  readonly report: (event: RunEvent) => void
}

function listener(): Told {
  const events: RunEvent[] = []
  return { events, report: (event) => events.push(event) }
}

const requestOf = (repository: Repository, tree: string) => ({
  repository,
  name: path.basename(tree),
  host: 'h',
  source: treeSource(tree),
  mode: { name: 'fs' },
  engine: tar,
  compression: { codec: zstd },
  encryption: repository.encrypted ? { codec: aes256Gcm } : undefined,
})

const restoreOf = (repository: Repository, tree: string, target: string) => ({
  repository,
  engines: [tar],
  host: 'h',
  name: path.basename(tree),
  target: treeTarget(target),
})

/** The last figures that a run told of itself. */
function lastProgress({ events }: Told) {
  return events.findLast((event) => event.type === 'progress')?.progress
}

test('two backups and a restore at once, in one container and in several', async () => {
  const [one = '', two = '', three = ''] = trees
  for (const [title, names] of Object.entries({ same: ['a', 'a', 'a'], different: ['b', 'c', 'd'] })) {
    const [first, second, third] = await Promise.all([
      openContainer(`${title}-${names[0]}`, 'first'),
      openContainer(`${title}-${names[1]}`, names[0] === names[1] ? 'first' : undefined),
      openContainer(`${title}-${names[2]}`, names[0] === names[2] ? 'first' : 'third'),
    ])
    await backup(requestOf(third, three))
    const target = within(`${title}-target`)
    const told = [listener(), listener(), listener()] as const
    const [made, also, back] = await Promise.all([
      backup(requestOf(first, one), told[0]),
      backup(requestOf(second, two), told[1]),
      restore(restoreOf(third, three, target), told[2]),
    ])
    assert.deepEqual(contents(target), contents(three))
    assert.notEqual(made.id, also.id)
    // Each heard of itself alone.
    for (const [i, result] of [made, also, back].entries()) {
      const { phase, entries, bytes } = lastProgress(told[i] as Told) ?? {}
      assert.deepEqual(
        { phase, entries, bytes },
        { phase: i === 2 ? 'restore' : 'backup', entries: result.entries, bytes: result.bytes },
      )
    }
    // Opened anew: the three made the container at once, with a key each.
    const reopened = async (i: number, passphrase?: string) =>
      openContainer(`${title}-${names[i]}`, passphrase)
    for (const [repository, tree] of [
      [await reopened(0, 'first'), one],
      [await reopened(1, names[0] === names[1] ? 'first' : undefined), two],
    ] as const) {
      const again = within(`${title}-again-${path.basename(tree)}`)
      await restore(restoreOf(repository, tree, again))
      assert.deepEqual(contents(again), contents(tree))
      const report = await checkContainer({ repository, engines: [tar], data: 'all' })
      assert.deepEqual(report.damaged, [])
      assert.equal(report.garbage.segments, 0)
    }
    const listed = await Array.fromAsync(listBackups(await reopened(0, 'first')))
    assert.equal(listed.length, title === 'same' ? 3 : 1)
  }
})

test('an abort ends its own run', async () => {
  const repository = await openContainer('aborted')
  const [one = '', two = ''] = trees
  const stop = new AbortController()
  const told = listener()
  const stopped = backup(requestOf(repository, one), {
    signal: stop.signal,
    report: (event) => {
      told.report(event)
      stop.abort()
    },
  })
  const going = backup(requestOf(repository, two))
  await assert.rejects(stopped, (error) => isFailure(error) && error.code === 'interrupted')
  const heard = told.events.length
  assert.equal((await going).unread, 0)
  assert.equal(told.events.length, heard, 'nothing is told of a run that has ended')
  assert.deepEqual(
    (await Array.fromAsync(listBackups(repository))).map((listed) => 'name' in listed && listed.name),
    ['two'],
  )
})

test('many runs under one signal leave nothing behind', async () => {
  const { signal } = new AbortController()
  const repository = await openContainer('many')
  const small = within('small')
  fs.mkdirSync(small)
  fs.writeFileSync(path.join(small, 'file'), 'content')
  const listeners = () =>
    Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)]))
  const resources = () =>
    process.getActiveResourcesInfo().filter((name) => /Message|Timeout|Worker/.test(name))
  const earlier = { listeners: listeners(), resources: resources() }
  const runs = Array.from({ length: 24 }, async (_, i) => {
    await backup({ ...requestOf(repository, small), name: `n${i}` }, { signal })
    const target = within(`many-target-${i}`)
    await restore({ ...restoreOf(repository, small, target), name: `n${i}` }, { signal })
    assert.deepEqual(contents(target), contents(small))
  })
  await Promise.all(runs)
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
  assert.deepEqual({ listeners: listeners(), resources: resources() }, earlier)
  assert.deepEqual(warnings, [])
})

test('a program ends by itself, in silence', async () => {
  const program = `
    import { zstd } from '@freezer/codec-compress'
    import { tar } from '@freezer/engine-tar'
    import { backup, openRepository, openStorage, restore, treeSource, treeTarget } from '@freezer/sdk'
    import { local } from '@freezer/storage-local'
    const [tree, container, target] = process.argv.slice(1)
    const storage = await openStorage(local, { container }, { create: true })
    const repository = await openRepository({ storage, codecs: [zstd] }, true)
    const signal = AbortSignal.timeout(3_600_000)
    await backup({ repository, name: 'n', source: treeSource(tree), mode: { name: 'fs' }, engine: tar, compression: { codec: zstd } }, { signal })
    await restore({ repository, engines: [tar], target: treeTarget(target) }, { signal })`
  const words = [
    '--input-type=module',
    '-e',
    program,
    trees[0] ?? '',
    within('silent'),
    within('silent-target'),
  ]
  const began = performance.now()
  assert.deepEqual(await run(process.execPath, words, path.join(checkout, 'examples')), {
    status: 0,
    stdout: '',
    stderr: '',
  })
  assert.ok(performance.now() - began < 30_000, 'it did not wait for its signal')
  assert.deepEqual(contents(within('silent-target')), contents(trees[0] ?? ''))
})

test('the options of a storage are checked, and what is given wrong is named', async () => {
  const refused = (given: object, message: RegExp) =>
    assert.rejects(openStorage(local, given as { container: string }), (error) => {
      assert.ok(isFailure(error))
      assert.match(error.message, message)
      return error.code === 'usage'
    })
  await refused({}, /^"container" of the storage local is required\.$/)
  await refused({ container: '/x', other: 1 }, /^There is no option "other" of the storage local\.$/)
  await refused({ container: 7 }, /^"container" of the storage local: "7" is not a path\.$/)
  await assert.rejects(
    openStorage(local, { container: within('none') }),
    (error) => isFailure(error) && error.code === 'not-found',
  )
  assert.equal(fs.existsSync(within('none')), false)
})

/** Storages that are opened after `failures` failures that pass; `tries` counts. */
function busyDriver(failures: number) {
  const driver = {
    tries: 0,
    name: 'busy',
    description: 'Not up yet',
    options: {},
    async open() {
      if (++driver.tries <= failures) throw new Failure('unavailable', 'Not up yet.')
      return memoryStorage()
    },
  }
  return driver
}

test('an opening that fails for the moment is tried again, is told, and only as often as was said', async () => {
  const { events, report } = listener()
  const late = busyDriver(2)
  await openStorage(late, {}, {}, { report })
  assert.equal(late.tries, 3)
  const told = events.map((event) => (event.type === 'log' ? `${event.level} ${event.message}` : event.type))
  assert.equal(told.length, 2)
  for (const line of told) assert.match(line, /^warn Opening the storage: Not up yet\. Trying again in/)
  for (const retries of [0, 1]) {
    const never = busyDriver(99)
    await assert.rejects(openStorage(never, {}, { retries }), { code: 'unavailable', message: 'Not up yet.' })
    assert.equal(never.tries, retries + 1)
  }
  const refusing = { ...busyDriver(0), open: () => Promise.reject(new Failure('denied', 'Not you.')) }
  await assert.rejects(openStorage(refusing, {}, {}, { report }), { code: 'denied' })
  assert.equal(events.length, 2)
})

test('the signal ends the waiting for a storage that does not open', async () => {
  const stop = new AbortController()
  const never = busyDriver(99)
  const opening = openStorage(
    never,
    {},
    { retries: 1000 },
    { signal: stop.signal, report: () => stop.abort() },
  )
  await assert.rejects(opening, { code: 'interrupted' })
  assert.equal(never.tries, 1)
  assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
})

test('a storage keeps within the bandwidths that it is given, and reads back where that is asked for', async () => {
  const { signal } = new AbortController()
  let waited = 0
  const clock = { now: () => waited, sleep: async (time: number) => void (waited += time) }
  const line = new Bandwidth(1000, clock)
  const limited = { upload: line, download: line, verifyUploads: true }
  await using storage = await openStorage(busyDriver(0), {}, limited)
  await storage.put('key', [Buffer.alloc(5000)], signal)
  assert.ok(waited > 8000 && waited < 11_000, `${waited}`)
  const forgetful = { ...busyDriver(0), open: async () => ({ ...memoryStorage(), put: async () => {} }) }
  await using other = await openStorage(forgetful, {}, { verifyUploads: true })
  await assert.rejects(other.put('key', [], signal), { code: 'damaged' })
})

test('await using closes a storage; a call that failed for the moment is tried again', async () => {
  let closed = 0
  let tries = 0
  const shaky = {
    ...local,
    options: {},
    open: async () => ({
      ...memoryStorage(),
      put: async () => {
        if (tries++ === 0) throw new Failure('unavailable', 'Busy.')
      },
      close: async () => void closed++,
    }),
  }
  {
    await using storage = await openStorage(shaky, {})
    await storage.put('key', [], new AbortController().signal)
    assert.equal(tries, 2)
  }
  assert.equal(closed, 1)
  tries = 0
  await using impatient = await openStorage(shaky, {}, { retries: 0 })
  await assert.rejects(impatient.put('key', [], new AbortController().signal), /Busy/)
})
