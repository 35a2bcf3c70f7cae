// A stand-in that answers what services answer on bad days: each is one clear sentence, a fitting code, no secret.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { checkOptions, isFailure, quietContext, type Storage } from '@freezer/sdk'
import { s3 } from '../src/index.ts'

const secretKey = 'a-secret-of-the-test'
const { signal } = new AbortController()

type Handler = (request: http.IncomingMessage, response: http.ServerResponse, body: Buffer) => void

const emptyPage = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
const fine: Handler = (_request, response) => response.end(emptyPage)
let handler = fine
const seen: { readonly method: string; readonly url: string; readonly headers: http.IncomingHttpHeaders }[] =
  []
const server = http.createServer((request, response) => {
  const { method = '', url = '', headers } = request
  seen.push({ method, url, headers })
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => handler(request, response, Buffer.concat(chunks)))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
after(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  handler = fine
  seen.length = 0
})

const values = {
  container: 'bucket/prefix',
  endpoint: `http://127.0.0.1:${port}`,
  region: 'us-east-1',
  accessKey: 'KEY',
  secretKey,
}

async function open(given: Record<string, unknown> = {}, create = false): Promise<Storage> {
  return s3.open(checkOptions(s3.options, { ...values, ...given }), quietContext(), { create })
}

const refuse =
  (status: number, code: string, headers: http.OutgoingHttpHeaders = {}, more = ''): Handler =>
  (_request, response) => {
    const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${secretKey}</Message>${more}</Error>`
    response.writeHead(status, headers).end(code === '' ? '' : xml)
  }

async function fails(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(isFailure(error), `no failure, but ${String(error)}`)
  assert.equal(error.code, code, error.message)
  assert.match(error.message, message)
  assert.ok((error.remedy ?? '').length > 10, `${error.message} has no remedy`)
  assert.ok(!JSON.stringify([error.message, error.remedy, error.facts]).includes(secretKey))
}

const read = (storage: Storage, range?: { offset: number; length: number }) =>
  Array.fromAsync(storage.get('k', range, signal)).then((chunks) => Buffer.concat(chunks).toString())
const list = (storage: Storage) => Array.fromAsync(storage.list('', signal))

test('what a service refuses', async () => {
  const cases: [status: number, code: string, failure: string, message: RegExp][] = [
    [403, 'AccessDenied', 'denied', /access is denied/],
    [403, 'InvalidAccessKeyId', 'denied', /access key is not known/],
    [403, 'SignatureDoesNotMatch', 'denied', /signature is wrong/],
    [403, 'RequestTimeTooSkewed', 'denied', /clocks/],
    [400, 'ExpiredToken', 'denied', /session token has expired/],
    [503, 'SlowDown', 'unavailable', /busy/],
    [503, '', 'unavailable', /busy/],
    [429, '', 'unavailable', /busy/],
    [500, 'InternalError', 'unavailable', /busy/],
    [400, 'RequestTimeout', 'unavailable', /busy/],
    [403, '', 'denied', /access is denied/],
    [507, '', 'no-space', /no room/],
    [403, 'QuotaExceeded', 'no-space', /no room/],
    [400, 'BadDigest', 'unavailable', /altered on its way/],
    [413, 'EntityTooLarge', 'configuration', /larger than the service takes/],
    [418, 'Teapot', 'denied', /the answer is 418 Teapot/],
  ]
  const storage = await open()
  for (const [status, code, failure, message] of cases) {
    handler = refuse(status, code)
    await fails(open(), failure, message)
    await fails(storage.put('k', [Buffer.from('x')], signal), failure, message)
    await fails(read(storage), failure, message)
    await fails(list(storage), failure, message)
    await fails(storage.remove('k', signal), failure, message)
  }
  await storage.close?.()
})

test('the wrong region: the right one is named', async () => {
  for (const answer of [
    refuse(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-west-1' }),
    refuse(400, 'AuthorizationHeaderMalformed', {}, '<Region>eu-west-1</Region>'),
    refuse(307, 'TemporaryRedirect', { 'x-amz-bucket-region': 'eu-west-1', location: 'http://127.0.0.1:1/' }),
  ]) {
    handler = answer
    await fails(open(), 'configuration', /lies in the region eu-west-1/)
  }
})

test('a bucket that is missing is made when that is permitted, and only then', async () => {
  handler = refuse(404, 'NoSuchBucket')
  await fails(open(), 'not-found', /no bucket bucket/)
  assert.deepEqual(
    seen.map(({ method }) => method),
    ['GET'],
  )
  const made: string[] = []
  handler = (request, response, body) => {
    if (request.method !== 'PUT') return refuse(404, 'NoSuchBucket')(request, response, body)
    made.push(`${request.url} ${body.toString()}`)
    response.end()
  }
  await (await open({}, true)).close?.()
  await (await open({ region: 'eu-west-1' }, true)).close?.()
  assert.equal(made[0], '/bucket ')
  assert.match(made[1] ?? '', /^\/bucket <Create.*<LocationConstraint>eu-west-1</)
  for (const [code, outcome] of [
    ['BucketAlreadyOwnedByYou', undefined],
    ['BucketAlreadyExists', 'denied'],
  ] as const) {
    handler = (request, response, body) =>
      refuse(request.method === 'PUT' ? 409 : 404, request.method === 'PUT' ? code : 'NoSuchBucket')(
        request,
        response,
        body,
      )
    if (outcome === undefined) await (await open({}, true)).close?.()
    else await fails(open({}, true), outcome, /belongs to somebody else/)
  }
  handler = refuse(403, 'AccessDenied')
  await fails(open({}, true), 'denied', /access is denied/)
})

test('a bucket that is gone is not a blob that is gone', async () => {
  const storage = await open()
  handler = refuse(404, 'NoSuchBucket')
  await fails(list(storage), 'not-found', /no bucket/)
  await fails(storage.remove('k', signal), 'not-found', /no bucket/)
  await fails(read(storage), 'not-found', /no bucket/)
  handler = refuse(404, 'NoSuchKey')
  await storage.remove('k', signal)
  await fails(read(storage), 'not-found', /it is not there/)
  await storage.close?.()
})

test('a body that is cut, or stops, is a failure, never a short answer', async () => {
  const storage = await open({ s3Timeout: 1000 })
  const content = 'x'.repeat(200_000)
  const respond = (response: http.ServerResponse) =>
    response.writeHead(200, { 'content-length': content.length })
  handler = (request, response) => {
    respond(response).write(content.slice(0, 100_000))
    setTimeout(() => request.socket.destroy(), 20)
  }
  await fails(read(storage), 'unavailable', /lost|ended before/)
  await fails(read(storage, { offset: 0, length: 150_000 }), 'unavailable', /lost|ended before/)
  handler = (_request, response) => {
    respond(response).write(content.slice(0, 100_000))
  }
  await fails(read(storage), 'unavailable', /does not answer/)
  handler = () => {}
  await fails(read(storage), 'unavailable', /does not answer/)
  handler = (request, response) => {
    response.writeHead(200).write(emptyPage.slice(0, 30))
    setTimeout(() => request.socket.destroy(), 20)
  }
  await fails(list(storage), 'unavailable', /lost/)
  handler = (_request, response) => response.end(emptyPage.slice(0, 30))
  await fails(list(storage), 'unavailable', /is none/)
  await storage.close?.()
})

test('ranges: those that are known, those that are not, and others than were asked for', async () => {
  const storage = await open()
  handler = (_request, response) => response.end('0123456789')
  assert.equal(await read(storage, { offset: 2, length: 3 }), '234')
  assert.equal(await read(storage, { offset: 8, length: 30 }), '89')
  assert.equal(await read(storage, { offset: 20, length: 3 }), '')
  handler = (_request, response) => response.writeHead(206, { 'content-range': 'bytes 2-4/10' }).end('234')
  assert.equal(await read(storage, { offset: 2, length: 3 }), '234')
  await fails(read(storage, { offset: 3, length: 3 }), 'unavailable', /ended before it was whole/)
  await fails(read(storage), 'unavailable', /ended before it was whole/)
  handler = (_request, response) => response.writeHead(416).end()
  assert.equal(await read(storage, { offset: 30, length: 3 }), '')
  await storage.close?.()
})

test('less of a range than there is, and a body whose end is unknown, are failures', async () => {
  const storage = await open()
  const range = { offset: 2, length: 5 }
  const part = (value: string, body: string): Handler => {
    return (_request, response) => response.writeHead(206, { 'content-range': value }).end(body)
  }
  handler = part('bytes 2-6/10', '23456')
  assert.equal(await read(storage, range), '23456')
  handler = part('bytes 2-4/5', '234')
  assert.equal(await read(storage, range), '234')
  for (const [value, body] of [
    ['bytes 2-4/10', '234'],
    ['bytes 2-4/*', '234'],
    ['bytes 2-7/10', '234567'],
    ['bytes 2-6/10', '234'],
    ['bytes 2-6/10', '23456789'],
    ['bytes 4-2/10', ''],
    ['nonsense', '23456'],
  ] as const) {
    handler = part(value, body)
    await fails(read(storage, range), 'unavailable', /ended before it was whole/)
  }
  handler = (request) => request.socket.end('HTTP/1.1 200 OK\r\n\r\n0123456789')
  await fails(read(storage), 'unavailable', /ended before it was whole/)
  await fails(read(storage, range), 'unavailable', /ended before it was whole/)
  await storage.close?.()
})

test('how long a service wants to be left alone is a fact of the failure', async () => {
  const storage = await open()
  const later = new Date(Date.now() + 90_000).toUTCString()
  for (const [header, least, most] of [
    ['7', 7, 7],
    [later, 85, 91],
    ['soon', undefined, undefined],
  ] as const) {
    for (const [status, code] of [
      [503, 'SlowDown'],
      [429, ''],
    ] as const) {
      handler = refuse(status, code, { 'retry-after': header })
      const calls = [
        () => open(),
        () => storage.put('k', [Buffer.from('x')], signal),
        () => read(storage),
        () => list(storage),
        () => storage.remove('k', signal),
      ]
      for (const call of calls) {
        const error: unknown = await call().catch((reason: unknown) => reason)
        assert.ok(isFailure(error) && error.code === 'unavailable')
        const seconds = error.facts['retryAfter']
        if (least === undefined) assert.equal(seconds, undefined)
        else assert.ok(Number(seconds) >= least && Number(seconds) <= most, `${header}: ${seconds}`)
      }
    }
  }
  await storage.close?.()
})

test('what is no service of S3: a page of the web, and one that sends elsewhere', async () => {
  handler = (_request, response) => response.end('<html>Welcome</html>')
  await fails(open(), 'unavailable', /listing of the bucket bucket is none/)
  for (const status of [301, 302, 307, 308]) {
    const location = `https://s3.example.org/bucket?secret=${secretKey}`
    handler = (_request, response) => response.writeHead(status, { location }).end()
    await fails(open(), 'configuration', /redirects to https:\/\/s3\.example\.org\.$/)
    handler = (_request, response) => response.writeHead(status).end('<html>')
    await fails(open(), 'configuration', /redirects elsewhere\.$/)
  }
})

