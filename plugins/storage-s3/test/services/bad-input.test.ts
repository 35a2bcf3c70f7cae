import { after } from 'node:test'
import { strangePorts, testMistakes } from '../../../../test/services/bad-input.ts'
import { startMeddler } from '../../../../test/services/meddler.ts'
import { freePort } from '../../../../test/services/service.ts'
import { keeper, startSwift } from '../../../../test/services/swift.ts'
import { accessOf } from './support.ts'

const swift = await startSwift({ s3: true })
after(() => swift[Symbol.asyncDispose]())
const { endpoint, accessKey, secretKey } = accessOf(swift)
const meddler = await startMeddler(endpoint, 'localhost')
after(() => meddler[Symbol.asyncDispose]())
const ports = await strangePorts()
const nobody = await freePort()
process.env['AWS_ACCESS_KEY_ID'] = accessKey
process.env['AWS_SECRET_ACCESS_KEY'] = secretKey

testMistakes(
  { storage: 's3', container: 'bad-input', endpoint, region: 'us-east-1', 's3-timeout': '2s' },
  [
    {
      what: 'the host',
      given: { endpoint: 'http://no-such-host.invalid' },
      code: 'not-found',
      says: /no machine called/,
    },
    {
      what: 'the port, nobody',
      given: { endpoint: `http://127.0.0.1:${nobody}` },
      code: 'unavailable',
      says: /refuses the connection/,
    },
    {
      what: 'the port, somebody else',
      given: { endpoint: `http://127.0.0.1:${ports.mail}` },
      code: 'unavailable',
      says: /does not speak HTTP/,
    },
    {
      what: 'the port, silence',
      given: { endpoint: `http://127.0.0.1:${ports.silent}` },
      code: 'unavailable',
      says: /does not answer/,
    },
    {
      what: 'an address that is none',
      given: { endpoint: 'nonsense' },
      code: 'configuration',
      says: /endpoint/,
    },
    {
      what: 'the access key',
      given: {},
      environment: { AWS_ACCESS_KEY_ID: 'nobody:here' },
      code: 'denied',
      says: /access key|denied|signature/,
    },
    {
      what: 'the secret',
      given: {},
      environment: { AWS_SECRET_ACCESS_KEY: 'a-wrong-secret' },
      code: 'denied',
      says: /signature is wrong/,
    },
    {
      what: 'no key at all',
      given: {},
      environment: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, HOME: '/nonexistent' },
      code: 'configuration',
      says: /access key/,
    },
    { what: 'the region', given: { region: 'eu-west-1' }, code: 'configuration', says: /region us-east-1/ },
    {
      what: 'the certificate',
      given: { endpoint: meddler.origin },
      code: 'untrusted',
      says: /is not to be trusted/,
    },
    {
      what: 'the bucket',
      given: { container: 'no-such-bucket' },
      code: 'not-found',
      says: /no bucket no-such-bucket/,
    },
    {
      what: 'a bucket that cannot be',
      given: { container: 'x' },
      code: 'configuration',
      says: /name of a bucket/,
    },
  ],
  [keeper.key, 'a-wrong-secret'],
)
