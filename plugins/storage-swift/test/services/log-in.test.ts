import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isFailure } from '@freezer/sdk'
import { startKeystone } from '../../../../test/services/keystone.ts'
import { startMeddler } from '../../../../test/services/meddler.ts'
import { freePort } from '../../../../test/services/service.ts'
import { guest, keeper, startSwift } from '../../../../test/services/swift.ts'
import { asKeeper, never, open } from './support.ts'

const password = 'a password of the test'
const tokenLife = 15
const keystone = await startKeystone({ tokenLife })
after(() => keystone[Symbol.asyncDispose]())
await keystone.addUser('demo', password)
await keystone.addUser('other', password)
const credential = await keystone.addApplicationCredential('demo', password)
const server = await startSwift({ keystone })
after(() => server[Symbol.asyncDispose]())
await keystone.addService('object-store', 'swift', 'http://127.0.0.1:1/v1/AUTH_%(project_id)s', 'South')
const meddler = await startMeddler(new URL(keystone.authUrl).origin)
after(() => meddler[Symbol.asyncDispose]())
const own = new URL(server.authUrl)
const secure = await startMeddler(own.origin, 'localhost')
after(() => secure[Symbol.asyncDispose]())

const north = { container: 'c', osRegionName: 'North', osTimeout: '60s' }
const demo = {
  ...north,
  osAuthUrl: keystone.authUrl,
  osUsername: 'demo',
  osPassword: password,
  osProjectName: 'demo',
}
const wrong = 'a wrong secret'
const secrets = [password, wrong, credential.secret, keeper.key, guest.key, 'gAAAA', 'AUTH_tk']
let files = 0

afterEach(() => {
  for (const name of Object.keys(process.env)) if (/^(?:OS|ST)_/.test(name)) delete process.env[name]
  meddler.seen.length = 0
  meddler.meddle = () => undefined
})

function file(text: string, name = `file${files++}`): string {
  const path = join(server.directory, name)
  writeFileSync(path, text)
  return path
}

/** That the storage opens, and works. */
async function works(given: Record<string, unknown>): Promise<void> {
  const storage = await open(given)
  await storage.put('k', [Buffer.from('x')], never)
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
  const shown = JSON.stringify([error.message, error.remedy, error.facts, error.stack, String(error.cause)])
  for (const secret of secrets) assert.ok(!shown.includes(secret), shown)
}

function without(values: Record<string, unknown>, ...names: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)))
}

