import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { checkOptions, isFailure } from '@freezer/sdk'
import { readIdentity } from '../src/identity.ts'
import { openstackOptions } from '../src/options.ts'

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-openstack-'))
after(() => fs.rmSync(scratch, { recursive: true }))

function file(name: string, text: string): string {
  const full = path.join(scratch, name)
  fs.writeFileSync(full, text)
  return full
}

const identity = (given: Record<string, unknown>, environment: Record<string, string> = {}) =>
  readIdentity(checkOptions(openstackOptions, given), environment)

const login = { OS_AUTH_URL: 'http://k:5000/v3', OS_USERNAME: 'u', OS_PASSWORD: 'p', OS_PROJECT_NAME: 'n' }

test('the environment, as clients of OpenStack read it', async () => {
  assert.deepEqual(await identity({}, { ...login, OS_REGION_NAME: 'R', OS_ENDPOINT_TYPE: 'internalURL' }), {
    authUrl: 'http://k:5000/v3',
    method: { kind: 'password', user: { name: 'u', domain: { id: 'default' } }, password: 'p' },
    project: { name: 'n', domain: { id: 'default' } },
    region: 'R',
    interface: 'internal',
    cacert: undefined,
    insecure: false,
  })
  const ids = { OS_USER_ID: 'uid', OS_PROJECT_ID: 'pid', OS_TENANT_NAME: 'other' }
  const byId = await identity({}, { ...login, ...ids })
  assert.deepEqual(byId.method, { kind: 'password', user: { id: 'uid' }, password: 'p' })
  assert.deepEqual(byId.project, { id: 'pid' })
  const domains = { OS_USER_DOMAIN_NAME: 'D', OS_PROJECT_DOMAIN_ID: 'E', OS_DEFAULT_DOMAIN: 'F' }
  const inDomains = await identity({}, { ...login, ...domains })
  assert.deepEqual(inDomains.project, { name: 'n', domain: { id: 'E' } })
  assert.ok(inDomains.method.kind === 'password')
  assert.deepEqual(inDomains.method.user, { name: 'u', domain: { name: 'D' } })
})

test('addresses', async () => {
  for (const [given, meant] of [
    ['http://k:5000', 'http://k:5000/v3'],
    ['http://k/identity/', 'http://k/identity/v3'],
    ['http://k/v3/', 'http://k/v3'],
  ]) {
    assert.equal((await identity({}, { ...login, OS_AUTH_URL: given as string })).authUrl, meant)
  }
})

test('what to log in with follows from what there is, unless it is said', async () => {
  const kind = async (more: Record<string, string>, given: Record<string, unknown> = {}) =>
    (await identity(given, { ...login, ...more })).method.kind
  const credential = { OS_APPLICATION_CREDENTIAL_ID: 'i', OS_APPLICATION_CREDENTIAL_SECRET: 's' }
  assert.equal(await kind({}), 'password')
  assert.equal(await kind(credential), 'application credential')
  assert.equal(await kind({ ...credential, OS_AUTH_TYPE: 'v3password' }), 'password')
  assert.equal(await kind({ OS_TOKEN: 't' }), 'password')
  assert.equal(await kind({ OS_TOKEN: 't', OS_AUTH_TYPE: 'v3token' }), 'token')
  assert.equal(await kind({ OS_TOKEN: 't', OS_PASSWORD: '' }), 'token')
  assert.equal(await kind({ OS_AUTH_URL: 'http://s/auth/v1.0' }), 'v1')
  assert.equal(await kind({ OS_AUTH_URL: 'http://s/auth/v1' }), 'v1')
  assert.equal(await kind({}, { osAuthType: 'v1password' }), 'v1')
  await assert.rejects(kind({ OS_AUTH_TYPE: 'v3oidcpassword' }), {
    code: 'configuration',
    message: /v3oidcpassword/,
  })
})

test('options win over the rest; a file or a cloud leaves the environment out', async () => {
  const osrc = file('rc', 'OS_AUTH_URL=http://rc\nOS_USERNAME=of-rc\nOS_PASSWORD=p\n')
  const clouds = file(
    'clouds.yaml',
    'clouds:\n  c:\n    auth: {auth_url: http://cloud, username: 7, password: 8}\n    verify: false\n',
  )
  const name = async (given: Record<string, unknown>) => {
    const { authUrl, method, project } = await identity(given, { ...login, OS_CLOUD: '' })
    assert.ok(method.kind === 'password')
    return [authUrl, method.user.name, method.password, project?.name].join(' ')
  }
  assert.equal(await name({ osUsername: 'mine' }), 'http://k:5000/v3 mine p n')
  assert.equal(await name({ osrc }), 'http://rc/v3 of-rc p ')
  assert.equal(await name({ osrc, osUsername: 'mine' }), 'http://rc/v3 mine p ')
  // As Horizon gives it: it asks for the password.
  const asking = file('asking.rc', 'OS_AUTH_URL=http://rc\nOS_USERNAME=of-rc\nread -sr X\nOS_PASSWORD=$X\n')
  await assert.rejects(identity({ osrc: asking }), { code: 'configuration', message: /only a shell/ })
  assert.equal(await name({ osrc: asking, osPassword: 'q' }), 'http://rc/v3 of-rc q ')
  const osPasswordFile = file('password', 'of the file\n')
  assert.equal(await name({ osrc: asking, osPasswordFile }), 'http://rc/v3 of-rc of the file ')
  assert.equal(await name({ osCloud: 'c', osCloudsFile: clouds }), 'http://cloud/v3 7 8 ')
  assert.equal((await identity({ osCloud: 'c', osCloudsFile: clouds })).insecure, true)
  assert.equal((await identity({ insecure: true }, login)).insecure, true)
  assert.equal((await identity({ osrc })).insecure, false)
})

test('users of Swift itself are of another kind: nothing is mixed', async () => {
  const st = { ST_AUTH: 'http://s/auth/v1.0', ST_USER: 'a:u', ST_KEY: 'k' }
  const { method, authUrl } = await identity({}, st)
  assert.deepEqual([authUrl, method], ['http://s/auth/v1.0', { kind: 'v1', user: 'a:u', key: 'k' }])
  assert.equal((await identity({}, { ...login, ...st })).method.kind, 'password')
  assert.equal((await identity({ osAuthUrl: 'http://k' }, { ...login, ...st })).method.kind, 'password')
  const stray = { ...st, OS_USERNAME: 'u', OS_PASSWORD: 'p' }
  assert.deepEqual((await identity({}, stray)).method, { kind: 'v1', user: 'a:u', key: 'k' })
})

test('what is wrong in clouds.yaml is said without its words', async () => {
  const cases: [string, RegExp][] = [
    ['clouds: [', /is not YAML/],
    ['clouds:\n  c:\n\t- hunter2: x', /is not YAML: see line \d/],
    ['other: 1', /has no clouds/],
    ['', /has no clouds/],
    ['clouds:\n  c:\n    profile: vendor\n    auth: {password: hunter2}', /names a profile/],
    ['clouds:\n  c:\n    auth: {password: hunter2}', /has no OS_AUTH_URL/],
  ]
  for (const [text, message] of cases) {
    const osCloudsFile = file('wrong.yaml', text)
    await assert.rejects(identity({ osCloud: 'c', osCloudsFile }), (error) => {
      assert.ok(isFailure(error))
      assert.equal(error.code, 'configuration')
      assert.match(error.message, message)
      assert.doesNotMatch(`${error.message}${error.remedy}${error.stack}${String(error.cause)}`, /hunter2/)
      return true
    })
  }
})
