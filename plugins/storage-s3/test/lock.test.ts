// Object lock, by a stand-in: each put carries its retention, and a bucket that would not keep it is refused.
import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { startStandIn } from './stand-in.ts'

const { signal } = new AbortController()
const standIn = await startStandIn()
after(() => standIn.close())
beforeEach(() => {
  standIn.locks = true
  standIn.versions.clear()
  standIn.seen.length = 0
  standIn.meddle = () => false
})
const locked = { s3ObjectLock: 'compliance', s3ObjectLockDays: 30 }
const asked = () => standIn.seen.filter((line) => line.includes('object-lock')).length

test('puts, and uploads in parts, say how long they stay', async () => {
  for (const [mode, days] of [
    ['governance', 1],
    ['compliance', 30],
  ] as const) {
    const storage = await standIn.open({ s3ObjectLock: mode, s3ObjectLockDays: days })
    const before = Date.now()
    await storage.put('small', [Buffer.from('x')], signal)
    await storage.put('large', [Buffer.alloc(65 << 20)], signal)
    for (const name of ['p/small', 'p/large']) {
      const version = standIn.versions.get(name)?.at(-1)
      assert.equal(version?.mode, mode.toUpperCase())
      assert.match(version?.until ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      const left = Date.parse(version?.until ?? '') - before - days * 86_400_000
      assert.ok(left >= 0 && left < 60_000, version?.until)
    }
    await storage.close?.()
  }
  assert.equal(asked(), 2)
})

test('what is removed is hidden, and its version stays', async () => {
  const storage = await standIn.open(locked)
  await storage.put('k', [Buffer.from('x')], signal)
  await storage.remove('k', signal)
  await storage.remove('k', signal)
  assert.deepEqual(await Array.fromAsync(storage.list('', signal)), [])
  await assert.rejects(Array.fromAsync(storage.get('k', undefined, signal)), { code: 'not-found' })
  assert.equal(standIn.versions.get('p/k')?.[0]?.content?.toString(), 'x')
  await storage.close?.()
})

test('without the options nothing is asked and nothing is locked', async () => {
  const storage = await standIn.open({}, true)
  await storage.put('k', [Buffer.from('x')], signal)
  assert.equal(standIn.versions.get('p/k')?.[0]?.mode, undefined)
  assert.equal(asked(), 0)
  await storage.close?.()
})

test('a bucket without locks: refused before anything is written, and never by who reads', async () => {
  standIn.locks = false
  const failure = { code: 'denied', message: /^The bucket bucket does not lock objects\.$/ }
  await assert.rejects(standIn.open(locked, true), failure)
  const storage = await standIn.open(locked)
  assert.deepEqual(await Array.fromAsync(storage.list('', signal)), [])
  await assert.rejects(storage.put('k', [Buffer.from('x')], signal), failure)
  assert.equal(standIn.versions.size, 0)
  await storage.close?.()
  standIn.locks = true
  for (const [status, body, code] of [
    [200, '<ListBucketResult></ListBucketResult>', 'denied'],
    [200, '<ObjectLockConfiguration/>', 'denied'],
    [501, '<Error><Code>NotImplemented</Code></Error>', 'denied'],
    [405, '<Error><Code>MethodNotAllowed</Code></Error>', 'denied'],
    [403, '<Error><Code>AccessDenied</Code></Error>', 'denied'],
    [503, '<Error><Code>SlowDown</Code></Error>', 'unavailable'],
  ] as const) {
    standIn.meddle = (request, response) => {
      if (request.url?.includes('object-lock')) response.writeHead(status).end(body)
      return request.url?.includes('object-lock') ?? false
    }
    await assert.rejects(standIn.open(locked, true), { code })
  }
})

test('a bucket that is made is made with locks when they are asked for', async () => {
  standIn.locks = undefined
  const storage = await standIn.open(locked, true)
  await storage.put('k', [Buffer.from('x')], signal)
  assert.equal(standIn.versions.get('p/k')?.[0]?.mode, 'COMPLIANCE')
  await storage.close?.()
  standIn.locks = undefined
  await (await standIn.open({}, true)).close?.()
  assert.equal(standIn.locks, false)
})

test('options that need each other, and modes and days that are none', async () => {
  for (const given of [
    { s3ObjectLock: 'compliance' },
    { s3ObjectLockDays: 3 },
    { s3ObjectLock: 'legal', s3ObjectLockDays: 3 },
    { s3ObjectLock: 'governance', s3ObjectLockDays: 0 },
    { s3ObjectLock: 'governance', s3ObjectLockDays: 1.5 },
  ]) {
    await assert.rejects(standIn.open(given), { code: 'usage' })
  }
  assert.deepEqual(standIn.seen, [])
})
