import { after } from 'node:test'
import { strangePorts, testMistakes } from '../../../../test/services/bad-input.ts'
import { startKeystone } from '../../../../test/services/keystone.ts'
import { startMeddler } from '../../../../test/services/meddler.ts'
import { freePort } from '../../../../test/services/service.ts'
import { startSwift } from '../../../../test/services/swift.ts'
import './support.ts'

const password = 'a password of the test'
const keystone = await startKeystone()
after(() => keystone[Symbol.asyncDispose]())
await keystone.addUser('demo', password)
const server = await startSwift({ keystone })
after(() => server[Symbol.asyncDispose]())
const meddler = await startMeddler(new URL(keystone.authUrl).origin, 'localhost')
after(() => meddler[Symbol.asyncDispose]())
const ports = await strangePorts()
const nobody = await freePort()
process.env['FREEZER_OS_PASSWORD'] = password
const at = (port: number) => ({ 'os-auth-url': `http://127.0.0.1:${port}/v3` })

testMistakes(
  {
    storage: 'swift',
    container: 'bad-input',
    'os-auth-url': keystone.authUrl,
    'os-username': 'demo',
    'os-project-name': 'demo',
    'os-timeout': '10s',
  },
  [
    {
      what: 'the host',
      given: { 'os-auth-url': 'http://no-such-host.invalid/v3' },
      code: 'not-found',
      says: /no machine called/,
    },
    { what: 'the port, nobody', given: at(nobody), code: 'unavailable', says: /refuses the connection/ },
    {
      what: 'the port, somebody else',
      given: at(ports.mail),
      code: 'unavailable',
      says: /does not speak HTTP/,
    },
    {
      what: 'the port, silence',
      given: { ...at(ports.silent), 'os-timeout': '1s' },
      code: 'unavailable',
      says: /does not answer/,
    },
    {
      what: 'the user',
      given: { 'os-username': 'stranger' },
      code: 'denied',
      says: /refuses the user stranger/,
    },
    {
      what: 'the password',
      given: {},
      environment: { FREEZER_OS_PASSWORD: 'a-wrong-secret' },
      code: 'denied',
      says: /refuses the user demo/,
    },
    {
      what: 'no password',
      given: {},
      environment: { FREEZER_OS_PASSWORD: undefined },
      code: 'configuration',
      says: /password/i,
    },
    { what: 'the project', given: { 'os-project-name': 'nothing' }, code: 'denied', says: /refuses/ },
    { what: 'the region', given: { 'os-region-name': 'Atlantis' }, code: 'not-found', says: /Atlantis/ },
    {
      what: 'the certificate',
      given: { 'os-auth-url': `${meddler.origin}/v3` },
      code: 'untrusted',
      says: /is not to be trusted/,
    },
    {
      what: 'the container',
      given: { container: 'no-such-container' },
      code: 'not-found',
      says: /no container no-such-container/,
    },
    {
      what: 'a file of certificates that is none',
      given: { 'os-cacert': '/etc/hostname' },
      code: 'configuration',
      says: /holds no certificates/,
    },
  ],
  [password, 'a-wrong-secret'],
)
