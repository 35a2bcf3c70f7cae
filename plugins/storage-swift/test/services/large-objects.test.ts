// What others put into a container in pieces: static and dynamic large objects.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, test } from 'node:test'
import { noise } from '@freezer/sdk/testing'
import { keeper, startSwift } from '../../../../test/services/swift.ts'
import { asKeeper, listing, never, open, read } from './support.ts'

const server = await startSwift({ pageSize: 20, largest: 1_000_000 })
after(() => server[Symbol.asyncDispose]())
const login = await fetch(server.authUrl, {
  headers: { 'x-auth-user': keeper.user, 'x-auth-key': keeper.key },
})
const account = login.headers.get('x-storage-url') ?? ''
const token = login.headers.get('x-auth-token') ?? ''

async function put(path: string, body?: Uint8Array, headers: Record<string, string> = {}): Promise<void> {
  const response = await fetch(account + path, {
    method: 'PUT',
    headers: { 'x-auth-token': token, ...headers },
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  })
  assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`)
}

const storage = await open(asKeeper(server.authUrl, 'large'))
after(() => storage.close?.())
await put('/segments')

test('a static large object is read and listed as the whole that it is', async () => {
  const pieces = [noise(900_000, 1), noise(900_000, 2), noise(17, 3)]
  const manifest = []
  for (const [at, piece] of pieces.entries()) {
    await put(`/segments/s/${at}`, piece)
    const etag = createHash('md5').update(piece).digest('hex')
    manifest.push({ path: `/segments/s/${at}`, etag, size_bytes: piece.length })
  }
  await put('/large/static?multipart-manifest=put', Buffer.from(JSON.stringify(manifest)))
  const whole = Buffer.concat(pieces)
  assert.deepEqual(await read(storage, 'static'), whole)
  assert.deepEqual(await listing(storage, 'static'), [`static ${whole.length}`])
  const range = { offset: 899_990, length: 30 }
  const part = Buffer.concat(await Array.fromAsync(storage.get('static', range, never)))
  assert.deepEqual(part, whole.subarray(899_990, 900_020))
  await storage.remove('static', never)
  assert.deepEqual(await listing(storage, 'static'), [])
})

test('a static large object without one of its segments is damaged', async () => {
  const piece = noise(1000)
  for (const at of [0, 1]) await put(`/segments/b/${at}`, piece)
  const etag = createHash('md5').update(piece).digest('hex')
  const manifest = [0, 1].map((at) => ({ path: `/segments/b/${at}`, etag, size_bytes: 1000 }))
  await put('/large/broken?multipart-manifest=put', Buffer.from(JSON.stringify(manifest)))
  const segments = await open(asKeeper(server.authUrl, 'segments'))
  await segments.remove('b/0', never)
  await assert.rejects(read(storage, 'broken'), { code: 'damaged' })
  await segments.put('b/0', [piece], never)
  await segments.remove('b/1', never)
  await assert.rejects(read(storage, 'broken'), (error: Error & { code?: string }) =>
    ['damaged', 'unavailable'].includes(error.code ?? ''),
  )
  await storage.remove('broken', never)
  await segments.close?.()
})

test('a dynamic large object is read as the whole, and listed with the size of it', async () => {
  const few = Array.from({ length: 3 }, (_, at) => noise(50_000 + at, at + 1))
  for (const [at, piece] of few.entries()) await put(`/segments/d ü/${at}`, piece)
  await put('/large/dynamic', undefined, { 'x-object-manifest': `segments/${encodeURIComponent('d ü')}/` })
  // More than the server adds up: those of a page of a listing.
  const many = Array.from({ length: 45 }, (_, at) => noise(100 + at, at + 1))
  for (const [at, piece] of many.entries()) await put(`/segments/m/${String(at).padStart(3, '0')}`, piece)
  await put('/large/dynamic-of-many', undefined, { 'x-object-manifest': 'segments/m/' })
  await storage.put('empty', [], never)
  for (const [key, pieces] of [
    ['dynamic', few],
    ['dynamic-of-many', many],
  ] as const) {
    assert.deepEqual(await read(storage, key), Buffer.concat(pieces), key)
  }
  const size = (pieces: readonly Uint8Array[]) => pieces.reduce((sum, { length }) => sum + length, 0)
  assert.deepEqual(await listing(storage), [
    `dynamic ${size(few)}`,
    `dynamic-of-many ${size(many)}`,
    'empty 0',
  ])
})

test('more than an object in one piece may have is refused, and says what to do', async () => {
  await assert.rejects(storage.put('too-large', [noise(1_000_001)], never), {
    code: 'configuration',
    message: /larger than the server takes/,
    remedy: /--max-segment-size/,
  })
  assert.ok(!(await listing(storage)).some((line) => line.startsWith('too-large')))
})

test('a quota that is used up is no-space', async () => {
  const full = await open(asKeeper(server.authUrl, 'quota'))
  await fetch(`${account}/quota`, {
    method: 'POST',
    headers: { 'x-auth-token': token, 'x-container-meta-quota-bytes': '1000' },
  })
  await assert.rejects(full.put('k', [noise(2000)], never), { code: 'no-space' })
  await full.put('k', [noise(500)], never)
  assert.deepEqual(await listing(full), ['k 500'])
  await full.close?.()
})

test('what other programs put is listed, and nothing that cannot be read', async () => {
  const odd = await open(asKeeper(server.authUrl, 'odd/host'))
  for (const name of [
    'host/a b',
    'host/.hidden/x',
    'host/ä',
    'host',
    'host/',
    'other/k',
    'host//k',
    'host/d/',
  ]) {
    await put(`/odd/${name.split('/').map(encodeURIComponent).join('/')}`, noise(5))
  }
  await odd.put('k', [noise(7)], never)
  assert.deepEqual(await listing(odd), ['a b 5', 'k 7', 'ä 5'])
  await odd.close?.()
})
