// Large blobs go in parts: whole or not at all, whatever happens on the way, and no upload is left behind that could be ended.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startStandIn } from './stand-in.ts'

const { signal } = new AbortController()
const mebibyte = 1 << 20
const standIn = await startStandIn()
after(() => standIn.close())
beforeEach(() => {
  standIn.locks = false
  standIn.versions.clear()
  standIn.uploads.clear()
  standIn.seen.length = 0
  standIn.busiest = 0
  standIn.meddle = () => false
})

/** Chunks that fit no part, each part with other bytes. */
const large = Array.from({ length: 23 }, (_, at) => Buffer.alloc(3 * mebibyte - at, at + 1))
const size = large.reduce((sum, { length }) => sum + length, 0)
const hash = (content: Buffer | undefined) =>
  createHash('sha256')
    .update(content ?? '')
    .digest('hex')
const wholeHash = hash(Buffer.concat(large))
const current = () => standIn.versions.get('p/k')?.at(-1)?.content

test('a blob above 64 MiB goes in parts, a few at a time; one of 64 MiB in one put', async () => {
  const storage = await standIn.open()
  await storage.put('k', [Buffer.alloc(64 * mebibyte)], signal)
  assert.equal(standIn.seen.filter((line) => line.startsWith('POST')).length, 0)
  standIn.seen.length = 0
  const paced: number[] = []
  await storage.put('k', large, signal, (bytes) => {
    paced.push(bytes)
    return Promise.resolve()
  })
  assert.equal(hash(current()), wholeHash)
  assert.equal(
    paced.reduce((sum, bytes) => sum + bytes, 0),
    size,
  )
  const puts = standIn.seen.filter((line) => line.startsWith('PUT'))
  assert.equal(puts.length, 5)
  assert.ok(
    puts.every((line) => line.endsWith('&uploadId=upload%201%26')),
    puts[0],
  )
  assert.ok(standIn.busiest > 1 && standIn.busiest <= 4, `${standIn.busiest} at once`)
  assert.equal(standIn.uploads.size, 0)
  await storage.close?.()
})