test('a listing over pages, and one that never ends', async () => {
  const storage = await open()
  const page = (request: http.IncomingMessage) => {
    const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('continuation-token') ?? 0)
    const more = `<IsTruncated>true</IsTruncated><NextContinuationToken>${at + 1}</NextContinuationToken>`
    return `<ListBucketResult><Contents><Key>prefix/k${at}</Key><Size>${at}</Size></Contents>${at < 3 ? more : '<IsTruncated>false</IsTruncated>'}</ListBucketResult>`
  }
  handler = (request, response) => response.end(page(request))
  assert.deepEqual(
    await list(storage),
    [0, 1, 2, 3].map((at) => ({ key: `k${at}`, size: at })),
  )
  handler = (request, response) =>
    new URL(request.url ?? '', 'http://x').searchParams.get('continuation-token') === '2'
      ? refuse(503, 'SlowDown')(request, response, Buffer.alloc(0))
      : response.end(page(request))
  await fails(list(storage), 'unavailable', /busy/)
  handler = (_request, response) =>
    response.end(
      '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>',
    )
  await fails(list(storage), 'unavailable', /is none/)
  await storage.close?.()
})

test('a put carries its digests, a connection that was kept and is gone is no failure', async () => {
  const storage = await open({ sessionToken: 'TOKEN' })
  let count = 0
  handler = (request, response, body) => {
    assert.equal(request.headers['x-amz-content-sha256'], createHash('sha256').update(body).digest('hex'))
    assert.equal(request.headers['content-md5'], createHash('md5').update(body).digest('base64'))
    assert.equal(request.headers['x-amz-security-token'], 'TOKEN')
    assert.match(
      request.headers.authorization ?? '',
      /^AWS4-HMAC-SHA256 Credential=KEY\/\d{8}\/us-east-1\/s3\//,
    )
    assert.ok(!JSON.stringify(request.headers).includes(secretKey))
    count++
    response.end()
    setImmediate(() => request.socket.destroy())
  }
  for (let at = 0; at < 5; at++)
    await storage.put('k', [Buffer.alloc(300_000, at), Buffer.from('end')], signal)
  assert.equal(count, 5)
  await storage.close?.()
})