describe('ways to log in', () => {
  test('a password, by names', () => works(demo))
  test('a password in a file', () =>
    works({ ...without(demo, 'osPassword'), osPasswordFile: file(`${password}\r\n`) }))
  test('domains, by name and by id', () =>
    works({ ...demo, osUserDomainName: 'Default', osProjectDomainId: 'default' }))
  test('the address of Keystone without its version', () =>
    works({ ...demo, osAuthUrl: keystone.authUrl.replace('/v3', '/') }))
  test('another interface', () => works({ ...demo, osInterface: 'internal' }))
  test('an application credential', () =>
    works({
      ...north,
      osAuthUrl: keystone.authUrl,
      osApplicationCredentialId: credential.id,
      osApplicationCredentialSecret: credential.secret,
    }))
  test('an application credential by its name', () =>
    works({
      ...north,
      osAuthUrl: keystone.authUrl,
      osApplicationCredentialName: 'backups',
      osUsername: 'demo',
      osPasswordFile: file(credential.secret),
    }))
  test('a token, as it is and for the project again', async () => {
    const osToken = await keystone.token('demo', password)
    await works({ ...north, osAuthUrl: keystone.authUrl, osToken })
    await works({ ...north, osAuthUrl: keystone.authUrl, osToken, osProjectName: 'demo' })
  })
  test('a user of Swift itself', async () => {
    await works(asKeeper(server.authUrl, 'c'))
    Object.assign(process.env, { ST_AUTH: server.authUrl, ST_USER: keeper.user, ST_KEY: keeper.key })
    await works({ container: 'c' })
  })
  test('an openrc file', async () => {
    const osrc = file(
      `# made by hand\nexport OS_AUTH_URL=${keystone.authUrl} OS_USERNAME=demo\nexport OS_PASSWORD="${password}"\n` +
        "export OS_PROJECT_NAME=$OS_USERNAME; export OS_REGION_NAME='North'\n",
    )
    await works({ container: 'c', osrc })
    process.env['OS_PASSWORD'] = wrong
    await works({ container: 'c', osrc })
  })
  test('the environment', async () => {
    Object.assign(process.env, {
      OS_AUTH_URL: keystone.authUrl,
      OS_USERNAME: 'demo',
      OS_PASSWORD: password,
      OS_TENANT_NAME: 'demo',
      OS_REGION_NAME: 'North',
      OS_ENDPOINT_TYPE: 'publicURL',
    })
    await works({ container: 'c' })
    process.env['OS_PASSWORD'] = wrong
    await works({ container: 'c', osPassword: password })
  })
  test('a cloud of clouds.yaml, its password in secure.yaml', async () => {
    const directory = join(server.directory, 'clouds')
    mkdirSync(directory)
    const clouds = file(
      `clouds:\n  mine:\n    auth:\n      auth_url: ${keystone.authUrl}\n      username: demo\n      project_name: demo\n` +
        '      user_domain_name: Default\n    region_name: North\n    interface: public\n',
      'clouds/clouds.yaml',
    )
    file(`clouds:\n  mine:\n    auth:\n      password: ${password}\n`, 'clouds/secure.yaml')
    await works({ container: 'c', osCloud: 'mine', osCloudsFile: clouds })
    Object.assign(process.env, { OS_CLOUD: 'mine', OS_CLIENT_CONFIG_FILE: clouds, OS_USERNAME: 'nobody' })
    await works({ container: 'c' })
    await fails({ container: 'c', osCloud: 'yours', osCloudsFile: clouds }, 'not-found', /no cloud yours/)
  })
  test('over TLS, by a certificate that is trusted', async () => {
    const { certificate } = secure
    await works({ ...asKeeper(secure.origin + own.pathname, 'c'), osCacert: certificate })
    await works({ ...asKeeper(secure.origin + own.pathname, 'c'), insecure: true })
  })
})

