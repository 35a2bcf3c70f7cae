import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, beforeEach, suite, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { failureTable, spell } from '@freezer/sdk'
import { commands } from '../src/commands/index.ts'
import { hookOptions } from '../src/options.ts'
import { freezer, scratchDirectory, startFreezer } from './support.ts'

const scratch = scratchDirectory()
const tree = join(scratch, 'tree')
const container = join(scratch, 'container')
const passphraseFile = join(scratch, 'pass phrase')
const told = join(scratch, 'told')
const target = ['--container', container, '-N', 'tree', '--encrypt-pass-file', passphraseFile]
mkdirSync(tree)
writeFileSync(join(tree, 'file'), 'content\n')
writeFileSync(passphraseFile, 'correct-horse-battery\n')

// Writes down what it is told, and ends as it is asked to.
const script = join(scratch, 'hook.mjs')
writeFileSync(
  script,
  `import fs from 'node:fs'
const [, , file, status = '0', words = ''] = process.argv
const input = fs.readFileSync(0, 'utf8')
const environment = Object.fromEntries(Object.entries(process.env).filter(([key]) => key.startsWith('FREEZER_')))
fs.appendFileSync(file, JSON.stringify({ at: process.hrtime.bigint().toString(), environment, input: JSON.parse(input) }) + '\\n')
console.log('said ' + words)
console.error('complained ' + words)
process.exit(Number(status))
`,
)
const hook = (status = 0, words = '') => `${process.execPath} '${script}' ${told} ${status} '${words}'`

interface Told {
  readonly environment: Record<string, string>
  readonly input: Record<string, unknown> & { failure?: { code: string }; result?: { id?: string } }
}

/** What the hooks wrote down, in order. */
const calls = (): Told[] =>
  existsSync(told)
    ? readFileSync(told, 'utf8')
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Told)
    : []
const names = () => calls().map(({ environment }) => environment.FREEZER_HOOK)
const all = (a = 0, b = 0, c = 0) => ['--before', hook(a), '--after', hook(b), '--on-failure', hook(c)]

