// The output of programs as backups, and programs to restore into: whole, or not there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Ended,
  filesBelow,
  freezer,
  json,
  programFile,
  run,
  scratchDirectory,
} from './support/program.ts'
import { content } from './support/streams.ts'

const scratch = scratchDirectory('command')
after(scratch.remove)

let number = 0
const fresh = (): string => path.join(scratch.path, `d${number++}`)

const back = (container: string, command: string, ...more: string[]): Promise<Ended> =>
  freezer('backup', '--mode', 'command', '--command', command, '-N', 'n', '--container', container, ...more)

const from = (container: string) => ['-N', 'n', '--container', container]

/** Manifests of a container. */
const backups = (container: string): number =>
  fs.existsSync(container) ? filesBelow(container).filter((file) => file.startsWith('manifests')).length : 0

async function waitFor(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 20) {
    if (holds()) return
    await sleep(20)
  }
  assert.fail(`waited in vain for ${what}`)
}

const isAlive = (pid: number): boolean => {
  try {
    // A process that ended and was not waited for is no more.
    return !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

test('what tar writes comes back as a file, into a program, and by standard tools', async () => {
  const [container, out] = [fresh(), fresh()]
  const tree = path.join(import.meta.dirname, 'support')
  const stored = await json(
    'backup',
    '--mode',
    'command',
    '--command',
    `tar -cf - -C '${tree}' .`,
    '--stream-name',
    'support.tar',
    ...from(container),
  )
  assert.deepEqual(stored['backups'] === undefined ? [stored['level'], stored['engine']] : [0, 'stream'], [
    0,
    'stream',
  ])
  const file = `${out}.tar`
  assert.equal((await freezer('restore', file, ...from(container))).status, 0)
  assert.equal(fs.statSync(file).mode & 0o777, 0o600)
  const compared = await run('tar', ['-df', file, '-C', tree])
  assert.equal(compared.status, 0, compared.stderr)

  fs.mkdirSync(out)
  const piped = await freezer('restore', ...from(container), '--restore-command', `tar -xf - -C ${out}`)
  assert.equal(piped.status, 0, piped.stderr)
  assert.deepEqual(filesBelow(out), filesBelow(tree))

  const line = `cat ${container}/segments/*/data.* | zstd -d -q | cmp - ${file}`
  const tools = await run('/bin/bash', ['-o', 'pipefail', '-c', line])
  assert.equal(tools.status, 0, tools.stdout + tools.stderr)

  const cat = await run('/bin/bash', [
    '-o',
    'pipefail',
    '-c',
    `${process.execPath} ${programFile} cat latest support.tar ${from(container).join(' ')} | cmp - ${file}`,
  ])
  assert.equal(cat.status, 0, cat.stdout + cat.stderr)
  for (const words of [
    ['ls', 'latest'],
    ['find', '*.tar'],
    ['check', '--read-data'],
    ['verify', file],
  ]) {
    const [verb = '', ...rest] = words
    const options = verb === 'check' ? ['--container', container] : from(container)
    const ended = await freezer(verb, ...rest, ...options)
    assert.equal(ended.status, 0, `${verb}: ${ended.stderr}`)
    if (verb === 'ls' || verb === 'find') assert.match(ended.stdout, /support\.tar/)
  }
  fs.appendFileSync(file, 'x')
  assert.equal((await freezer('verify', file, ...from(container))).status, 16)
  assert.equal((await freezer('verify', `${file}.none`, ...from(container))).status, 16)
  const dump = await run('/bin/bash', [
    '-o',
    'pipefail',
    '-c',
    `${process.execPath} ${programFile} dump latest ${from(container).join(' ')} | tar -t`,
  ])
  assert.deepEqual([dump.status, dump.stdout], [0, 'support.tar\n'], dump.stderr)
})

test('levels are no matter, and the ini file says it all', async () => {
  const container = fresh()
  const ini = `${container}.ini`
  fs.writeFileSync(
    ini,
    `[default]\nmode = command\ncommand = sh -c 'printf "%s|" "a b" c'\nstream_name = out\nbackup_name = n\ncontainer = ${container}\nmax_level = 3\n`,
  )
  for (let at = 0; at < 3; at++) assert.equal((await json('backup', '--config', ini))['failure'], undefined)
  const list = await json('list', '--container', container)
  assert.deepEqual(
    (list['backups'] as { level: number }[]).map(({ level }) => level),
    [0, 0, 0],
  )
  const read = await freezer('cat', 'latest', 'out', ...from(container))
  assert.equal(read.stdout, 'a b|c|')
})

test('a program that fails, is killed, or is not there leaves no backup', async () => {
  const file = `${fresh()}.bin`
  fs.writeFileSync(file, content(3_000_000))
  const container = fresh()
  assert.equal((await back(container, `cat ${file}`)).status, 0)
  const cases: [string, RegExp][] = [
    [`sh -c 'cat ${file}; echo too bad >&2; exit 1'`, /"sh" ended with status 1 and said "too bad"/],
    [`sh -c 'cat ${file}; kill -9 $$'`, /was ended by SIGKILL/],
    [`sh -c 'head -c 1000000 ${file}; kill -9 $$'`, /was ended by SIGKILL/],
    [`sh -c 'exit 7'`, /status 7/],
    ['no-such-program-at-all', /cannot be started: it is not there/],
    [file, /cannot be started: EACCES/],
  ]
  for (const [command, message] of cases) {
    const ended = await back(container, command)
    assert.equal(ended.status, 13, ended.stderr)
    assert.match(ended.stderr, message)
    assert.equal(backups(container), 1)
  }
  const usage: [string, string[]][] = [
    ['', []],
    [`cat '${file}`, []],
    [`cat ${file} | gzip`, []],
    ['true', ['--stream-name', 'a/b']],
    ['true', ['--command-success', 'no']],
    ['true', ['--engine', 'tar']],
  ]
  for (const [command, more] of usage) {
    const untouched = fresh()
    const ended = await back(untouched, command, ...more)
    assert.equal(ended.status, 2, `${command} ${more}: ${ended.stderr}`)
    assert.equal(fs.existsSync(untouched), false)
  }
  assert.equal(
    (await freezer('backup', '/etc/hosts', '--mode', 'command', '--command', 'true', ...from(container)))
      .status,
    2,
  )
  assert.equal((await freezer('backup', ...from(container))).status, 2)
  assert.equal((await freezer('backup', file, '--engine', 'stream', ...from(container))).status, 2)
})

test('other exit statuses can mean success, and the environment of Freezer stays with it', async () => {
  const container = fresh()
  const odd = ['--command-success', '0', '--command-success', '3']
  assert.equal((await back(container, `sh -c 'echo x; exit 3'`, ...odd)).status, 0)
  const directory = ['--command-directory', scratch.path, '--stream-name', 'out']
  process.env['FREEZER_WEBHOOK_TOKEN'] = 'a-token'
  process.env['OF_THE_PROGRAM'] = 'seen'
  try {
    assert.equal((await back(container, `sh -c 'pwd; env'`, ...directory)).status, 0)
  } finally {
    delete process.env['FREEZER_WEBHOOK_TOKEN']
    delete process.env['OF_THE_PROGRAM']
  }
  const { stdout } = await freezer('cat', 'latest', 'out', ...from(container))
  assert.equal(stdout.split('\n', 1)[0], scratch.path)
  assert.match(stdout, /^OF_THE_PROGRAM=seen$/m)
  assert.doesNotMatch(stdout, /a-token/)
})

test('what takes too long is ended, with all that it started', async () => {
  const container = fresh()
  const pids = `${container}.pids`
  const command = `sh -c 'trap "" TERM; sleep 300 & echo $! $$ > ${pids}; echo begun; wait'`
  const ended = await back(container, command, '--command-timeout', '1s')
  assert.equal(ended.status, 13, ended.stderr)
  assert.match(ended.stderr, /took longer than 1 s/)
  assert.equal(backups(container), 0)
  for (const pid of fs.readFileSync(pids, 'utf8').trim().split(' ')) assert.equal(isAlive(Number(pid)), false)
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`${signal} while it runs leaves no backup and no program`, async () => {
    const container = fresh()
    const file = `${container}.pid`
    // It writes for ever: an end of the pipe ends it.
    const command = `sh -c 'echo $$ > ${file}; exec cat /dev/urandom'`
    const child = spawn(
      process.execPath,
      [programFile, 'backup', '--mode', 'command', '--command', command, ...from(container)],
      { stdio: 'ignore' },
    )
    await waitFor(
      'stored data',
      () => fs.existsSync(container) && filesBelow(container).some((one) => one.includes('/data.')),
    )
    const pid = Number(fs.readFileSync(file, 'utf8'))
    assert.equal(isAlive(pid), true)
    const ended = new Promise<number | null>((resolve) => child.on('exit', (status) => resolve(status)))
    child.kill(signal)
    assert.equal(await ended, signal === 'SIGTERM' ? 130 : null)
    await waitFor('the end of the program', () => !isAlive(pid))
    assert.equal(backups(container), 0)
    assert.equal((await back(container, 'echo next', '--stream-name', 'out')).status, 0)
    assert.equal((await freezer('cat', 'latest', 'out', ...from(container))).stdout, 'next\n')
  })
}

test('a restore never overwrites unasked, and has its name only when it is whole', async () => {
  const container = fresh()
  const bytes = content(2_500_000)
  const source = `${container}.bin`
  fs.writeFileSync(source, bytes)
  await back(container, `cat ${source}`, '--stream-name', 'data', '--max-segment-size', '64K')
  const directory = fresh()
  fs.mkdirSync(directory)
  const file = path.join(directory, 'out')
  fs.writeFileSync(file, 'old')
  assert.equal((await freezer('restore', file, ...from(container))).status, 5)
  assert.equal(fs.readFileSync(file, 'utf8'), 'old')
  assert.equal((await freezer('restore', file, ...from(container), '--overwrite', '--dry-run')).status, 0)
  assert.equal(fs.readFileSync(file, 'utf8'), 'old')
  const result = await json('restore', file, ...from(container), '--overwrite')
  assert.deepEqual([result['replaced'], result['created']], [1, 0])
  assert.ok(fs.readFileSync(file).equals(bytes))
  // A directory gets a file of the name in the backup.
  assert.equal((await freezer('restore', directory, ...from(container))).status, 0)
  assert.deepEqual(fs.readdirSync(directory).sort(), ['data', 'out'])
  assert.equal((await freezer('restore', ...from(container))).status, 2)
  assert.equal(
    (await freezer('restore', `${file}2`, ...from(container), '--restore-command', 'cat')).status,
    2,
  )
  assert.equal(
    (await freezer('restore', `${file}2`, ...from(container), '--delete', '--overwrite')).status,
    2,
  )

  const segments = filesBelow(container).filter((one) => one.includes('/data.'))
  const damaged = path.join(container, segments[segments.length - 1] ?? '')
  const stored = fs.readFileSync(damaged)
  stored[stored.length >> 1] = (stored[stored.length >> 1] ?? 0) ^ 1
  fs.writeFileSync(damaged, stored)
  fs.writeFileSync(file, 'old')
  assert.equal((await freezer('restore', file, ...from(container), '--overwrite')).status, 6)
  assert.equal(fs.readFileSync(file, 'utf8'), 'old')
  assert.deepEqual(fs.readdirSync(directory).sort(), ['data', 'out'])

  // A program is killed rather than told that this was all.
  const [seen, pid] = [path.join(directory, 'seen'), path.join(directory, 'pid')]
  const command = `sh -c 'echo $$ > ${pid}; cat > /dev/null; echo end > ${seen}'`
  const piped = await freezer('restore', ...from(container), '--restore-command', command)
  assert.equal(piped.status, 6, piped.stderr)
  assert.equal(fs.existsSync(seen), false)
  assert.equal(isAlive(Number(fs.readFileSync(pid, 'utf8'))), false)
})

test('a program that fails to restore is told of', async () => {
  const container = fresh()
  const source = `${container}.bin`
  fs.writeFileSync(source, content(3_000_000))
  await back(container, `cat ${source}`)
  const into = (command: string, ...more: string[]) =>
    freezer('restore', ...from(container), '--restore-command', command, ...more)
  const failing = await into(`sh -c 'cat > /dev/null; echo no such table >&2; exit 4'`)
  assert.equal(failing.status, 3)
  assert.match(failing.stderr, /status 4 and said "no such table"/)
  const early = await into('head -c 10000')
  assert.equal(early.status, 3)
  assert.match(early.stderr, /"head" did not read all of the stream/)
  const killed = await into(`sh -c 'head -c 10000 > /dev/null; kill -9 $$'`)
  assert.match(killed.stderr, /was ended by SIGKILL/)
  assert.equal((await into('no-such-program-at-all')).status, 3)
  const slow = await into('sleep 100', '--command-timeout', '1s')
  assert.match(slow.stderr, /took longer than 1 s/)
})

test('memory stays bounded, however much a program writes', async () => {
  const container = fresh()
  // The parent of the program is Freezer.
  const command = `sh -c 'head -c 536870912 /dev/zero; grep VmHWM /proc/$PPID/status >&2'`
  const ended = await back(container, command)
  assert.equal(ended.status, 0, ended.stderr)
  const kibibytes = Number(/VmHWM:.*?(\d+) kB/.exec(ended.stderr)?.[1])
  assert.ok(kibibytes > 0 && kibibytes < 400_000, `${kibibytes} KiB`)
})