test('a part that is refused, cut or without ETag: the old blob stays, the upload is given up', async () => {
  const storage = await standIn.open()
  await storage.put('k', [Buffer.from('old')], signal)
  for (const [spoil, code] of [
    [(response) => response.writeHead(503).end(), 'unavailable'],
    [(response) => response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>'), 'denied'],
    [(response) => response.writeHead(507).end(), 'no-space'],
    [(response) => response.destroy(), 'unavailable'],
    [(response) => response.writeHead(200).end(), 'unavailable'],
  ] as [(response: import('node:http').ServerResponse) => void, string][]) {
    standIn.seen.length = 0
    standIn.meddle = (request, response) => {
      if (!request.url?.includes('partNumber=3')) return false
      spoil(response)
      return true
    }
    await assert.rejects(storage.put('k', large, signal), { code })
    assert.equal(standIn.uploads.size, 0)
    assert.equal(current()?.toString(), 'old')
    const last = standIn.seen.at(-1) ?? ''
    assert.match(last, /^DELETE .*uploadId=/, 'parts end before the upload does')
  }
  await storage.close?.()
})

test('who aborts gets no blob, and leaves no upload', async () => {
  const storage = await standIn.open()
  const stop = new AbortController()
  standIn.meddle = (request) => {
    if (request.url?.includes('partNumber=2')) setImmediate(() => stop.abort())
    return request.url?.includes('partNumber=2') ?? false
  }
  await assert.rejects(storage.put('k', large, stop.signal), { code: 'interrupted' })
  assert.equal(standIn.uploads.size, 0)
  assert.equal(standIn.versions.size, 0)
  await storage.close?.()
})

test('200 is not yet success: an error, or nothing, inside the answer that completes', async () => {
  const storage = await standIn.open()
  for (const [body, code] of [
    ['<?xml version="1.0"?>\n   <Error><Code>InternalError</Code></Error>', 'unavailable'],
    ['<Error><Code>AccessDenied</Code></Error>', 'denied'],
    ['<Error><Code>Teapot</Code></Error>', 'denied'],
    ['', 'unavailable'],
    ['<CompleteMultipartUploadResult>', 'unavailable'],
  ] as const) {
    standIn.meddle = (request, response) => {
      if (request.method !== 'POST' || !request.url?.includes('uploadId=')) return false
      response.end(body)
      return true
    }
    await assert.rejects(storage.put('k', large, signal), { code })
    assert.equal(standIn.versions.size, 0)
  }
  await storage.close?.()
})

test('an upload is given up when completing is refused, and left alone when nobody knows', async () => {
  const storage = await standIn.open()
  for (const [status, code, left] of [
    [400, 'InvalidPart', 0],
    [403, 'AccessDenied', 0],
    [500, 'InternalError', 1],
    [404, 'NoSuchUpload', 1],
    [0, '', 1],
  ] as const) {
    standIn.uploads.clear()
    standIn.meddle = (request, response) => {
      if (request.method !== 'POST' || !request.url?.includes('uploadId=')) return false
      if (status === 0) response.destroy()
      else response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`)
      return true
    }
    await assert.rejects(storage.put('k', large, signal), {
      code: code === 'AccessDenied' ? 'denied' : 'unavailable',
    })
    assert.equal(standIn.uploads.size, left, code)
  }
  await storage.close?.()
})

test('a service that knows no parts, or says nothing of the upload', async () => {
  const storage = await standIn.open()
  for (const [status, body, code] of [
    [501, '<Error><Code>NotImplemented</Code></Error>', 'configuration'],
    [501, '', 'configuration'],
    [200, '<InitiateMultipartUploadResult/>', 'unavailable'],
    [404, '<Error><Code>NoSuchBucket</Code></Error>', 'unavailable'],
  ] as const) {
    standIn.meddle = (request, response) => {
      if (request.method === 'POST') response.writeHead(status).end(body)
      return request.method === 'POST'
    }
    await assert.rejects(storage.put('k', large, signal), { code })
  }
  await storage.close?.()
})

test('a put that hangs while the upload is given up ends all the same', async () => {
  const storage = await standIn.open({ s3Timeout: 1000 })
  standIn.meddle = (request, response) => {
    if (request.url?.includes('partNumber=1&')) response.writeHead(403).end()
    return request.method === 'DELETE' || (request.url?.includes('partNumber=1&') ?? false)
  }
  const outcome = assert.rejects(storage.put('k', large, signal), { code: 'denied' })
  await Promise.race([outcome, pause(8000, undefined, { ref: false }).then(() => assert.fail('hangs'))])
  await storage.close?.()
})

test('uploads that killed runs left are dropped by who writes, when they are old and surely ours', async () => {
  const old = new Date(Date.now() - 8 * 86_400_000).toISOString()
  const young = new Date(Date.now() - 6 * 86_400_000).toISOString()
  const leave = (id: string, object: string, initiated: string) =>
    standIn.uploads.set(id, { object, initiated, headers: {}, parts: new Map() })
  const leaveAll = () => {
    leave('ours', 'p/a/b', old)
    leave('young', 'p/a/c', young)
    leave('of who is beside', 'pp/a', old)
    leave('of another program', 'p/a film~.mp4', old)
    leave('timeless', 'p/a/d', 'some day')
    leave('maybe completed', 'p/there', old)
    standIn.versions.set('p/there', [{ content: Buffer.from('x'), mode: undefined, until: undefined }])
  }
  leaveAll()
  await (await standIn.open()).close?.()
  assert.equal(standIn.uploads.size, 6)
  await (await standIn.open({ container: 'bucket' }, true)).close?.()
  assert.equal(standIn.uploads.size, 6)
  await (await standIn.open({}, true)).close?.()
  assert.deepEqual(
    [...standIn.uploads.keys()],
    ['young', 'of who is beside', 'of another program', 'timeless', 'maybe completed'],
  )
  for (const status of [403, 404, 500, 501, 200]) {
    standIn.meddle = (request, response) => {
      if (request.url?.includes('uploads=')) response.writeHead(status).end('?')
      return request.url?.includes('uploads=') ?? false
    }
    await (await standIn.open({}, true)).close?.()
  }
})