describe('what is wrong is said', () => {
  test('the host', () =>
    fails(
      { ...demo, osAuthUrl: 'https://no-such-host.invalid/v3' },
      'not-found',
      /no machine called no-such-host/,
    ))
  test('the port: nobody is there', async () =>
    fails(
      { ...demo, osAuthUrl: `http://127.0.0.1:${await freePort()}/v3` },
      'unavailable',
      /refuses the connection/,
    ))
  test('the port: somebody else is there', async (t) => {
    const other = createServer((socket) => socket.on('error', () => {}).end('220 ready\r\n')).listen(
      0,
      '127.0.0.1',
    )
    t.after(() => other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    await fails({ ...demo, osAuthUrl: `http://127.0.0.1:${port}` }, 'unavailable', /does not speak HTTP/)
    await fails({ ...demo, osAuthUrl: `https://127.0.0.1:${port}` }, 'unavailable', /does not speak TLS/)
  })
  test('the port: somebody who says nothing is there', async (t) => {
    const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
    t.after(() => silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    for (const scheme of ['http', 'https']) {
      const start = Date.now()
      const values = { ...demo, osAuthUrl: `${scheme}://127.0.0.1:${port}`, osTimeout: '1s' }
      await fails(values, 'unavailable', /does not answer/)
      assert.ok(Date.now() - start < 8000)
    }
  })
  test('https: that is http:, and the other way round', async () => {
    await fails(
      { ...demo, osAuthUrl: meddler.origin.replace('http:', 'https:') },
      'unavailable',
      /not speak TLS/,
    )
    const plain = secure.origin.replace('https:', 'http:') + own.pathname
    await fails(asKeeper(plain, 'c'), 'unavailable', /does not speak HTTP|was lost/)
  })
  test('the address', async () => {
    await fails({ ...demo, osAuthUrl: `${keystone.authUrl}/nothing` }, 'not-found', /no Keystone at/)
    await fails(
      { ...demo, osAuthUrl: server.authUrl.replace('/auth/v1.0', '/v3') },
      'denied',
      /log in at|refuses the user/,
    )
    await fails({ ...demo, osAuthUrl: `${own.origin}/nothing/v1.0` }, 'denied', /refuses the user|log in/)
    await fails({ ...demo, osAuthUrl: 'keystone' }, 'configuration', /no address of the web/)
    await fails({ ...demo, osAuthUrl: `http://u:${keeper.key}@h/v3` }, 'configuration', /no user, password/)
    await fails({ ...demo, osAuthUrl: 'http://h/v2.0' }, 'configuration', /version 2 of Keystone/)
    await fails(without(demo, 'osAuthUrl'), 'configuration', /has no OS_AUTH_URL/)
  })
  test('the certificate', async () => {
    const values = asKeeper(secure.origin + own.pathname, 'c')
    await fails(values, 'untrusted', /certificate of localhost:\d+ is not to be trusted: .*SELF_SIGNED/)
    const byNumber = { ...values, osAuthUrl: String(values['osAuthUrl']).replace('localhost', '127.0.0.1') }
    await fails({ ...byNumber, osCacert: secure.certificate }, 'untrusted', /ALTNAME/)
    await fails({ ...values, osCacert: '/no/such.pem' }, 'configuration', /certificates \/no\/such.pem/)
    await fails({ ...values, osCacert: file('no certificate') }, 'configuration', /holds no certificates/)
  })
  test('the user, the password, the project, a domain', async () => {
    await fails({ ...demo, osUsername: 'nobody' }, 'denied', /refuses the user nobody in the project demo/)
    await fails({ ...demo, osPassword: wrong }, 'denied', /refuses the user demo in the project demo/)
    await fails({ ...demo, osProjectName: 'other' }, 'denied', /refuses the user demo in the project other/)
    await fails({ ...demo, osProjectName: 'none' }, 'denied', /refuses the user demo in the project none/)
    await fails({ ...demo, osUserDomainName: 'none' }, 'denied', /refuses the user demo/)
    await fails({ ...demo, osProjectDomainId: 'none' }, 'denied', /refuses the user demo/)
    await fails(without(demo, 'osProjectName'), 'configuration', /not for a project/)
    await fails(without(demo, 'osPassword'), 'configuration', /has no OS_PASSWORD/)
    await fails(without(demo, 'osUsername'), 'configuration', /has no OS_USERNAME/)
    await fails(
      { ...asKeeper(server.authUrl, 'c'), osPassword: wrong },
      'denied',
      /refuses the user test:keeper/,
    )
    await fails({ ...demo, osPasswordFile: file('\n') }, 'configuration', /no password in its first line/)
    await fails({ ...demo, osPasswordFile: '/no/such' }, 'configuration', /password file \/no\/such/)
  })
  test('the application credential', async () => {
    const values = { ...north, osAuthUrl: keystone.authUrl, osApplicationCredentialId: credential.id }
    await fails(
      { ...values, osApplicationCredentialSecret: wrong },
      'denied',
      new RegExp(`application credential ${credential.id}`),
    )
    await fails(values, 'configuration', /no secret of the application credential/)
  })
  test('the token', async () => {
    const values = { ...north, osAuthUrl: keystone.authUrl }
    await fails({ ...values, osToken: wrong.replaceAll(' ', '') }, 'denied', /refuses the token/)
    await fails(
      { ...values, osToken: wrong.replaceAll(' ', ''), osProjectName: 'demo' },
      'denied',
      /refuses the token/,
    )
  })
  test('the region and the interface', async () => {
    await fails({ ...demo, osRegionName: 'East' }, 'not-found', /no service object-store in the region East/)
    await fails(without(demo, 'osRegionName'), 'configuration', /in several regions/)
    await fails({ ...demo, osInterface: 'admin' }, 'not-found', /no interface admin/)
    await fails({ ...demo, osRegionName: 'South' }, 'unavailable', /127.0.0.1:1 refuses/)
  })
  test('the container', async () => {
    await fails({ ...demo, container: 'missing' }, 'not-found', /no container missing/, false)
    await fails({ ...demo, container: 'missing/prefix' }, 'not-found', /no container missing/, false)
    await fails({ ...demo, container: '/' }, 'configuration', /does not name a container/)
    await fails({ ...demo, container: 'x'.repeat(257) }, 'configuration', /does not name a container/)
    await fails({ ...demo, container: `c/${'x'.repeat(121)}` }, 'configuration', /too long/)
  })
  test('no right to do it', async () => {
    const values = {
      container: 'c',
      osAuthUrl: server.authUrl,
      osUsername: guest.user,
      osPassword: guest.key,
    }
    await fails(values, 'denied', /access is denied/)
  })
  test('files that say how', async () => {
    await fails({ container: 'c', osrc: '/no/such' }, 'configuration', /\/no\/such/)
    await fails({ container: 'c', osrc: file('echo hello') }, 'configuration', /has no OS_AUTH_URL/)
    const asks = file(`export OS_AUTH_URL=${keystone.authUrl}\nread -sr X\nexport OS_PASSWORD=$X\n`)
    await fails(
      { container: 'c', osrc: asks },
      'configuration',
      /line 3: only a shell could tell .* OS_PASSWORD/,
    )
    await fails(
      { container: 'c', osCloud: 'x', osCloudsFile: '/no/such' },
      'not-found',
      /no file \/no\/such that/,
    )
    const broken = file(`clouds:\n  x:\n  - "${password}`)
    await fails({ container: 'c', osCloud: 'x', osCloudsFile: broken }, 'configuration', /is not YAML/)
    await fails({ container: 'c', osCloud: 'x', osrc: asks }, 'configuration', /contradict/)
  })
})

describe('a token that does not live as long as the run', () => {
  const logins = () =>
    meddler.seen.filter(({ method, path }) => method === 'POST' && path === '/v3/auth/tokens').length
  const behind = { ...demo, osAuthUrl: `${meddler.origin}/v3` }

  test('is renewed before it expires, by one login for all', async () => {
    const storage = await open(behind)
    assert.equal(logins(), 1)
    await storage.put('k', [Buffer.from('x')], never)
    assert.equal(logins(), 1)
    await pause(tokenLife * 1000 + 500)
    await Promise.all(Array.from({ length: 4 }, (_, at) => storage.put(`k${at}`, [Buffer.from('x')], never)))
    assert.equal(logins(), 2)
    await storage.close?.()
  })

  test('that was taken back is refused', async () => {
    const osToken = await keystone.token('demo', password)
    const revoked = await fetch(`${keystone.authUrl}/auth/tokens`, {
      method: 'DELETE',
      headers: { 'x-auth-token': osToken, 'x-subject-token': osToken },
    })
    assert.equal(revoked.status, 204)
    await fails({ ...north, osAuthUrl: keystone.authUrl, osToken }, 'denied', /refuses the token/)
  })

  test('that was given cannot be renewed, and that is said', async () => {
    const osToken = await keystone.token('demo', password)
    const storage = await open({ ...north, osAuthUrl: keystone.authUrl, osToken })
    await storage.put('k', [Buffer.from('x')], never)
    await pause(tokenLife * 1000 + 500)
    await assert.rejects(storage.put('k', [Buffer.from('x')], never), {
      code: 'denied',
      message: /refuses the token/,
    })
    await storage.close?.()
  })
})
