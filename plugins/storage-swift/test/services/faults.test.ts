// What goes wrong between here and a real Swift, struck by a stand-in: nothing is lost, no wrong byte is taken for content, and a
// listing that failed is never empty. Each once without and once with retries.
import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import { isFailure, type Storage } from '@freezer/sdk'
import { noise } from '@freezer/sdk/testing'
import { type Meddling, type Seen, startMeddler } from '../../../../test/services/meddler.ts'
import { keeper, startSwift } from '../../../../test/services/swift.ts'
import { asKeeper, listing, never, open, patient, read } from './support.ts'

const server = await startSwift({ pageSize: 10 })
after(() => server[Symbol.asyncDispose]())
const { origin, pathname } = new URL(server.authUrl)
const meddler = await startMeddler(origin)
after(() => meddler[Symbol.asyncDispose]())
const values = { ...asKeeper(meddler.origin + pathname, 'faults'), osTimeout: '1s' }
const storage = await open(values)
after(() => storage.close?.())
/** The same container, with nothing in between. */
const straight = await open(asKeeper(server.authUrl, 'faults'))
after(() => straight.close?.())

const content = Buffer.from(noise(3_000_000, 5))
const before = Buffer.from(noise(1000, 6))
const many = Array.from({ length: 25 }, (_, at) => `l/${String(at).padStart(2, '0')}`)
for (const key of many) await straight.put(key, [before], never)
const wholeListing = many.map((key) => `${key} 1000`)

afterEach(() => {
  meddler.meddle = () => undefined
  meddler.seen.length = 0
})

type Method = 'put' | 'get' | 'list' | 'remove'

const calls: Record<Method, (which: Storage) => Promise<void>> = {
  put: (which) => which.put('new', [content.subarray(0, 1_000_000), content.subarray(1_000_000)], never),
  async get(which) {
    assert.deepEqual(await read(which, 'kept'), content)
  },
  async list(which) {
    assert.deepEqual(await listing(which, 'l/'), wholeListing)
  },
  remove: (which) => which.remove('old', never),
}
const verbs: Record<Method, string> = { put: 'PUT', get: 'GET', list: 'GET', remove: 'DELETE' }

const isOf = (method: Method, { method: verb, path }: Seen) =>
  verb === verbs[method] && path.startsWith('/v1/') && path.includes('?') === (method === 'list')

/** Meddles with the first `times` requests of `method`. */
function strike(method: Method, meddling: Meddling, times: number, from = 0): void {
  let count = 0
  meddler.meddle = (request) => {
    if (!isOf(method, request)) return undefined
    count++
    return count > from && count <= from + times ? meddling : undefined
  }
}

/** Before each call: `kept` and `old` are there, `new` is not. */
async function prepare(): Promise<void> {
  await straight.put('kept', [content], never)
  await straight.put('old', [before], never)
  await straight.remove('new', never)
}

/** After a call of `method` that succeeded, or did not: nothing is half there. */
async function settled(method: Method, done: boolean): Promise<void> {
  meddler.meddle = () => undefined
  assert.deepEqual(await read(straight, 'kept'), content)
  const keys = (await listing(straight)).filter((line) => !line.startsWith('l/'))
  const fresh = keys.filter((line) => line.startsWith('new '))
  if (fresh.length > 0) assert.deepEqual(await read(straight, 'new'), content)
  if (method === 'put' && done) assert.deepEqual(fresh, [`new ${content.length}`])
  if (method === 'remove' && done) assert.ok(!keys.some((line) => line.startsWith('old ')))
}

async function failureOf(call: Promise<void>): Promise<{ code: string; facts: object; words: string }> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(isFailure(error), `no failure, but ${String(error)}`)
  assert.match(error.message, /^[^.].*\.$/)
  assert.ok((error.remedy ?? '').length > 10, `${error.message} has no remedy`)
  const words = JSON.stringify([error.message, error.remedy, error.facts, error.stack, String(error.cause)])
  assert.doesNotMatch(words, /AUTH_tk|key-of-the-keeper|words of the meddler/)
  return { code: error.code, facts: error.facts, words }
}

const every: readonly Method[] = ['put', 'get', 'list', 'remove']

/** Goes away by itself: fails without retries, and is not noticed with them. */
const passing: readonly [what: string, meddling: Meddling, methods: readonly Method[]][] = [
  ...[408, 429, 498, 500, 502, 503, 504].map(
    (status) =>
      [`an answer ${status}`, { answer: status }, every] as const satisfies [
        string,
        Meddling,
        readonly Method[],
      ],
  ),
  ['an answer 422', { answer: 422 }, ['put']],
  ['a connection that ends before the request arrives', { cut: 'before' }, every],
  ['a connection that ends after the work is done', { cut: 'after' }, every],
  ['a body that is cut at once', { bytes: 0, end: 'cut' }, ['get', 'list']],
  ['a body that is cut in the middle', { bytes: 300, end: 'cut' }, ['get', 'list']],
  ['a body that is cut late', { bytes: 2_999_999, end: 'cut' }, ['get']],
  ['silence in the middle of a body', { bytes: 300, end: 'silence' }, ['get', 'list']],
  ['an answer that takes too long', { delay: 2500 }, every],
  ['a digest of something else', { header: 'etag', value: '0'.repeat(32) }, ['put']],
  ['a bit that is turned on its way there', { flip: 'request' }, ['put']],
  ['a bit that is turned on its way back', { flip: 'answer' }, ['list']],
  ['a page of the web', { answer: 200, body: '<html>Please log in</html>' }, ['list']],
  ['a listing of something else', { answer: 200, body: '[{"name":"l/00"}]' }, ['list']],
  ['an object', { answer: 200, body: '{}' }, ['list']],
  ['nothing', { answer: 200, body: '' }, ['list']],
]

