// Uploads in parts to real services: whole content, ranges, and what is left behind when they break off.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, test } from 'node:test'
import { readProxies } from '@freezer/proxy'
import { checkOptions } from '@freezer/sdk'
import { type Meddling, type Seen, startMeddler } from '../../../../test/services/meddler.ts'
import { startS3rver } from '../../../../test/services/s3rver.ts'
import { startSwift } from '../../../../test/services/swift.ts'
import { Bucket } from '../../src/bucket.ts'
import { identify } from '../../src/credentials.ts'
import { Http } from '../../src/http.ts'
import { s3 } from '../../src/index.ts'
import { dropLeftovers } from '../../src/leftovers.ts'
import { contentsOf, textOf } from '../../src/xml.ts'
import { accessOf, open, valuesOf } from './support.ts'

const swift = await startSwift({ s3: true })
after(() => swift[Symbol.asyncDispose]())
const s3rver = await startS3rver()
after(() => s3rver[Symbol.asyncDispose]())
const access = accessOf(swift)
const meddler = await startMeddler(access.endpoint)
after(() => meddler[Symbol.asyncDispose]())
const { signal } = new AbortController()
const mebibyte = 1 << 20

/** Chunks that fit no part, each with other bytes. */
const large = Array.from({ length: 23 }, (_, at) => Buffer.alloc(3 * mebibyte - at, at + 1))
const whole = Buffer.concat(large)
const hash = (content: Buffer) => createHash('sha256').update(content).digest('hex')

for (const [name, service] of [
  ['Swift', access],
  ['s3rver', s3rver],
] as const) {
  test(`${name}: a large blob comes back, whole and in ranges, over one that was there`, async () => {
    const storage = await open(valuesOf(service, 'parts/a host'))
    const read = async (range?: { offset: number; length: number }) =>
      Buffer.concat(await Array.fromAsync(storage.get('a/blob', range, signal)))
    await storage.put('a/blob', [Buffer.from('old')], signal)
    await storage.put('a/blob', large, signal)
    assert.equal(hash(await read()), hash(whole))
    for (const offset of [0, 16 * mebibyte - 10, 64 * mebibyte - 1, whole.length - 20]) {
      assert.equal(hash(await read({ offset, length: 20 })), hash(whole.subarray(offset, offset + 20)))
    }
    assert.deepEqual(await Array.fromAsync(storage.list('', signal)), [{ key: 'a/blob', size: whole.length }])
    await storage.remove('a/blob', signal)
    assert.deepEqual(await Array.fromAsync(storage.list('', signal)), [])
    await storage.close?.()
  })
}

/** The bucket as the plugin speaks to it. */
async function bucketOf(name: string): Promise<{ bucket: Bucket; http: Http }> {
  const options = checkOptions(s3.options, valuesOf(access, name))
  const http = await Http.create({
    timeout: 60_000,
    cacert: undefined,
    insecure: false,
    proxies: readProxies(options, {}),
  })
  return { bucket: new Bucket({ name, identity: await identify(options, {}), virtual: false, http }), http }
}

async function uploadsOf(bucket: Bucket): Promise<string[]> {
  const answer = await bucket.send({ method: 'GET', query: { uploads: '' } }, signal)
  assert.equal(answer.status, 200)
  return contentsOf(await answer.text(mebibyte), 'Key')
}

test('Swift: what breaks off leaves neither a blob nor an upload', async () => {
  const storage = await open({ ...valuesOf(access, 'broken/p'), endpoint: meddler.origin })
  const { bucket, http } = await bucketOf('broken')
  const stop = new AbortController()
  const abort = (): Meddling => {
    stop.abort()
    return { delay: 200 }
  }
  const cases: [() => Meddling, string][] = [
    [() => ({ answer: 503 }), 'unavailable'],
    [() => ({ flip: 'request' }), 'unavailable'],
    [() => ({ header: 'etag', value: '"00000000000000000000000000000000"' }), 'unavailable'],
    [abort, 'interrupted'],
  ]
  for (const [meddle, code] of cases) {
    meddler.meddle = ({ path }) => (path.includes('partNumber=3&') ? meddle() : undefined)
    await assert.rejects(storage.put('k', large, stop.signal), { code })
    meddler.meddle = () => undefined
    assert.deepEqual(await Array.fromAsync(storage.list('', signal)), [])
    assert.deepEqual(await uploadsOf(bucket), [])
  }
  await storage.close?.()
  http.close()
})

test('Swift: a blob whose completion nobody saw is whole; put again, it is whole too', async () => {
  const storage = await open({ ...valuesOf(access, 'unseen/p'), endpoint: meddler.origin })
  const isCompletion = ({ method, path }: Seen) => method === 'POST' && path.includes('uploadId=')
  meddler.meddle = (request) => (isCompletion(request) ? { cut: 'after' } : undefined)
  await assert.rejects(storage.put('k', large, signal), { code: 'unavailable' })
  meddler.meddle = () => undefined
  const read = async () => hash(Buffer.concat(await Array.fromAsync(storage.get('k', undefined, signal))))
  assert.equal(await read(), hash(whole))
  await storage.put('k', large, signal)
  assert.equal(await read(), hash(whole))
  await storage.close?.()
})

test('Swift: leftovers are dropped when they are old, the parts of a blob that is there never', async () => {
  const storage = await open(valuesOf(access, 'leftovers/p'))
  const { bucket, http } = await bucketOf('leftovers')
  for (const object of ['p/killed', 'p/ü%+ x', 'p/there', 'q/beside']) {
    const begun = await bucket.send({ method: 'POST', object, query: { uploads: '' } }, signal)
    const uploadId = textOf(await begun.text(mebibyte), 'UploadId') ?? ''
    const body = [Buffer.from('part')]
    const sha256 = hash(Buffer.from('part'))
    const query = { partNumber: '1', uploadId }
    const sent = await bucket.send({ method: 'PUT', object, query, body, sha256 }, signal)
    assert.equal(sent.status, 200)
    await sent.discard()
  }
  await storage.put('there', [Buffer.from('x')], signal)
  const place = { bucket, prefix: 'p/' }
  await dropLeftovers(place, Date.now() + 6 * 86_400_000, signal)
  assert.equal((await uploadsOf(bucket)).length, 4)
  await dropLeftovers(place, Date.now() + 8 * 86_400_000, signal)
  assert.deepEqual(await uploadsOf(bucket), ['p/there', 'p/ü%+ x', 'q/beside'])
  await storage.close?.()
  http.close()
})

test('neither Swift nor s3rver locks objects, and that is said', async () => {
  for (const service of [access, s3rver]) {
    const values = { ...valuesOf(service, 'locked'), s3ObjectLock: 'governance', s3ObjectLockDays: 1 }
    await assert.rejects(open(values), { code: 'denied', message: /does not lock objects/ })
  }
})
