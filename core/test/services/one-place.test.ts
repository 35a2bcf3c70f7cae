// One place on a real server under two names, and two places on one server.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { startSshd } from '../../../test/services/sshd.ts'
import { keeper, startSwift } from '../../../test/services/swift.ts'
import { freezer, json, scratchDirectory } from '../../../test/support/program.ts'
import { removeTree } from '../../../test/support/tree.ts'

const scratch = scratchDirectory('one-place')
after(() => removeTree(scratch.path))
const tree = path.join(scratch.path, 'tree')
fs.mkdirSync(tree)
fs.writeFileSync(path.join(tree, 'file'), 'content\n')

type Storages = Readonly<Record<string, readonly string[]>>

/** The words of a backup to storages, each with the lines of its section. */
function backupTo(storages: Storages): string[] {
  const sections = Object.entries(storages).map(([name, lines]) =>
    [`[storage:${name}]`, ...lines, ''].join('\n'),
  )
  const file = path.join(scratch.path, `${Object.keys(storages).join('-')}.ini`)
  fs.writeFileSync(file, `backup_name = n\n${sections.join('')}`, { mode: 0o600 })
  return ['backup', tree, '--config', file]
}

async function expectRefused(storages: Storages): Promise<void> {
  const { status, stderr } = await freezer(...backupTo(storages))
  assert.equal(status, 2, stderr)
  assert.match(stderr, new RegExp(`storages ${Object.keys(storages).join(' and ')} are the same place`))
}

async function expectTaken(storages: Storages): Promise<void> {
  const { storages: states } = (await json(...backupTo(storages))) as { storages: { state: string }[] }
  assert.deepEqual(
    states.map(({ state }) => state),
    ['done', 'done'],
  )
}

test('a directory under two names of an ssh server, by a link, and of this machine', async () => {
  await using server = await startSshd()
  const knownHosts = path.join(scratch.path, 'known_hosts')
  const known = fs.readFileSync(server.knownHosts, 'utf8')
  fs.writeFileSync(knownHosts, known + known.replaceAll('[127.0.0.1]', '[localhost]'))
  const ssh = (host: string, container: string) => [
    'storage = ssh',
    `ssh_host = ${host}`,
    `ssh_port = ${server.port}`,
    'ssh_username = keeper',
    `ssh_key = ${server.key}`,
    `ssh_known_hosts = ${knownHosts}`,
    `container = ${container}`,
  ]
  const address = ssh('127.0.0.1', 'backups')
  await expectRefused({ address, name: ssh('localhost', 'backups') })
  await expectTaken({ address, apart: ssh('localhost', 'others') })
  await expectRefused({ address, name: ssh('localhost', 'backups') })
  fs.symlinkSync('backups', path.join(server.home, 'link'))
  await expectRefused({ address, link: ssh('127.0.0.1', 'link') })
  // Of another run of the account: so the directory of leases is not that of who runs the test.
  const leases = path.join(server.home, 'backups', 'leases')
  fs.mkdirSync(leases, { recursive: true })
  fs.writeFileSync(path.join(leases, 'a'.repeat(32)), '{}')
  const { uid, gid } = fs.statSync(server.home)
  for (const one of [leases, path.join(leases, 'a'.repeat(32))]) fs.chownSync(one, uid, gid)
  await expectRefused({ address, here: ['storage = local', `container = ${server.home}/backups`] })
})

test('a container of Swift at two endpoints, and by its other interface', async () => {
  await using server = await startSwift({ s3: true })
  const swift = (url: string, container: string) => [
    'storage = swift',
    `os_auth_url = ${url}`,
    `os_username = ${keeper.user}`,
    `os_password = ${keeper.key}`,
    `container = ${container}`,
  ]
  const elsewhere = server.authUrl.replace('127.0.0.1', 'localhost')
  const first = swift(server.authUrl, 'backups/a')
  await expectRefused({ first, second: swift(elsewhere, 'backups/a') })
  await expectTaken({ first, beside: swift(elsewhere, 'backups/b') })
  await expectRefused({ first, second: swift(elsewhere, 'backups/a') })
  process.env['AWS_ACCESS_KEY_ID'] = keeper.user
  process.env['AWS_SECRET_ACCESS_KEY'] = keeper.key
  const s3 = ['storage = s3', `endpoint = ${new URL(server.authUrl).origin}`, 'container = backups/a']
  await expectRefused({ first, s3 })
})
