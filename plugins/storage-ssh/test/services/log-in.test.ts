// Everything that can be wrong with where, who and how: one clear sentence each, a fitting code, no secret.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isFailure } from '@freezer/sdk'
import { freePort } from '../../../../test/services/service.ts'
import { makeKey, passphrase, password, startSshd } from '../../../../test/services/sshd.ts'
import { keeper, open } from './support.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const values = keeper(server, 'container')
const { sshKey: _, ...keyless } = values
const secrets = [password, passphrase, 'a wrong secret']
let files = 0

function file(text: string): string {
  const path = join(server.directory, `file${files++}`)
  writeFileSync(path, text)
  return path
}

/** That the storage opens, and works. */
async function works(given: Record<string, unknown>): Promise<void> {
  const storage = await open(given)
  await storage.put('k', [Buffer.from('x')], new AbortController().signal)
  await storage.close?.()
}

async function fails(
  given: Record<string, unknown>,
  code: string,
  message: RegExp,
  create = true,
): Promise<void> {
  const error: unknown = await open(given, create).then(
    async (storage) => storage.close?.(),
    (reason: unknown) => reason,
  )
  assert.ok(isFailure(error), `no failure, but ${String(error)}`)
  assert.equal(error.code, code, error.message)
  assert.match(error.message, message)
  assert.match(error.message, /^[^.].*\.$/)
  assert.ok((error.remedy ?? '').length > 10, `${error.message} has no remedy`)
  const shown = JSON.stringify([error.message, error.remedy, error.facts])
  for (const secret of secrets) assert.ok(!shown.includes(secret), shown)
}

/** Runs `work` with an agent of OpenSSH that holds `key`. */
async function withAgent(key: string, work: () => Promise<void>): Promise<void> {
  const socket = join(server.directory, `agent${files++}`)
  const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
  const before = process.env['SSH_AUTH_SOCK']
  try {
    for (let at = 0; at < 100 && !existsSync(socket); at++) await pause(50)
    execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' })
    process.env['SSH_AUTH_SOCK'] = socket
    await work()
  } finally {
    if (before === undefined) delete process.env['SSH_AUTH_SOCK']
    else process.env['SSH_AUTH_SOCK'] = before
    const ended = once(agent, 'close')
    agent.kill()
    await ended
  }
}

describe('ways to log in', () => {
  test('a key', () => works(values))
  test('an RSA key', () => works({ ...values, sshKey: server.rsaKey }))
  test('a key with a passphrase', async () => {
    await works({ ...values, sshKey: server.keyWithPassphrase, sshKeyPassphrase: passphrase })
    await works({
      ...values,
      sshKey: server.keyWithPassphrase,
      sshKeyPassphraseFile: file(`${passphrase}\n`),
    })
  })
  test('a password', async () => {
    await works({ ...keyless, sshPassword: password })
    await works({ ...keyless, sshPasswordFile: file(`${password}\r\n`) })
  })
  test('a password after a key that was refused', () =>
    works({ ...values, sshKey: server.strangersKey, sshPassword: password }))
  test('an agent', async () => {
    await withAgent(server.key, () => works(keyless))
    await withAgent(server.strangersKey, () =>
      fails(keyless, 'denied', /refuses the account keeper with the keys of the agent/),
    )
  })
  test('by any key of the host that is known', async () => {
    for (const type of ['host_ed25519', 'host_ecdsa', 'host_rsa']) {
      const line = `[127.0.0.1]:${server.port} ${readFileSync(join(server.directory, `${type}.pub`), 'utf8')}`
      await works({ ...values, sshKnownHosts: file(line) })
    }
  })
  test('by a known host whose name is hashed', async () => {
    const known = file(readFileSync(server.knownHosts, 'utf8'))
    execFileSync('ssh-keygen', ['-q', '-H', '-f', known], { stdio: 'ignore' })
    assert.ok(!readFileSync(known, 'utf8').includes('127.0.0.1'))
    await works({ ...values, sshKnownHosts: known })
  })
})