for (const [what, meddling, methods] of passing) {
  for (const method of methods) {
    test(`${method}: ${what}`, async () => {
      await prepare()
      strike(method, meddling, 1)
      assert.equal((await failureOf(calls[method](storage))).code, 'unavailable')
      await settled(method, false)
      await prepare()
      strike(method, meddling, 2)
      await calls[method](patient(storage))
      await settled(method, true)
      // A page in the middle of a listing.
      if (method !== 'list') return
      strike(method, meddling, 1, 2)
      assert.equal((await failureOf(calls.list(storage))).code, 'unavailable')
      strike(method, meddling, 1, 2)
      await calls.list(patient(storage))
    })
  }
}

/** Stays: retries are of no use, and none is made. */
const lasting: readonly [what: string, meddling: Meddling, code: string, methods: readonly Method[]][] = [
  ['an answer 403', { answer: 403 }, 'denied', every],
  ['an answer 400', { answer: 400 }, 'denied', every],
  ['an answer 412', { answer: 412 }, 'denied', every],
  ['a redirection', { answer: 302, headers: { location: 'http://127.0.0.1:1/' } }, 'denied', every],
  ['an answer 404', { answer: 404 }, 'not-found', ['list']],
  ['a quota that is used up', { answer: 413, body: 'Upload exceeds quota.' }, 'no-space', ['put']],
  ['a blob that is too large', { answer: 413 }, 'configuration', ['put']],
  ['a cloud that is full', { answer: 507 }, 'no-space', ['put']],
  ['a large object without its segments', { answer: 409 }, 'damaged', ['get']],
  ['a digest of something else', { header: 'etag', value: '0'.repeat(32) }, 'damaged', ['get']],
  ['a bit that is turned on its way back', { flip: 'answer' }, 'damaged', ['get']],
]

for (const [what, meddling, code, methods] of lasting) {
  for (const method of methods) {
    test(`${method}: ${what}`, async () => {
      for (const which of [storage, patient(storage)]) {
        await prepare()
        meddler.seen.length = 0
        strike(method, meddling, Number.POSITIVE_INFINITY)
        assert.equal((await failureOf(calls[method](which))).code, code)
        assert.equal(meddler.seen.filter((request) => isOf(method, request)).length, 1)
        await settled(method, false)
      }
    })
  }
}

describe('an answer 404 for what is there, as Swift gives while it cannot ask for the container', () => {
  const container = '/v1/AUTH_test/faults'
  for (const method of ['put', 'get', 'remove'] as const) {
    test(`${method}: once, and it is asked again`, async () => {
      await prepare()
      meddler.seen.length = 0
      strike(method, { answer: 404 }, 1)
      await calls[method](storage)
      assert.deepEqual(
        meddler.seen.map((request) => request.method),
        [verbs[method], 'HEAD', verbs[method]],
      )
      await settled(method, true)
    })
    test(`${method}: as long as the container cannot be asked for, it is unavailable`, async () => {
      /** Of so many more looks for the container. */
      let outage = 0
      meddler.meddle = (request) => {
        if (outage === 0) return undefined
        if (isOf(method, request)) return { answer: 404 }
        if (request.path !== container) return undefined
        outage--
        return { answer: 503 }
      }
      await prepare()
      outage = 3
      assert.equal((await failureOf(calls[method](storage))).code, 'unavailable')
      assert.equal(outage, 2)
      outage = 0
      await prepare()
      outage = 2
      await calls[method](patient(storage))
      assert.equal(outage, 0)
      await settled(method, true)
    })
    test(`${method}: always`, async () => {
      await prepare()
      strike(method, { answer: 404 }, Number.POSITIVE_INFINITY)
      if (method === 'remove') await calls.remove(storage)
      else {
        const { code } = await failureOf(calls[method](storage))
        assert.equal(code, method === 'get' ? 'not-found' : 'unavailable')
      }
      await settled(method, false)
    })
  }
})

test('a container that was taken away: a put says so, a removal has nothing to do', async () => {
  const here = await open(asKeeper(server.authUrl, 'taken-away'))
  await here.put('k', [before], never)
  await here.remove('k', never)
  const login = await fetch(server.authUrl, {
    headers: { 'x-auth-user': keeper.user, 'x-auth-key': keeper.key },
  })
  const token = login.headers.get('x-auth-token') ?? ''
  const url = `${login.headers.get('x-storage-url')}/taken-away`
  assert.equal((await fetch(url, { method: 'DELETE', headers: { 'x-auth-token': token } })).status, 204)
  for (const which of [here, patient(here)]) {
    assert.equal((await failureOf(which.put('k', [before], never))).code, 'not-found')
    assert.equal((await failureOf(listing(which).then(() => {}))).code, 'not-found')
    await which.remove('k', never)
  }
  await here.close?.()
})

