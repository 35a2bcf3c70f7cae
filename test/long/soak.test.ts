// Several processes at once do random things with one container and are killed at random: whatever is listed restores
// to its tree, nothing vanishes but by the rules, and nobody ever has to unlock anything.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type BackupSummary, listBackups, prune, quietContext, type Repository } from '@freezer/sdk'
import { recordCounts } from '../support/counts.ts'
import { filesBelow, scratchDirectory } from '../support/program.ts'
import {
  alwaysKept,
  names,
  openSoakContainer,
  restoreAndCompare,
  type SoakEvent,
} from '../support/soak-worker.ts'
import { removeTree, seeded } from '../support/tree.ts'

const minutes = Number(process.env['FREEZER_SOAK_MINUTES'] ?? 20)
const workers = 4
const program = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'support', 'soak-worker.ts')
const scratch = scratchDirectory('soak')
after(() => removeTree(scratch.path))

/** What all workers did so far; of a line that a kill cut, nothing. */
function events(): SoakEvent[] {
  return fs
    .readdirSync(scratch.path)
    .filter((file) => file.startsWith('log-'))
    .flatMap((file) => fs.readFileSync(path.join(scratch.path, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SoakEvent)
}

async function listed(repository: Repository): Promise<BackupSummary[]> {
  const found = await Array.fromAsync(listBackups(repository, {}, quietContext().signal))
  return found.map((one) => ('failure' in one ? assert.fail(`${one.manifest} is damaged`) : one))
}

async function expectAllRestore(repository: Repository): Promise<number> {
  const all = await listed(repository)
  for (const { name, time } of all) {
    assert.equal(await restoreAndCompare(repository, scratch.path, name, new Date(time)), undefined)
  }
  return all.length
}

/** Nothing that was completed is gone but by the rules of the prunes. */
function expectNothingVanished(done: readonly SoakEvent[], there: readonly BackupSummary[]): void {
  const ids = new Set(there.map(({ id }) => id))
  const made = done.filter((event) => event.did === 'backup')
  const claimed = new Set(done.flatMap((event) => (event.did === 'prune' ? event.removed : [])))
  const begun = done.filter(({ did }) => did === 'pruning').length
  const ended = done.filter(({ did }) => did === 'prune').length
  const touched = new Set(done.flatMap((event) => (event.did === 'unpinning' ? [event.id] : [])))
  const pinned = new Set(done.flatMap((event) => (event.did === 'pin' ? [event.id] : [])))
  for (const name of names) {
    const its = made.filter((event) => event.name === name).toSorted((a, b) => (a.time < b.time ? 1 : -1))
    for (const { id } of its.slice(0, alwaysKept)) assert.ok(ids.has(id), `${id} is gone, one of the newest`)
  }
  for (const id of pinned) {
    if (!touched.has(id)) assert.ok(ids.has(id), `${id} is gone, which was pinned`)
  }
  for (const { id } of made) {
    if (!ids.has(id)) assert.ok(claimed.has(id) || begun > ended, `${id} is gone, and no prune says so`)
  }
}

test('random runs beside each other, and kills', { timeout: (minutes + 30) * 60_000 }, async () => {
  fs.mkdirSync(path.join(scratch.path, 'model'))
  // So that all share one key.
  await openSoakContainer(scratch.path)
  const random = seeded(Date.now())
  let kills = 0
  let seed = Math.floor(random() * 2 ** 30)
  const end = performance.now() + minutes * 60_000

  const drive = async (number: number): Promise<void> => {
    while (performance.now() < end) {
      const child: ChildProcess = spawn(
        process.execPath,
        [program, scratch.path, String(number), String(seed++)],
        { stdio: ['ignore', 'inherit', 'inherit'] },
      )
      const ended = new Promise<NodeJS.Signals | null>((resolve) =>
        child.on('close', (_, signal) => resolve(signal)),
      )
      const alive = 600 + random() ** 2 * 20_000
      await Promise.race([sleep(alive, undefined, { ref: false }), ended])
      child.kill('SIGKILL')
      assert.equal(await ended, 'SIGKILL', 'a worker ended by itself')
      kills++
      const wrong = events().filter((event) => event.did === 'wrong')
      assert.deepEqual(wrong, [])
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, number) => drive(number)))

  const done = events()
  assert.deepEqual(
    done.filter((event) => event.did === 'wrong'),
    [],
  )
  const repository = await openSoakContainer(scratch.path)
  expectNothingVanished(done, await listed(repository))
  const whole = await expectAllRestore(repository)

  // What the kills left goes without anybody's help.
  const context = quietContext()
  await prune({ repository, policy: {}, garbageAfter: 0 }, context)
  await expectAllRestore(repository)
  expectNothingVanished(done, await listed(repository))
  const left = filesBelow(path.join(scratch.path, 'container'))
  assert.deepEqual(
    left.filter((file) => file.startsWith('leases/') || file.endsWith('.planned')),
    [],
  )
  const again = await prune({ repository, policy: {}, garbageAfter: 0 }, context)
  assert.deepEqual([again.freed, again.deadRuns, again.inUse.backups], [0, 0, 0])

  const count = (did: SoakEvent['did']) => done.filter((event) => event.did === did).length
  recordCounts('soak', {
    minutes,
    processes: workers,
    kills,
    backups: count('backup'),
    'restores compared': count('restore'),
    prunes: count('prune'),
    'backups removed by prunes that were not killed': done.reduce(
      (sum, event) => sum + (event.did === 'prune' ? event.removed.length : 0),
      0,
    ),
    'listings and pins': count('list') + count('pin') + count('unpinning'),
    'runs that a prune took for dead': count('failed'),
    'backups at the end, all restored': whole,
  })
})
