import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { isFailure, quietContext, type RunReport } from '@freezer/sdk'
import { webhook } from '../src/index.ts'

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-webhook-'))
after(() => fs.rmSync(scratch, { recursive: true }))

const report: RunReport = {
  run: '7f0c2f0e-8b1d-4c9c-9d43-0f6a3a3f1a11',
  command: 'backup',
  outcome: 'warnings',
  exitStatus: 3,
  failure: { code: 'incomplete', message: '1 of the entries could not be read.' },
  machine: 'web1',
  storage: 'local',
  host: 'web1',
  name: 'höme "x"',
  started: '2026-11-20T12:00:00.000Z',
  ended: '2026-11-20T12:00:01.500Z',
  seconds: 1.5,
  backups: [{ host: 'web1', name: 'höme "x"', facts: { id: 'ab', level: 1, unread: 1, bytes: 12 } }],
}
/** Stands in the path of every address, and must stand nowhere else. */
const secret = 'T0pSecretPath'

interface Received {
  readonly method: string | undefined
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  /** Milliseconds, from any start. */
  readonly at: number
}

type Answer = (response: http.ServerResponse, count: number) => void

/** A server that answers each request as it is told, and keeps what it was sent. */
async function listen(
  answer: Answer,
  tls?: { key: string; cert: string },
): Promise<AsyncDisposable & { url: string; received: Received[] }> {
  const received: Received[] = []
  const handle = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method, headers } = request
    const body = Buffer.concat(chunks).toString('utf8')
    received.push({ method, headers, body, at: performance.now() })
    answer(response, received.length)
  }
  const server = tls === undefined ? http.createServer(handle) : https.createServer(tls, handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/${secret}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function say(status: number, headers: Record<string, string> = {}): Answer {
  return (response) => response.writeHead(status, headers).end('what the server says')
}

function notify(
  url: string,
  { token, signal }: { token?: string; signal?: AbortSignal } = {},
): Promise<void> {
  return webhook.notify(report, { webhookUrl: url, webhookTokenFile: token }, quietContext(signal))
}

/** Fails unless `promise` fails with `code` and words that give nothing away. */
async function fails(promise: Promise<void>, code: string, words: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isFailure(error))
    assert.equal(error.code, code)
    assert.match(error.message, words)
    const all = `${error.message}${error.remedy}${JSON.stringify(error.facts)}${error.stack}${String(error.cause)}`
    assert.doesNotMatch(all, /T0pSecret|127\.0\.0\.1|hunter2|what the server says/)
    assert.equal(error.cause, undefined)
    return true
  })
}

test('posts the report as JSON, once', async () => {
  await using server = await listen(say(204))
  await notify(server.url)
  assert.equal(server.received.length, 1)
  const [{ method, headers, body } = assert.fail()] = server.received
  assert.equal(method, 'POST')
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers.authorization, undefined)
  assert.deepEqual(JSON.parse(body), report)
})

test('sends the token of a file, its first line', async () => {
  const file = path.join(scratch, 'token')
  fs.writeFileSync(file, 'hunter2-abc \r\nmore\n')
  await using server = await listen(say(200))
  await notify(server.url, { token: file })
  assert.equal(server.received[0]?.headers.authorization, 'Bearer hunter2-abc')

  for (const content of ['', '\nhunter2', 'hunter2 hunter2', 'hunter2\u00e9', 'x'.repeat(100_000)]) {
    fs.writeFileSync(file, content)
    await fails(notify(server.url, { token: file }), 'configuration', /no token in its first line/)
  }
  await assert.rejects(notify(server.url, { token: path.join(scratch, 'none') }), { code: 'not-found' })
  assert.equal(server.received.length, 1)
})

test('a server that fails, then works, has the message; each pause is longer', async () => {
  await using server = await listen((response, count) => say(count < 4 ? 500 : 200)(response, count))
  await notify(server.url)
  assert.equal(server.received.length, 4)
  const [a, b, c, d] = server.received.map(({ at }) => at) as [number, number, number, number]
  assert.ok(b - a > 200 && c - b > 450 && d - c > 950, `${b - a}, ${c - b}, ${d - c}`)
  assert.equal(new Set(server.received.map(({ body }) => body)).size, 1)
})

