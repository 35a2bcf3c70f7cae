// Several storages in one run of the program: each restores alone; one away, killed runs, keys that are behind, heals.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { expectSound } from './support/checked.ts'
import { listAll, openExisting, treeAt } from './support/containers.ts'
import { freezer, json, programFile, scratchDirectory } from './support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
  type Tree,
} from './support/tree.ts'

const scratch = scratchDirectory('several')
after(() => removeTree(scratch.path))

const passphrase = 'a passphrase'

interface Result {
  readonly id: string
  readonly level: number
  readonly time: string
  readonly storages: readonly { readonly name: string; readonly state: string }[]
}

/** A tree and an ini file with storages `one` and `two`, each a directory. */
class Place {
  readonly directory: string
  readonly source: string
  readonly ini: string
  readonly trees = new Map<string, Tree>()
  #changes = 0

  constructor(name: string, files = 25, encrypted = true) {
    this.directory = path.join(scratch.path, name)
    this.source = path.join(this.directory, 'source')
    this.ini = path.join(this.directory, 'several.ini')
    const passFile = path.join(this.directory, 'pass')
    fs.mkdirSync(this.source, { recursive: true })
    makeTree(this.source, seeded(5), files)
    fs.writeFileSync(path.join(this.source, 'noise'), randomBytes(3_000_000))
    fs.writeFileSync(passFile, `${passphrase}\n`)
    fs.writeFileSync(
      this.ini,
      `backup_name = n\nhostname = h\n${encrypted ? `encrypt_pass_file = ${passFile}\n` : ''}` +
        `[storage:one]\nstorage = local\ncontainer = ${this.container('one')}\n` +
        `[storage:two]\nstorage = local\ncontainer = ${this.container('two')}\n`,
    )
  }

  container(name: string): string {
    return path.join(this.directory, name)
  }