/** Whether a process is there and no zombie, which one is until its new parent takes note. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const backups = async () =>
  JSON.parse((await freezer(['list', ...target, '--json'])).stdout).backups.length as number

before(async () => {
  assert.equal((await freezer(['backup', tree, ...target])).status, 0)
})
beforeEach(() => writeFileSync(told, ''))

suite('hooks', () => {
  test('of a success are told what was done', async () => {
    const { status, stdout, stderr } = await freezer(['backup', tree, ...target, ...all(), '--json'])
    assert.equal(status, 0, stderr)
    const result = JSON.parse(stdout)
    const [first, last, ...more] = calls()
    assert.deepEqual(more, [])
    assert.deepEqual(names(), ['before', 'after'])
    assert.equal(first?.environment.FREEZER_RUN_COMMAND, 'backup')
    assert.equal(first?.environment.FREEZER_RUN_NAME, 'tree')
    assert.equal(first?.environment.FREEZER_OUTCOME, undefined)
    assert.equal(first?.input.name, 'tree')
    assert.equal(last?.environment.FREEZER_OUTCOME, 'success')
    assert.equal(last?.environment.FREEZER_EXIT_STATUS, '0')
    assert.equal(last?.environment.FREEZER_BACKUP_ID, result.id)
    assert.equal(last?.environment.FREEZER_BACKUP_LEVEL, String(result.level))
    assert.equal(last?.input.outcome, 'success')
    assert.equal(last?.input.result?.id, result.id)
    assert.equal(last?.input.run, first?.input.run)
    assert.equal(last?.environment.FREEZER_RUN_ID, first?.input.run)
    // What they print is in the log, never in the result.
    assert.match(stderr, /"message":"after: complained "/)
    assert.ok(!JSON.stringify(calls()).includes('correct-horse'))
  })

  test('of a failure: after, then on-failure; both know why', async () => {
    const missing = join(scratch, 'missing')
    const { status } = await freezer(['backup', missing, ...target, ...all()])
    assert.equal(status, failureTable['not-found'].exit)
    assert.deepEqual(names(), ['before', 'after', 'on-failure'])
    for (const { environment, input } of calls().slice(1)) {
      assert.equal(environment.FREEZER_OUTCOME, 'failure')
      assert.equal(environment.FREEZER_EXIT_STATUS, String(failureTable['not-found'].exit))
      assert.equal(environment.FREEZER_FAILURE, 'not-found')
      assert.match(environment.FREEZER_FAILURE_MESSAGE ?? '', /missing/)
      assert.equal(environment.FREEZER_BACKUP_ID, undefined)
      assert.equal(input.failure?.code, 'not-found')
    }
  })

  test('before that fails: nothing is done, and the others run', async () => {
    const there = await backups()
    const { status, stderr, stdout } = await freezer(['backup', tree, ...target, ...all(7)])
    assert.equal(status, failureTable.hook.exit)
    assert.equal(stdout, '')
    assert.match(stderr, /^freezer: The before command \S+ ended with 7\. Run it by itself, .+$/m)
    assert.deepEqual(names(), ['before', 'after', 'on-failure'])
    assert.equal(calls().at(-1)?.environment.FREEZER_FAILURE, 'hook')
    assert.equal(await backups(), there)
  })

  test('before that cannot be run, or is killed, is one that fails', async () => {
    const there = await backups()
    const absent = await freezer([
      'backup',
      tree,
      ...target,
      '--before',
      '/no/such/program',
      '--after',
      hook(),
    ])
    assert.equal(absent.status, failureTable.hook.exit)
    assert.match(
      absent.stderr,
      /before command \/no\/such\/program cannot be run \(ENOENT\)\. Give the whole path/,
    )
    assert.deepEqual(names(), ['after'])
    const killed = await freezer(['backup', tree, ...target, '--before', `sh -c 'kill -9 $$'`])
    assert.match(killed.stderr, /before command sh was ended by SIGKILL/)
    assert.equal(await backups(), there)
  })

  test('after that fails fails the run, though the backup stands, and on-failure hears of it', async () => {
    const there = await backups()
    const { status, stdout, stderr } = await freezer(['backup', tree, ...target, ...all(0, 3)])
    assert.equal(status, failureTable.hook.exit)
    assert.match(stdout, /^Backed up: /m)
    assert.match(stderr, /The after command \S+ ended with 3/)
    assert.deepEqual(names(), ['before', 'after', 'on-failure'])
    assert.equal(calls().at(-1)?.environment.FREEZER_FAILURE, 'hook')
    assert.notEqual(calls().at(-1)?.environment.FREEZER_BACKUP_ID, undefined)
    assert.equal(await backups(), there + 1)
  })

  test('a run that failed keeps its own failure when a hook fails too', async () => {
    const { status, stderr } = await freezer(['backup', join(scratch, 'missing'), ...target, ...all(0, 3, 4)])
    assert.equal(status, failureTable['not-found'].exit)
    assert.match(stderr, /^warn: The after command \S+ ended with 3\./m)
    assert.match(stderr, /^warn: The on-failure command \S+ ended with 4\./m)
  })

  test('an exit status that is not 0 calls on-failure, also after a run that did its work', async () => {
    const destination = join(scratch, 'restored')
    assert.equal((await freezer(['restore', destination, ...target])).status, 0)
    writeFileSync(join(destination, 'file'), 'other\n')
    const { status } = await freezer(['verify', destination, ...target, ...all()])
    assert.equal(status, failureTable.different.exit)
    assert.deepEqual(names(), ['before', 'after', 'on-failure'])
    assert.equal(calls().at(-1)?.environment.FREEZER_FAILURE, 'different')
  })

  test('one that hangs is ended with all that it started', async () => {
    const pid = join(scratch, 'pid')
    const hangs = `sh -c 'trap "" TERM; sleep 300 & echo $! > ${pid}; wait; sleep 300'`
    const started = Date.now()
    const { status, stderr } = await freezer([
      'backup',
      tree,
      ...target,
      '--before',
      hangs,
      '--hook-timeout',
      '1s',
      '--after',
      hook(),
    ])
    assert.equal(status, failureTable.hook.exit)
    assert.match(stderr, /before command took longer than 1 seconds\. Give it more time with --hook-timeout/)
    assert.ok(Date.now() - started < 20_000)
    assert.deepEqual(names(), ['after'])
    assert.ok(!runs(Number(readFileSync(pid, 'utf8'))))
  })

  test('one that leaves something running does not hold the run, nor is that ended', async () => {
    const pid = join(scratch, 'left')
    const { status } = await freezer([
      'backup',
      tree,
      ...target,
      '--after',
      `sh -c 'sleep 60 & echo $! > ${pid}'`,
    ])
    assert.equal(status, 0)
    const left = Number(readFileSync(pid, 'utf8'))
    process.kill(left, 0)
    process.kill(left, 'SIGKILL')
  })

  test('a signal while before runs: it is ended, after runs, nothing was done', async () => {
    const there = await backups()
    const ready = join(scratch, 'ready')
    const { child, ended } = startFreezer([
      'backup',
      tree,
      ...target,
      '--before',
      `sh -c 'touch ${ready}; sleep 300'`,
      '--after',
      hook(),
      '--on-failure',
      hook(),
    ])
    while (!existsSync(ready)) await wait(20)
    child.kill('SIGTERM')
    assert.equal((await ended).status, 130)
    assert.deepEqual(names(), ['after', 'on-failure'])
    assert.equal(calls()[0]?.environment.FREEZER_FAILURE, 'interrupted')
    assert.equal(await backups(), there)
  })

  test('a signal while the work goes on: after runs', async () => {
    const large = join(scratch, 'large')
    mkdirSync(large, { recursive: true })
    writeFileSync(join(large, 'noise'), randomBytes(4 << 20))
    const ready = join(scratch, 'begun')
    const { child, ended } = startFreezer([
      'backup',
      large,
      '--container',
      container,
      '-N',
      'large',
      '--encrypt-pass-file',
      passphraseFile,
      '--upload-limit',
      '64K',
      '--before',
      `touch ${ready}`,
      '--after',
      hook(),
      '--on-failure',
      hook(),
    ])
    while (!existsSync(ready)) await wait(20)
    await wait(500)
    child.kill('SIGINT')
    assert.equal((await ended).status, 130)
    assert.deepEqual(names(), ['after', 'on-failure'])
    assert.equal(calls()[0]?.environment.FREEZER_EXIT_STATUS, '130')
  })

  test('a signal while after runs lets it end; a second one ends all at once', async () => {
    for (const [signals, status] of [
      [1, 0],
      [2, 143],
    ] as const) {
      const ready = join(scratch, `after-${signals}`)
      const done = join(scratch, `done-${signals}`)
      const { child, ended } = startFreezer([
        'backup',
        tree,
        ...target,
        '--after',
        `sh -c 'touch ${ready}; sleep 1; touch ${done}'`,
      ])
      while (!existsSync(ready)) await wait(20)
      for (let sent = 0; sent < signals; sent++) {
        child.kill('SIGTERM')
        await wait(100)
      }
      assert.equal((await ended).status, status)
      await wait(1200)
      assert.equal(existsSync(done), signals === 1)
    }
  })

  test('a dry run runs none', async () => {
    const { status } = await freezer(['backup', tree, ...target, ...all(), '--dry-run'])
    assert.equal(status, 0)
    assert.deepEqual(calls(), [])
  })

  test('a run within a hook has none of its own', async () => {
    const ini = join(scratch, 'again.ini')
    const inner = `${process.execPath} '${join(import.meta.dirname, '..', 'bin', 'freezer.js')}' check --config ${ini}`
    writeFileSync(
      ini,
      `container = ${container}\nencrypt_pass_file = ${passphraseFile}\nafter = ${inner}\nbefore = ${hook()}\n`,
    )
    const { status, stderr } = await freezer(['backup', tree, '-N', 'tree', '--config', ini])
    assert.equal(status, 0, stderr)
    assert.deepEqual(names(), ['before'])
    const other = await freezer(['backup', tree, ...target], {
      FREEZER_AFTER: `sh -c 'env > ${join(scratch, 'env')}'`,
      FREEZER_CONTAINER: container,
    })
    assert.equal(other.status, 0, other.stderr)
    const environment = readFileSync(join(scratch, 'env'), 'utf8')
    assert.match(environment, /^FREEZER_CONTAINER=/m)
    assert.doesNotMatch(environment, /^FREEZER_AFTER=/m)
  })

  test('a command that is none is refused before anything is done', async () => {
    const there = await backups()
    for (const bad of [`echo 'x`, 'a | b', 'a && b', '']) {
      const { status, stderr } = await freezer([
        'backup',
        tree,
        ...target,
        '--after',
        bad,
        '--before',
        hook(),
      ])
      assert.equal(status, 2, bad)
      assert.match(stderr, /^freezer: --after: /)
    }
    assert.deepEqual(calls(), [])
    assert.equal(await backups(), there)
  })

  test('every command that works on data has them; their names are those of no option', async () => {
    const hooked = Object.entries(commands).filter(([, { spec }]) => spec.hooked === true)
    assert.deepEqual(hooked.map(([name]) => name).sort(), [
      'backup',
      'check',
      'copy',
      'heal',
      'prune',
      'restore',
      'verify',
    ])
    await freezer(['backup', join(scratch, 'missing'), ...target, ...all()])
    await freezer([
      'prune',
      '--container',
      container,
      '--encrypt-pass-file',
      passphraseFile,
      ...all(),
      '-N',
      'tree',
    ])
    assert.deepEqual(names(), ['before', 'after', 'on-failure', 'before', 'after'])
    assert.equal(calls().at(-1)?.environment.FREEZER_RUN_COMMAND, 'prune')
    const variables = new Set(calls().flatMap(({ environment }) => Object.keys(environment)))
    const declared = Object.values(commands).flatMap(({ spec }) =>
      Object.keys({ ...spec.selectors, ...spec.options, ...hookOptions }),
    )
    for (const name of declared) assert.ok(!variables.has(`FREEZER_${spell(name, '_').toUpperCase()}`), name)
  })
})
