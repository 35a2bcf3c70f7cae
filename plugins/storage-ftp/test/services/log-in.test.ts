// Everything that can be wrong with where, who and how: one clear sentence each, a fitting code, no secret.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { password, startFtpd } from '../../../../test/services/ftpd.ts'
import { freePort } from '../../../../test/services/service.ts'
import { keeper, open } from './support.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const plain = keeper(server, 'container')
const explicit = keeper(server, 'container', 'explicit')
const implicit = keeper(server, 'container', 'implicit')
const { ftpPassword: _, ...passwordless } = plain
const secrets = [password, 'a wrong secret']
const { signal } = new AbortController()
let files = 0

function file(text: string): string {
  const path = join(server.directory, `file${files++}`)
  writeFileSync(path, text)
  return path
}

async function works(given: Record<string, unknown>, secure?: boolean): Promise<void> {
  const storage = await open(given, true, secure)
  await storage.put('k', [Buffer.from('x')], signal)
  await storage.close?.()
}

async function fails(
  given: Record<string, unknown>,
  code: string,
  message: RegExp,
  { create = true, secure }: { readonly create?: boolean; readonly secure?: boolean } = {},
): Promise<void> {
  const error: unknown = await open(given, create, secure).then(
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

describe('ways to log in', () => {
  test('without TLS, with it when asked, with it from the first byte', async () => {
    for (const given of [plain, explicit, implicit]) await works(given)
  })
  test('the password in a file', () => works({ ...passwordless, ftpPasswordFile: file(`${password}\r\n`) }))
  test('any certificate, when that is wanted', async () => {
    const { ftpCacert: _ca, ...trusting } = explicit
    await works({ ...trusting, insecure: true }, true)
    await works({ ...implicit, ftpCacert: server.strangersCa, insecure: true })
  })
})

describe('what is wrong is said', () => {
  test('the host', () =>
    fails({ ...plain, ftpHost: 'no-such-host.invalid' }, 'not-found', /no machine called/))
  test('the port', async () => {
    await fails({ ...plain, ftpPort: await freePort() }, 'unavailable', /refuses the connection/)
  })
  test('a machine that says nothing, or nothing of FTP', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    await fails({ ...plain, ftpPort: port, ftpTimeout: '1s' }, 'unavailable', /does not answer/)
    for (const socket of sockets) socket.destroy()
    silent.close()
    await fails(
      { ...plain, ftpPort: server.implicitPort, ftpTimeout: '1s' },
      'unavailable',
      /does not answer/,
    )
    await fails({ ...implicit, ftpPort: server.port }, 'unavailable', /TLS/)
  })
  test('the user and the password', async () => {
    await fails({ ...plain, ftpUsername: 'nobody-here' }, 'denied', /refuses the account nobody-here/)
    await fails({ ...explicit, ftpPassword: 'a wrong secret' }, 'denied', /refuses the account keeper/)
    await fails(passwordless, 'configuration', /no password/)
    await fails({ ...passwordless, ftpPasswordFile: '/no/such' }, 'configuration', /ENOENT/)
    await fails({ ...passwordless, ftpPasswordFile: file('\n') }, 'key', /no password in its first line/)
    await fails({ ...plain, ftpPassword: 'a\r\nDELE x' }, 'configuration', /line break/)
    await fails({ ...plain, container: 'a\r\nDELE x' }, 'configuration', /line break/)
  })
  test('TLS that is demanded, or not offered', async () => {
    await fails({ ...plain, ftpPort: server.explicitPort }, 'denied', /nobody log in without TLS/)
    await fails({ ...explicit, ftpPort: server.port }, 'denied', /offers no TLS/)
  })
  test('the certificate', async () => {
    for (const given of [explicit, implicit]) {
      const { ftpCacert: _ca, ...unknown } = given
      await fails(unknown, 'untrusted', /not to be trusted: UNABLE_TO_VERIFY/, { secure: true })
      await fails({ ...given, ftpCacert: server.strangersCa }, 'untrusted', /not to be trusted/)
      await fails({ ...given, ftpHost: 'localhost' }, 'untrusted', /ALTNAME/)
    }
    await fails({ ...explicit, ftpCacert: '/no/such' }, 'configuration', /ENOENT/)
    await fails({ ...explicit, ftpCacert: file('nothing') }, 'configuration', /holds no certificate/)
    await fails({ ...explicit, ftpCertfile: server.ca }, 'configuration', /needs its key/)
  })
  test('the container', async () => {
    await fails({ ...plain, container: 'nothing/here' }, 'not-found', /no container .*nothing\/here/, {
      create: false,
    })
    assert.ok(!existsSync(join(server.home, 'nothing')))
    writeFileSync(join(server.home, 'file'), '')
    for (const create of [true, false]) {
      await fails({ ...plain, container: 'file' }, 'not-found', /not a directory/, { create })
    }
    await fails({ ...plain, container: 'file/below' }, 'not-found', /not a directory|no container/)
    symlinkSync('file', join(server.home, 'link'))
    for (const create of [true, false]) {
      await fails({ ...plain, container: 'link' }, 'not-found', /no directory|not a directory/, { create })
    }
    for (const name of ['file', 'link']) rmSync(join(server.home, name))
  })
  test('no permission', async () => {
    await fails({ ...plain, container: '/root/backups' }, 'denied', /permission denied/)
    await fails({ ...plain, ftpUsername: 'reader', container: 'other' }, 'denied', /denied|refuses/)
    await works(plain)
    const storage = await open({ ...plain, ftpUsername: 'reader' }, false)
    // The data connection is there when the server refuses, and may break before it says so.
    for (let at = 0; at < 20; at++) {
      const chunks = [Buffer.alloc(1 << 20, at)]
      await assert.rejects(storage.put('k', chunks, signal), { code: 'denied' })
    }
    await assert.rejects(storage.remove('k', signal), { code: 'denied' })
    await storage.close?.()
    assert.equal(readFileSync(join(server.home, 'container/k'), 'utf8'), 'x')
  })
  test('a full disk', async () => {
    const storage = await open({ ...plain, container: join(server.small, 'c') })
    await storage.put('d/old', [Buffer.alloc(1_000_000)], signal)
    for (const key of ['d/old', 'e/new']) {
      await assert.rejects(storage.put(key, [Buffer.alloc(9_000_000)], signal), { code: 'no-space' })
    }
    const keys = (await Array.fromAsync(storage.list('', signal))).map(({ key, size }) => `${key} ${size}`)
    assert.deepEqual(keys, ['d/old 1000000'])
    await storage.put('d/small', [Buffer.alloc(5_000_000)], signal)
    await storage.close?.()
  })
})
