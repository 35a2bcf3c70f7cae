// The program with --storage ssh: backups of several levels, restores, and a backup that is killed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startSshd } from '../../../../test/services/sshd.ts'
import { freezer, json, programFile, scratchDirectory } from '../../../../test/support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
} from '../../../../test/support/tree.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const scratch = scratchDirectory('ssh')
after(() => removeTree(scratch.path))
const passphrase = path.join(scratch.path, 'passphrase')
fs.writeFileSync(passphrase, 'a passphrase\n')

function storage(container: string, username = 'keeper'): string[] {
  return [
    '--storage',
    'ssh',
    '--ssh-host',
    '127.0.0.1',
    '--ssh-port',
    `${server.port}`,
    '--ssh-username',
    username,
    '--ssh-key',
    server.key,
    '--ssh-known-hosts',
    server.knownHosts,
    '--container',
    container,
    '--encrypt-pass-file',
    passphrase,
  ]
}

/** That the newest backup in `options`' container, or that of `date`, is `tree`. */
async function expectTree(
  options: readonly string[],
  tree: ReturnType<typeof describeTree>,
  date?: string,
): Promise<void> {
  const target = fs.mkdtempSync(path.join(scratch.path, 'target-'))
  const when = date === undefined ? [] : ['--restore-from-date', date]
  await json('restore', target, ...options, '--backup-name', 'n', ...when)
  assert.deepEqual(differences(tree, describeTree(target)), [])
  removeTree(target)
}

for (const [username, container] of [
  ['keeper', 'backups'],
  ['jailed', '/upload/backups'],
] as const) {
  test(`levels of a random tree come back from the account ${username}`, async () => {
    const source = path.join(scratch.path, `source-${username}`)
    fs.mkdirSync(source)
    const random = seeded(username.length)
    makeTree(source, random)
    const options = storage(container, username)
    const moments: [time: string, tree: ReturnType<typeof describeTree>][] = []
    for (const level of [0, 1, 2]) {
      const result = await json('backup', source, ...options, '--backup-name', 'n')
      assert.equal(result['level'], level)
      moments.push([String(result['time']), describeTree(source)])
      mutateTree(source, random)
    }
    for (const [time, tree] of moments) await expectTree(options, tree, time)
  })
}

test('killed in the middle of a backup, the container restores, and the next backup works', async () => {
  const source = path.join(scratch.path, 'victim')
  makeTree(source, seeded(7), 40)
  const options = storage('killed')
  const words = ['backup', source, ...options, '--backup-name', 'n', '--max-segment-size', '1M']
  await json(...words)
  const tree = describeTree(source)
  const grown = path.join(source, 'noise')
  let killed = 0
  for (const milliseconds of [300, 500, 800, 1200, 1800]) {
    fs.writeFileSync(grown, Buffer.alloc(24 << 20, Math.random().toString()))
    fs.copyFileSync(process.execPath, `${grown}-${milliseconds}`)
    const child = spawn(process.execPath, [programFile, ...words, '--compression', 'none'], {
      stdio: 'ignore',
    })
    const ended = once(child, 'close')
    await Promise.race([pause(milliseconds), ended])
    child.kill('SIGKILL')
    const [, killedBy] = await ended
    if (killedBy !== 'SIGKILL') continue
    killed++
    await expectTree(options, tree)
  }
  assert.ok(killed >= 2, `${killed} backups were killed`)
  await json(...words)
  await expectTree(options, describeTree(source))
})

test('a failure is one sentence, its own exit status, and nothing to read twice', async () => {
  const words = ['list', ...storage('backups')]
  const strange = words.toSpliced(words.indexOf('--ssh-known-hosts') + 1, 1, '/dev/null')
  const unknown = await freezer(...strange)
  assert.equal(unknown.status, 17)
  assert.match(unknown.stderr, /host key of \[127\.0\.0\.1\]:\d+ is not known/)
  const nowhere = await freezer(...words.toSpliced(words.indexOf('--ssh-port') + 1, 1, '1'), '--retries', '0')
  assert.equal(nowhere.status, 9)
  assert.equal((await freezer('list', ...storage('no/such/container'))).status, 4)
})