test('a put that is refused before all of it was sent is not in the way of the next request', async (t) => {
  const busy = net.createServer((socket) => {
    let text = ''
    /** Bytes of a body that are to come. */
    let left = 0
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      text += bytes.subarray(left).toString('latin1')
      left = Math.max(0, left - bytes.length)
      if (!text.includes('\r\n\r\n')) return
      const [head = '', ...rest] = text.split('\r\n\r\n')
      text = ''
      const answer = (status: string, body: string) =>
        socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      if (!head.startsWith('PUT ')) {
        answer('200 OK', head.includes('list-type') ? emptyPage : 'content')
        return
      }
      left = Number(/content-length: (\d+)/i.exec(head)?.[1]) - rest.join('\r\n\r\n').length
      answer('503 Slow Down', '')
      // The body fills what lies between, and the answer comes first.
      socket.pause()
      setTimeout(() => socket.resume(), 300)
    })
  })
  busy.listen(0, '127.0.0.1')
  await once(busy, 'listening')
  t.after(() => busy.close())
  const endpoint = `http://127.0.0.1:${(busy.address() as AddressInfo).port}`
  const storage = await open({ endpoint, s3Timeout: 5000 })
  const chunks = Array.from({ length: 64 }, () => Buffer.alloc(512 * 1024))
  for (let at = 0; at < 3; at++) {
    await fails(storage.put('k', chunks, signal), 'unavailable', /busy/)
    // By then the connection could be taken for one that is free.
    await pause(600)
    assert.equal(await read(storage), 'content')
  }
  await storage.close?.()
})

