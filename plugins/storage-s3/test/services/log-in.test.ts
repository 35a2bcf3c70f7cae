// Everything that can be wrong with where and who, said by a real service.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { startMeddler } from '../../../../test/services/meddler.ts'
import { guest, keeper, startSwift } from '../../../../test/services/swift.ts'
import { accessOf, open, valuesOf } from './support.ts'

const swift = await startSwift({ s3: true })
after(() => swift[Symbol.asyncDispose]())
const access = accessOf(swift)
const meddler = await startMeddler(access.endpoint, 'localhost')
after(() => meddler[Symbol.asyncDispose]())
const values = valuesOf(access, 'bucket')
const { signal } = new AbortController()
const content = Buffer.from('content')
const wrong = 'a-wrong-secret'

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
  assert.ok((error.remedy ?? '').length > 10, `${error.message} has no remedy`)
  const shown = JSON.stringify([error.message, error.remedy, error.facts])
  for (const secret of [keeper.key, guest.key, wrong]) assert.ok(!shown.includes(secret), shown)
}

test('the access key and its secret', async () => {
  await fails({ ...values, secretKey: wrong }, 'denied', /signature is wrong/)
  await fails({ ...values, accessKey: 'nobody:here' }, 'denied', /not known|denied|signature/)
})

test('who may not', async () => {
  await (await open(values)).close?.()
  const stranger = { ...values, accessKey: guest.user, secretKey: guest.key }
  await fails(stranger, 'denied', /access is denied/)
})

test('the bucket', async () => {
  await fails({ ...values, container: 'no-such-bucket' }, 'not-found', /no bucket no-such-bucket/, false)
  await fails({ ...values, container: 'No_Bucket..x' }, 'configuration', /no bucket of that name/)
})

test('the region', () =>
  fails({ ...values, region: 'eu-west-1' }, 'configuration', /lies in the region us-east-1/))

test('the certificate', async () => {
  const secure = { ...values, endpoint: meddler.origin }
  await fails(secure, 'untrusted', /not to be trusted/)
  const storage = await open({ ...secure, insecure: true })
  await storage.close?.()
  const trusted = await open({ ...secure, s3Cacert: meddler.certificate })
  await trusted.put('k', [content], signal)
  await trusted.close?.()
})

test('bytes that are altered on their way are not stored', async () => {
  const storage = await open({ ...values, endpoint: meddler.origin, s3Cacert: meddler.certificate })
  await storage.put('k', [content], signal)
  meddler.meddle = ({ method }) => (method === 'PUT' ? { flip: 'request' } : undefined)
  await assert.rejects(storage.put('k', [Buffer.from('another')], signal), {
    code: 'unavailable',
    message: /altered on its way/,
  })
  meddler.meddle = () => undefined
  const chunks = await Array.fromAsync(storage.get('k', undefined, signal))
  assert.equal(Buffer.concat(chunks).toString(), 'content')
  await storage.close?.()
})

test('a server that is killed in the middle: unavailable, no part of a blob, and all is well when it is back', async () => {
  const storage = await open({ ...values, container: 'killed' })
  const large = Array.from({ length: 64 }, (_, at) => Buffer.alloc(1 << 20, at + 1))
  await storage.put('blob', large, signal)
  const putting = storage.put('new', large, signal)
  setTimeout(() => void swift.stop(), 30)
  await assert.rejects(putting, { code: 'unavailable' })
  await assert.rejects(Array.fromAsync(storage.list('', signal)), { code: 'unavailable' })
  await swift.start()
  const getting = async () => {
    for await (const _ of storage.get('blob', undefined, signal)) await swift.stop()
  }
  await assert.rejects(getting(), { code: 'unavailable' })
  await swift.start()
  const blobs = await Array.fromAsync(storage.list('', signal))
  assert.ok(
    blobs.every(({ size }) => size === 64 << 20),
    JSON.stringify(blobs),
  )
  await storage.close?.()
})