  change(): void {
    mutateTree(this.source, seeded(100 + this.#changes++), 8)
    fs.writeFileSync(path.join(this.source, `noise-${this.#changes}`), randomBytes(500_000))
  }

  async backUp(...words: string[]): Promise<Result> {
    const result = (await json('backup', this.source, '--config', this.ini, ...words)) as unknown as Result
    this.trees.set(result.time, describeTree(this.source))
    return result
  }

  heal(...words: string[]): Promise<Record<string, unknown>> {
    return json('heal', '--config', this.ini, ...words)
  }

  /** What the containers list, each of which must be sound, and restore what is known of, alone: ids by storage. */
  async expectWhole(restored = 1): Promise<string[][]> {
    const listed: string[][] = []
    for (const name of ['one', 'two']) {
      const repository = await openExisting(this.container(name), passphrase)
      const backups = await listAll(repository)
      await expectSound(repository)
      for (const { time } of backups.filter((one) => this.trees.has(one.time)).slice(-restored)) {
        const back = await treeAt(repository, this.directory, time)
        assert.deepEqual(differences(this.trees.get(time) ?? new Map(), back), [], `${name} ${time}`)
      }
      listed.push(backups.map(({ id }) => id))
    }
    return listed
  }

  /** Storage `two` cannot be reached until what this returns is called. */
  takeAway(): () => void {
    const [two, hidden] = [this.container('two'), this.container('hidden')]
    if (fs.existsSync(two)) fs.renameSync(two, hidden)
    fs.writeFileSync(two, 'no directory')
    return () => {
      fs.rmSync(two)
      if (fs.existsSync(hidden)) fs.renameSync(hidden, two)
    }
  }
}

test('each storage restores every level alone, and what reads takes the first that answers', async () => {
  const place = new Place('alone')
  const first = await place.backUp()
  assert.deepEqual(first.storages, [
    { name: 'one', state: 'done' },
    { name: 'two', state: 'done' },
  ])
  place.change()
  const second = await place.backUp()
  assert.equal(second.level, 1)
  const [one, two] = await place.expectWhole(2)
  assert.deepEqual(one, [first.id, second.id])
  assert.deepEqual(two, one)
  for (const name of ['one', 'two']) {
    const target = path.join(place.directory, `restored-${name}`)
    await json('restore', target, '--config', place.ini, '--storage', name)
    assert.deepEqual(differences(describeTree(place.source), describeTree(target)), [], name)
  }
  fs.renameSync(place.container('one'), `${place.container('one')}-away`)
  const listed = await freezer('list', '--config', place.ini, '--json')
  assert.equal(listed.status, 0)
  assert.match(listed.stderr, /"The storage one is passed over/)
  assert.equal(JSON.parse(listed.stdout).backups.length, 2)
})

test('one that is away: the policy decides, the result names it, a heal brings all of it', async () => {
  const place = new Place('away')
  const { id } = await place.backUp()
  place.change()
  const comeBack = place.takeAway()
  const words = ['backup', place.source, '--config', place.ini, '--json', '--no-progress']
  const all = await freezer(...words)
  assert.equal(all.status, 4, all.stderr)
  assert.match(all.stdout, /Done on 1 of 2 storages alone: two failed/)
  assert.equal((JSON.parse(all.stdout) as Result).storages[1]?.state, 'failed')
  const two = await freezer(...words, '--storage-policy', '2')
  assert.equal(two.status, 4)
  assert.equal(two.stdout.includes('"id"'), false)
  const stopped = (JSON.parse(two.stdout) as Result).storages.map(({ name, state }) => `${name} ${state}`)
  assert.deepEqual(stopped, ['one stopped', 'two failed'])
  const three = await freezer(...words, '--storage-policy', '3')
  assert.equal(three.status, 2)
  place.change()
  const any = await place.backUp('--storage-policy', 'any')
  assert.equal(any.level, 2)
  comeBack()

  place.change()
  const next = await place.backUp()
  assert.equal(next.level, 1, 'it builds on what both have')
  const lagging = await place.expectWhole()
  assert.equal(lagging[0]?.length, 4)
  assert.deepEqual(lagging[1], [id, next.id])
  const dry = await place.heal('--dry-run')
  assert.equal(dry['added'], 2)
  assert.deepEqual((await place.expectWhole(0))[1], [id, next.id])
  assert.equal((await place.heal())['added'], 2)
  const [one, other] = await place.expectWhole(4)
  assert.deepEqual(other, one)
  assert.equal((await place.heal('--read-data'))['repaired'], 0)
})

test('one that is read and lags behind another is named, until it is healed or the other is asked', async () => {
  const place = new Place('lagging', 3, false)
  await place.backUp()
  for (let more = 0; more < 2; more++) {
    place.change()
    await place.backUp('--storage', 'two')
  }
  const newest = [...place.trees.keys()].at(-1)
  const told = new RegExp(`two has 2 backups that one, which is read, lacks; the newest is of ${newest}\\.`)
  const restore = (...words: string[]) => {
    const target = fs.mkdtempSync(path.join(place.directory, 'target-'))
    return freezer('restore', target, '--config', place.ini, '--no-progress', ...words)
  }
  const old = await restore()
  assert.equal(old.status, 0, old.stderr)
  assert.match(old.stderr, told)
  assert.match(old.stderr, /^warn: .*"freezer heal".*--storage two/m)
  const events = (await restore('--json')).stderr.trim().split('\n')
  const warned = events.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn')
  assert.equal(warned.length, 1)
  assert.match(warned[0].message, told)

  const silent = async (...words: string[]) => {
    const ended = await freezer(...words)
    assert.equal(ended.status, 0, ended.stderr)
    assert.doesNotMatch(ended.stderr, /lacks|not compared/)
  }
  await silent('list', '--config', place.ini, '--storage', 'two')
  const comeBack = place.takeAway()
  const away = await freezer('list', '--config', place.ini, '--debug')
  assert.equal(away.status, 0, away.stderr)
  assert.match(away.stderr, /^debug: The storage two was not compared: /m)
  await silent('list', '--config', place.ini)
  comeBack()
  assert.equal((await place.heal())['added'], 2)
  await silent('list', '--config', place.ini, '--debug')
  // What was pruned from the one that is read is not missed there.
  await place.backUp('--no-incremental')
  await silent('prune', '--config', place.ini, '--storage', 'one', '--keep-last', '1')
  const { backups } = (await json('list', '--config', place.ini)) as { backups: Result[] }
  assert.equal(backups.length, 1)
  await silent('list', '--config', place.ini, '--debug')
})

test('a new storage gets everything; bad blocks on each come from the other', async () => {
  const place = new Place('new')
  await place.backUp('--storage', 'one')
  place.change()
  await place.backUp('--storage', 'one')
  assert.equal((await place.heal())['added'], 2)
  assert.deepEqual(...((await place.expectWhole(2)) as [string[], string[]]))
  for (const [at, name] of ['one', 'two'].entries()) {
    const below = path.join(place.container(name), 'segments')
    const data = fs
      .readdirSync(below, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.includes('data.'))
    const file = path.join(below, data.toSorted()[0] ?? '')
    const bytes = fs.readFileSync(file)
    bytes[at === 0 ? 5 : bytes.length - 5]! ^= 1
    fs.writeFileSync(file, bytes)
  }
  assert.equal((await place.heal('--read-data'))['repaired'], 2)
  await place.expectWhole(2)
})

test('a prune that fails on one: it is named, the backup stands, and the others are pruned', async () => {
  const place = new Place('unpruned', 3)
  await place.backUp()
  // Nothing can be noted below a file.
  fs.writeFileSync(path.join(place.container('two'), 'removed'), '')
  const words = ['--config', place.ini, '--json', '--keep-last', '1']
  const backUp = (...more: string[]) =>
    freezer('backup', place.source, '--no-incremental', ...words, '--no-progress', ...more)
  interface Pruned extends Result {
    readonly prune: { readonly removed: number; readonly storages: readonly { readonly failure?: object }[] }
  }
  const all = await backUp()
  assert.notEqual(all.status, 0)
  assert.match(all.stderr, /The storage two failed/)
  const { prune, storages } = JSON.parse(all.stdout) as Pruned
  assert.equal(prune.removed, 1)
  assert.deepEqual(
    prune.storages.map(({ failure }) => failure === undefined),
    [true, false],
  )
  assert.equal(storages[1]?.state, 'failed')
  assert.equal((await backUp('--storage-policy', 'any')).status, 0)
  const pruned = await freezer('prune', ...words)
  assert.equal(pruned.status, all.status)
  assert.match(pruned.stdout, /Done on 1 of 2 storages alone: two failed.*The next prune does there/)
  assert.equal((await freezer('prune', ...words, '--storage-policy', 'any')).status, 0)
  const listed = await place.expectWhole(0)
  assert.deepEqual([listed[0]?.length, listed[1]?.length], [1, 3])
})

/** Runs `freezer` and kills it after `milliseconds`; whether that was before its end. */
async function killed(milliseconds: number, ...words: string[]): Promise<boolean> {
  const child = spawn(process.execPath, [programFile, ...words], { stdio: 'ignore' })
  const ended = new Promise<boolean>((resolve) => child.on('close', (status) => resolve(status === null)))
  await sleep(milliseconds)
  child.kill('SIGKILL')
  return ended
}

test('backups and heals killed at any moment leave each storage sound', async () => {
  const place = new Place('killed')
  await place.backUp()
  const random = seeded(3)
  const kills = { backup: 0, heal: 0 }
  for (let round = 0; round < 6; round++) {
    place.change()
    const started = performance.now()
    await place.backUp('--storage', 'one')
    const usual = performance.now() - started
    if (await killed(usual * (0.3 + 0.7 * random()), 'heal', '--config', place.ini)) kills.heal++
    place.change()
    if (await killed(usual * (0.3 + 0.7 * random()), 'backup', place.source, '--config', place.ini))
      kills.backup++
    await place.expectWhole(1)
  }
  assert.ok(kills.backup > 0 && kills.heal > 0, JSON.stringify(kills))
  // A heal that was killed holds what it was at for two hours; a prune may be told that nobody is there.
  await freezer('prune', '--config', place.ini, '--garbage-after', '0')
  const healed = await place.heal()
  assert.equal(healed['failed'], 0)
  assert.equal(healed['later'], 0)
  await place.backUp()
  const [one, two] = await place.expectWhole(3)
  assert.deepEqual(two, one)
})

describe('mistakes', () => {
  let place: Place
  before(() => {
    place = new Place('mistakes', 3)
  })
  const fails = async (status: number, words: RegExp, ini: string, ...more: string[]) => {
    const file = path.join(place.directory, 'mistake.ini')
    fs.writeFileSync(file, ini)
    const ended = await freezer('backup', place.source, '-N', 'n', '--config', file, ...more)
    assert.equal(ended.status, status, ended.stderr)
    assert.match(ended.stderr, words)
  }

  test('a key that means nothing there, by its line', () =>
    fails(
      2,
      /line 3: the storage local has no option contaner\. Perhaps container/,
      '[storage:a]\nstorage=local\ncontaner=/x',
    ))
  test('a key of another storage', () =>
    fails(
      2,
      /line 4: the storage local has no option ssh_host/,
      '[storage:a]\nstorage=local\ncontainer=/x\nssh_host=h',
    ))
  test('a section that does not say what it is', () =>
    fails(2, /line 1: \[storage:a\] does not say/, '[storage:a]\ncontainer=/x'))
  test('a storage that is not installed', () =>
    fails(12, /nosuch/, '[storage:a]\nstorage=nosuch\ncontainer=/x'))
  test('one without a container', () =>
    fails(2, /container of \[storage:a\] is required/, '[storage:a]\nstorage=local'))
  test('two that are the same place', () =>
    fails(2, /a and b are the same place/, 'container=/x\nstorage=local\n[storage:a]\n[storage:b]\n'))
  test('a command line that speaks to all', () =>
    fails(
      2,
      /--container contradicts container of \[storage:a\]/,
      '[storage:a]\nstorage=local\ncontainer=/x\n[storage:b]\nstorage=local\ncontainer=/y',
      '--container',
      '/z',
    ))
  test('a policy that is none', () =>
    fails(
      2,
      /neither all, any nor a number/,
      `storage=local\n[storage:a]\ncontainer=${scratch.path}/p\n[storage:b]\ncontainer=${scratch.path}/q`,
      '--storage-policy',
      'some',
    ))

  test('two containers with different keys', async () => {
    const other = new Place('other', 3)
    await place.backUp('--storage', 'one')
    await other.backUp('--storage', 'one')
    fs.cpSync(other.container('one'), place.container('two'), { recursive: true })
    const ended = await freezer('backup', place.source, '--config', place.ini)
    assert.equal(ended.status, 5, ended.stderr)
    assert.match(ended.stderr, /storage two holds another container than one/)
  })
})

test('two names of one directory: whatever writes is refused before it does, and what reads still reads', async () => {
  const place = new Place('one-place', 3)
  await place.backUp('--storage', 'one')
  const [one, two] = [place.container('one'), place.container('two')]
  const files = () => new Map([...describeTree(one)].filter(([, { type }]) => type === 'file'))
  const untouched = files()
  fs.symlinkSync(one, two)
  const words = ['--config', place.ini, '--no-progress']
  const writing = [['backup', place.source], ['heal'], ['prune', '--keep-last', '1'], ['key', 'rotate']]
  for (const command of writing) {
    const ended = await freezer(...command, ...words)
    assert.equal(ended.status, 2, `${command}: ${ended.stderr}`)
    assert.match(ended.stderr, /The storages one and two are the same place: one copy, not two\./)
    assert.match(ended.stderr, /Give each a container of its own/)
  }
  // It puts nothing, so it cannot know.
  await json('prune', '--config', place.ini, '--keep-last', '1', '--dry-run')
  assert.deepEqual(differences(untouched, files()), [])
  assert.equal(((await json('list', '--config', place.ini)) as { backups: Result[] }).backups.length, 1)

  // Made by it, the copy is one of its own.
  fs.rmSync(two)
  fs.cpSync(one, two, { recursive: true })
  place.change()
  const next = await place.backUp()
  assert.ok(next.storages.every(({ state }) => state === 'done'))
  assert.equal(next.level, 1)
  const [left, right] = await place.expectWhole(2)
  assert.deepEqual(left, right)
  assert.equal(left?.length, 2)
})

test('an empty directory under two names becomes no container', async () => {
  const place = new Place('empty-place', 3)
  fs.mkdirSync(place.container('one'))
  fs.symlinkSync('.', path.join(place.directory, 'here'))
  const ini = path.join(place.directory, 'names.ini')
  fs.writeFileSync(
    ini,
    `backup_name = n\nstorage = local\n[storage:a]\ncontainer = ${place.container('one')}\n` +
      `[storage:b]\ncontainer = ${place.directory}/here/one\n`,
  )
  const ended = await freezer('backup', place.source, '--config', ini)
  assert.equal(ended.status, 2, ended.stderr)
  assert.match(ended.stderr, /a and b are the same place/)
  const left = fs.readdirSync(place.container('one'), { recursive: true, withFileTypes: true })
  assert.deepEqual(
    left.filter((entry) => entry.isFile()),
    [],
  )
})

test('keys that were changed while one was away: it is left out until it takes them over', async () => {
  const place = new Place('keys', 3)
  await place.backUp()
  const comeBack = place.takeAway()
  const words = ['--config', place.ini]
  const rotated = await freezer('key', 'rotate', ...words)
  assert.equal(rotated.status, 4, rotated.stderr)
  assert.match(rotated.stderr, /two failed.*heal --keys-from one" gives two the keys of one/)
  // Whoever is content with one of them hears as well what opens the other.
  const more = path.join(place.directory, 'more')
  fs.writeFileSync(more, 'another passphrase\n')
  const any = ['key', 'add', ...words, '--storage-policy', 'any', '--new-pass-file', more]
  const added = await freezer(...any)
  assert.equal(added.status, 0, added.stderr)
  assert.match(added.stdout, /heal --keys-from one".*what was added does not open it there/)
  place.change()
  await place.backUp('--storage-policy', 'any')
  comeBack()
  const behind = await freezer('backup', place.source, ...words)
  assert.equal(behind.status, 8, behind.stderr)
  assert.match(behind.stderr, /Its keys are not those of one/)
  await place.expectWhole()
  const healed = await place.heal('--keys-from', 'one')
  assert.ok((healed['added'] as number) >= 1)
  const [one, two] = await place.expectWhole(2)
  assert.deepEqual(two, one)
  assert.deepEqual(
    fs.readdirSync(path.join(place.container('two'), 'keys')).toSorted(),
    fs.readdirSync(path.join(place.container('one'), 'keys')).toSorted(),
  )
  assert.ok((await place.backUp()).storages.every(({ state }) => state === 'done'))
})