describe('what is wrong is said', () => {
  test('the host', () =>
    fails({ ...values, sshHost: 'no-such-host.invalid' }, 'not-found', /no machine called no-such-host/))
  test('the port: nobody is there', async () =>
    fails({ ...values, sshPort: await freePort() }, 'unavailable', /refuses the connection/))
  test('the port: somebody else is there', async () => {
    const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    )
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    await fails({ ...values, sshPort: port }, 'unavailable', /closed the connection before it spoke SSH/)
    other.close()
  })
  test('the port: somebody who says nothing is there', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    silent.on('connection', (socket) => socket.on('error', () => {}))
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const start = Date.now()
    await fails({ ...values, sshPort: port, sshTimeout: '1s' }, 'unavailable', /does not answer/)
    assert.ok(Date.now() - start < 5000)
    silent.close()
  })
  test('the user', async () => {
    await fails(
      { ...values, sshUsername: 'nobody-here' },
      'denied',
      /refuses the account nobody-here with the key/,
    )
    await fails(
      { ...keyless, sshUsername: 'root', sshPassword: password },
      'denied',
      /refuses the account root/,
    )
  })
  test('the key', async () => {
    await fails(
      { ...values, sshKey: server.strangersKey },
      'denied',
      /refuses the account keeper with the key .*stranger/,
    )
    await fails({ ...values, sshKey: '/no/such/key' }, 'configuration', /key file .* cannot be read: ENOENT/)
    await fails({ ...values, sshKey: file('no key at all') }, 'configuration', /not a private key/)
    await fails({ ...values, sshKey: `${server.key}.pub` }, 'configuration', /public key/)
  })
  test('the passphrase of the key', async () => {
    for (const type of ['ed25519', 'rsa']) {
      const key = join(server.directory, `locked_${type}`)
      makeKey(key, type, passphrase)
      await fails({ ...values, sshKey: key }, 'key', /has a passphrase, and none was given/)
      await fails({ ...values, sshKey: key, sshKeyPassphrase: 'a wrong secret' }, 'key', /is wrong/)
    }
    await fails({ ...values, sshKeyPassphraseFile: '/no/such' }, 'configuration', /passphrase file .*ENOENT/)
    await fails({ ...values, sshKeyPassphraseFile: file('\n') }, 'key', /no passphrase in its first line/)
  })
  test('the password', async () => {
    await fails(
      { ...keyless, sshPassword: 'a wrong secret' },
      'denied',
      /refuses the account keeper with the password/,
    )
    await fails({ ...keyless, sshUsername: 'jailed', sshPassword: password }, 'denied', /jailed/)
  })
  test('the host key is not known', async () => {
    const known = file('')
    await fails(
      { ...values, sshKnownHosts: known },
      'untrusted',
      /host key of \[127.0.0.1\]:\d+ is not known: ssh-ed25519 SHA256:/,
    )
    assert.equal(readFileSync(known, 'utf8'), '')
    await works({ ...values, sshKnownHosts: known, sshTrustNewHost: true })
    assert.match(readFileSync(known, 'utf8'), /^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n$/)
    await works({ ...values, sshKnownHosts: known })
    execFileSync('ssh', [
      '-i',
      server.key,
      '-p',
      `${server.port}`,
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=yes',
      '-o',
      `UserKnownHostsFile=${known}`,
      'keeper@127.0.0.1',
      'true',
    ])
  })
  test('the host key has changed, is revoked, or only certified', async () => {
    const name = `[127.0.0.1]:${server.port}`
    const other = readFileSync(`${server.strangersKey}.pub`, 'utf8')
    const own = readFileSync(join(server.directory, 'host_ed25519.pub'), 'utf8')
    for (const sshTrustNewHost of [false, true]) {
      const judged = (lines: string) => ({ ...values, sshTrustNewHost, sshKnownHosts: file(lines) })
      await fails(judged(`${name} ${other}`), 'untrusted', /has changed/)
      await fails(judged(`${name} ${own}@revoked ${name} ${own}`), 'untrusted', /is revoked by line 2 of/)
      await fails(judged(`@cert-authority * ${other}`), 'untrusted', /only an authority/)
    }
  })
  test('the container', async () => {
    await fails(
      { ...values, container: 'nothing/here' },
      'not-found',
      /no container .*nothing\/here on 127.0.0.1/,
      false,
    )
    assert.ok(!existsSync(join(server.home, 'nothing')))
    writeFileSync(join(server.home, 'file'), '')
    for (const create of [true, false]) {
      await fails({ ...values, container: 'file' }, 'not-found', /not a directory/, create)
    }
    await fails({ ...values, container: 'file/below' }, 'not-found', /not a directory|no container/)
    rmSync(join(server.home, 'file'))
  })
  test('no permission', async () => {
    await fails({ ...values, container: '/root/backups' }, 'denied', /permission denied/)
    await fails(
      { ...values, sshUsername: 'jailed', container: '/readable/backups' },
      'denied',
      /permission denied/,
    )
    await fails({ ...values, container: join(server.readOnly, 'c') }, 'denied', /read-only/)
  })
  test('a full disk', async () => {
    const storage = await open({ ...values, container: join(server.small, 'c') })
    const { signal } = new AbortController()
    await storage.put('d/old', [Buffer.alloc(1_000_000)], signal)
    for (const key of ['d/old', 'e/new']) {
      await assert.rejects(storage.put(key, [Buffer.alloc(9_000_000)], signal), {
        code: 'no-space',
        message: /no space is left there/,
      })
    }
    const keys = (await Array.fromAsync(storage.list('', signal))).map(({ key, size }) => `${key} ${size}`)
    assert.deepEqual(keys, ['d/old 1000000'])
    await storage.put('d/small', [Buffer.alloc(5_000_000)], signal)
    const many = async () => {
      for (let at = 0; at < 100; at++) await storage.put(`many/${at}`, [Buffer.alloc(1)], signal)
    }
    await assert.rejects(many(), { code: 'no-space' })
    await storage.close?.()
  })
})