describe('a token that is refused', () => {
  const logins = () => meddler.seen.filter(({ path }) => path.startsWith('/auth')).length
  for (const method of every) {
    test(`${method}: once, and a new one is had`, async () => {
      await prepare()
      meddler.seen.length = 0
      strike(method, { answer: 401 }, 1)
      await calls[method](storage)
      assert.equal(logins(), 1)
      await settled(method, true)
    })
    test(`${method}: always, and it is said`, async () => {
      for (const which of [storage, patient(storage)]) {
        await prepare()
        meddler.seen.length = 0
        strike(method, { answer: 401 }, Number.POSITIVE_INFINITY)
        assert.equal((await failureOf(calls[method](which))).code, 'denied')
        assert.equal(logins(), 1)
        await settled(method, false)
      }
    })
  }
  test('by many calls at once, and one new one is had for all', async () => {
    const good = new Set<string | undefined>()
    let refused = 0
    // The server that keeps the tokens gives the same one again, so what is refused is the first request of each call.
    const met = new Set<string>()
    meddler.meddle = ({ method, path, headers }) => {
      if (method !== 'PUT' || met.has(path)) return undefined
      met.add(path)
      good.add(String(headers['x-auth-token']))
      refused++
      return { answer: 401 }
    }
    const keys = Array.from({ length: 12 }, (_, at) => `at-once/${at}`)
    await Promise.all(keys.map((key) => storage.put(key, [before], never)))
    assert.equal(refused, 12)
    assert.equal(logins(), 1)
    for (const key of keys) assert.deepEqual(await read(straight, key), before)
    for (const key of keys) await straight.remove(key, never)
  })
  test('and nobody to log in at: unavailable, and later it works', async () => {
    let down = true
    meddler.meddle = ({ method, path }) =>
      path.startsWith('/auth') && down
        ? { answer: 503 }
        : method === 'PUT' && down
          ? { answer: 401 }
          : undefined
    assert.equal((await failureOf(storage.put('new', [before], never))).code, 'unavailable')
    down = false
    await storage.put('new', [before], never)
  })
})

test('how long the server wants to be left alone is a fact of the failure', async () => {
  const later = new Date(Date.now() + 90_000).toUTCString()
  for (const [header, seconds] of [
    ['7', [7, 7]],
    [later, [85, 91]],
    ['soon', undefined],
  ] as const) {
    strike('get', { answer: 429, headers: { 'retry-after': header } }, 1)
    const { code, facts } = await failureOf(calls.get(storage))
    assert.equal(code, 'unavailable')
    const { retryAfter, status } = facts as { retryAfter?: number; status?: number }
    assert.equal(status, 429)
    if (seconds === undefined) assert.equal(retryAfter, undefined)
    else assert.ok(Number(retryAfter) >= seconds[0] && Number(retryAfter) <= seconds[1], String(retryAfter))
  }
})

test('a part: another one than was asked for is refused, a whole blob is cut to size', async () => {
  await prepare()
  const range = { offset: 100, length: 1000 }
  const part = async (which: Storage) => Buffer.concat(await Array.fromAsync(which.get('kept', range, never)))
  for (const value of ['bytes 0-999/3000000', 'bytes 100-1098/3000000', 'nonsense', undefined]) {
    strike('get', { header: 'content-range', value }, 1)
    const call = part(storage).then(() => {})
    assert.equal((await failureOf(call)).code, 'unavailable', String(value))
    strike('get', { header: 'content-range', value }, 2)
    assert.deepEqual(await part(patient(storage)), content.subarray(100, 1100))
  }
  strike('get', { answer: 200, body: 'x'.repeat(100) + 'y'.repeat(1000) + 'x'.repeat(50) }, 1)
  assert.equal((await part(storage)).toString(), 'y'.repeat(1000))
})

test('a listing that begins anew without end is refused', async () => {
  const page = JSON.stringify([
    { name: 'l/00', bytes: 1 },
    { name: 'l/01', bytes: 1 },
  ])
  strike('list', { answer: 200, body: page }, Number.POSITIVE_INFINITY)
  assert.equal((await failureOf(calls.list(storage))).code, 'unavailable')
})

test('a server that is frozen, stopped, and started again', async () => {
  const direct = await open({ ...asKeeper(server.authUrl, 'faults'), osTimeout: '2s' })
  server.freeze()
  for (const method of every) {
    assert.equal((await failureOf(calls[method](direct))).code, 'unavailable')
  }
  server.thaw()
  await calls.list(direct)
  await server.stop()
  for (const method of every) {
    assert.equal((await failureOf(calls[method](direct))).code, 'unavailable')
  }
  await server.start()
  // It has forgotten every token.
  await prepare()
  for (const method of every) {
    await calls[method](direct)
    await settled(method, true)
  }
  await direct.close?.()
})