test('nobody there, and no such machine', async () => {
  await fails(open({ endpoint: 'http://127.0.0.1:1' }), 'unavailable', /refuses the connection/)
  await fails(open({ endpoint: 'http://no-such-host.invalid' }), 'not-found', /no machine called/)
  await fails(open({ endpoint: `https://127.0.0.1:${port}` }), 'unavailable', /does not speak TLS/)
})

test('the bucket stands in the path, or before the name of the host', async () => {
  const at = async (given: Record<string, unknown>) => {
    seen.length = 0
    await (await open(given)).close?.()
    return `${seen[0]?.headers.host} ${seen[0]?.url.split('?')[0]}`
  }
  assert.equal(await at({}), `127.0.0.1:${port} /bucket`)
  assert.equal(await at({ endpoint: `http://127.0.0.1:${port}/base` }), `127.0.0.1:${port} /base/bucket`)
  const virtual = { s3Addressing: 'virtual', endpoint: `http://host.invalid:${port}` }
  await fails(open(virtual), 'not-found', /no machine called bucket\.host\.invalid/)
  const amazon = { endpoint: 'https://s3.amazonaws.com.invalid', s3Addressing: 'auto' }
  await fails(open(amazon), 'not-found', /no machine called s3\.amazonaws\.com\.invalid/)
})

test('names that are no buckets', async () => {
  for (const container of [
    '',
    '/',
    'ab',
    'a b c',
    '-abc',
    'bucket/../x',
    'bucket/./x',
    `bucket/${'x'.repeat(200)}`,
  ]) {
    const outcome = open({ container })
    await assert.rejects(
      outcome,
      (error) => isFailure(error) && ['configuration', 'usage'].includes(error.code),
    )
  }
})
