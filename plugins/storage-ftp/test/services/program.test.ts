// The program with --storage ftp and ftps: backups of several levels, restores, and a backup that is killed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { password, startFtpd } from '../../../../test/services/ftpd.ts'
import { freezer, json, programFile, scratchDirectory } from '../../../../test/support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
} from '../../../../test/support/tree.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const scratch = scratchDirectory('ftp')
after(() => removeTree(scratch.path))
const passphrase = path.join(scratch.path, 'passphrase')
fs.writeFileSync(passphrase, 'a passphrase\n')
const passwordFile = path.join(scratch.path, 'password')
fs.writeFileSync(passwordFile, `${password}\n`)

type Security = 'plain' | 'explicit' | 'implicit'

function storage(security: Security, container: string): string[] {
  const port = { plain: server.port, explicit: server.explicitPort, implicit: server.implicitPort }[security]
  const account = ['--ftp-host', '127.0.0.1', '--ftp-port', `${port}`, '--ftp-username', 'keeper']
  const secrets = ['--ftp-password-file', passwordFile, '--encrypt-pass-file', passphrase]
  const tls = security === 'plain' ? [] : ['--ftp-cacert', server.ca]
  const implicit = security === 'implicit' ? ['--ftp-implicit'] : []
  const name = security === 'plain' ? 'ftp' : 'ftps'
  return ['--storage', name, ...account, ...secrets, ...tls, ...implicit, '--container', container]
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

for (const security of ['plain', 'explicit', 'implicit'] satisfies Security[]) {
  test(`levels of a random tree come back, TLS ${security}`, async () => {
    const source = path.join(scratch.path, `source-${security}`)
    fs.mkdirSync(source)
    const random = seeded(security.length)
    makeTree(source, random)
    const options = storage(security, `backups-${security}`)
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
  const options = storage('explicit', 'killed')
  const words = ['backup', source, ...options, '--backup-name', 'n', '--max-segment-size', '1M']
  await json(...words)
  const tree = describeTree(source)
  let killed = 0
  for (const milliseconds of [600, 900, 1300]) {
    fs.copyFileSync(process.execPath, path.join(source, `grown-${milliseconds}`))
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
  assert.ok(killed >= 1, `${killed} backups were killed`)
  await json(...words)
  await expectTree(options, describeTree(source))
})

test('a failure is one sentence, its own exit status, and no secret', async () => {
  const words = ['list', ...storage('explicit', 'backups-explicit')]
  const strange = words.toSpliced(words.indexOf('--ftp-cacert') + 1, 1, server.strangersCa)
  const untrusted = await freezer(...strange)
  assert.equal(untrusted.status, 17)
  assert.match(untrusted.stderr, /certificate of 127\.0\.0\.1 port \d+ is not to be trusted/)
  const nowhere = await freezer(...words.toSpliced(words.indexOf('--ftp-port') + 1, 1, '1'), '--retries', '0')
  assert.equal(nowhere.status, 9)
  assert.equal((await freezer('list', ...storage('plain', 'no/such/container'))).status, 4)
  const stranger = await freezer(...words.toSpliced(words.indexOf('--ftp-username') + 1, 1, 'stranger'))
  assert.equal(stranger.status, 10)
  for (const { stderr } of [untrusted, nowhere, stranger]) assert.ok(!stderr.includes(password))
})