test('a server that goes on failing is given up', async () => {
  for (const status of [500, 503, 429]) {
    await using server = await listen(say(status))
    await fails(notify(server.url), 'unavailable', new RegExp(`^The webhook answered ${status}\\.$`))
    assert.equal(server.received.length, 4)
  }
})

test('a pause that the server asks for is kept, a long one is not waited for', async () => {
  await using short = await listen((response, count) =>
    say(count === 1 ? 429 : 200, count === 1 ? { 'retry-after': '1' } : {})(response, count),
  )
  await notify(short.url)
  const [a, b] = short.received.map(({ at }) => at) as [number, number]
  assert.ok(b - a >= 990, `${b - a}`)

  await using long = await listen(say(429, { 'retry-after': '3600' }))
  await fails(notify(long.url), 'unavailable', /answered 429/)
  await using date = await listen(
    say(503, { 'retry-after': new Date(Date.now() + 86_400_000).toUTCString() }),
  )
  await fails(notify(date.url), 'unavailable', /answered 503/)
  await using odd = await listen((response, count) =>
    say(count === 1 ? 503 : 200, { 'retry-after': 'soon' })(response, count),
  )
  await notify(odd.url)
  assert.deepEqual([long.received.length, date.received.length, odd.received.length], [1, 1, 2])
})

test('a message that is refused is not sent again', async () => {
  for (const status of [400, 401, 403, 404, 410]) {
    await using server = await listen(say(status))
    await fails(notify(server.url), 'denied', new RegExp(`answered ${status}`))
    assert.equal(server.received.length, 1)
  }
})

test('a redirection is not followed', async () => {
  await using other = await listen(say(200))
  for (const status of [301, 302, 307, 308]) {
    await using server = await listen(say(status, { location: other.url }))
    await fails(notify(server.url), 'denied', new RegExp(`answered ${status}`))
    assert.equal(server.received.length, 1)
  }
  assert.equal(other.received.length, 0)
})

test('a server that does not answer is asked again, and has not more time than the host gives', async () => {
  await using late = await listen((response, count) => {
    if (count > 1) say(200)(response, count)
  })
  const started = performance.now()
  await notify(late.url)
  assert.equal(late.received.length, 2)
  const took = performance.now() - started
  assert.ok(took > 3000 && took < 6000, `${took}`)

  await using silent = await listen(() => {})
  const begin = performance.now()
  await fails(notify(silent.url, { signal: AbortSignal.timeout(500) }), 'unavailable', /does not answer/)
  assert.ok(performance.now() - begin < 1500)
})

test('an answer without end is not read', async () => {
  await using server = await listen((response) => {
    response.writeHead(200)
    const timer = setInterval(() => response.write('x'.repeat(65_536)), 1)
    response.on('close', () => clearInterval(timer))
  })
  const started = performance.now()
  await notify(server.url)
  assert.ok(performance.now() - started < 1000)
})

test('nobody listens', async () => {
  const server = await listen(say(200))
  await server[Symbol.asyncDispose]()
  await fails(notify(server.url), 'unavailable', /cannot be reached: ECONNREFUSED/)
})

test('a connection that breaks is tried again', async () => {
  await using server = await listen((response, count) => {
    if (count === 1) response.socket?.destroy()
    else say(200)(response, count)
  })
  await notify(server.url)
  assert.equal(server.received.length, 2)
})

test('a certificate that nobody vouches for is refused, and nothing is sent', async () => {
  const key = path.join(scratch, 'key.pem')
  const cert = path.join(scratch, 'cert.pem')
  const { status, stderr } = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=127.0.0.1',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
    '-keyout',
    key,
    '-out',
    cert,
  ])
  assert.equal(status, 0, String(stderr))
  await using server = await listen(say(200), {
    key: fs.readFileSync(key, 'utf8'),
    cert: fs.readFileSync(cert, 'utf8'),
  })
  await fails(
    notify(server.url),
    'denied',
    /certificate of the webhook is not to be trusted: \w*SELF_SIGNED_CERT/,
  )
  assert.equal(server.received.length, 0)
})

test('an address that is none is refused without being shown', async () => {
  for (const url of [secret, `ftp://127.0.0.1/${secret}`, 'file:///etc/T0pSecret', `https://`]) {
    await fails(notify(url), 'configuration', /no address of the web/)
  }
  await fails(notify(`https://me:hunter2@127.0.0.1/${secret}`), 'configuration', /user and password/)
})
