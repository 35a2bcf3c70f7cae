import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, quietContext, type RunEvent, type Storage } from '../src/index.ts'
import { retrying, retryingOpen } from '../src/storages/retry.ts'
import { Bandwidth, type Clock, throttled } from '../src/storages/throttle.ts'
import { verifying } from '../src/storages/verify.ts'
import { noise, runContract } from '../testing/contract.ts'
import { type Fault, faultyStorage } from '../testing/faulty-storage.ts'
import { memoryStorage } from '../testing/memory-storage.ts'
import { storageContract } from '../testing/storage-contract.ts'

const signal = new AbortController().signal
const quick = { retries: 3, wait: 1, longest: 4 }
const busy = new Failure('unavailable', 'The server is busy.')
const denied = new Failure('denied', 'The server refuses.')

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks))
}

function patient(faults: readonly Fault[]) {
  const memory = memoryStorage()
  const logged: RunEvent[] = []
  const context = { ...quietContext(signal), report: (event: RunEvent) => void logged.push(event) }
  return { memory, logged, storage: retrying(faultyStorage(memory, faults), context, quick) }
}

test('a storage keeps what it asks for, whatever is around it', () => {
  const context = quietContext(signal)
  const liking: Storage = { ...memoryStorage(), settle: 10, segmentSize: 2 ** 20 }
  const free = new Bandwidth(undefined)
  for (const around of [
    retrying(liking, context, quick),
    throttled(liking, free, free),
    verifying(liking, context),
    faultyStorage(liking, []),
  ]) {
    assert.deepEqual([around.settle, around.segmentSize], [10, 2 ** 20])
  }
})

test('the wrappers keep the contract of a storage', async () => {
  const wraps = [
    async () => patient([]).storage,
    async () => throttled(memoryStorage(), new Bandwidth(2 ** 30), new Bandwidth(undefined)),
    async () => verifying(memoryStorage(), quietContext(signal)),
  ]
  for (const open of wraps) assert.deepEqual([...(await runContract(storageContract(open))).failed], [])
})

test('what is temporary is tried again, and told; the answer that was lost too', async () => {
  const faults = [
    { method: 'put', call: 1, fail: busy },
    { method: 'put', call: 2, failAfter: busy },
    { method: 'remove', call: 1, fail: busy },
  ] as const
  const { memory, storage, logged } = patient(faults)
  await storage.put('a', [Buffer.from('content')], signal)
  assert.equal(Buffer.from(memory.blobs.get('a') ?? []).toString(), 'content')
  assert.equal(logged.length, 2)
  await storage.remove('a', signal)
  assert.equal(memory.blobs.size, 0)
})

test('what is not temporary fails at once, and patience ends', async () => {
  const refused = patient([{ method: 'put', fail: denied }])
  await assert.rejects(refused.storage.put('a', [], signal), denied)
  assert.equal(refused.logged.length, 0)
  const never = patient([{ method: 'put', fail: busy }])
  await assert.rejects(never.storage.put('a', [], signal), busy)
  assert.equal(never.logged.length, quick.retries)
})

test('a get goes on where it broke off, within its range, as often as bytes come', async () => {
  const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => at % 251))
  for (const range of [undefined, { offset: 1000, length: 2_000_000 }]) {
    const memory = memoryStorage()
    await memory.put('a', [content], signal)
    let calls = 0
    const broken = {
      ...memory,
      async *get(...args: Parameters<typeof memory.get>) {
        calls++
        let given = 0
        for await (const chunk of memory.get(...args)) {
          if (given > 0) throw busy
          given += chunk.length
          yield chunk
        }
      },
    }
    const storage = retrying(broken, quietContext(signal), quick)
    const expected =
      range === undefined ? content : content.subarray(range.offset, range.offset + range.length)
    assert.ok((await bytesOf(storage.get('a', range, signal))).equals(expected))
    assert.ok(calls > quick.retries + 1, 'more breaks than retries, with progress between them')
  }
})

test('a list gives each key once, whatever broke, and never ends early', async () => {
  const memory = memoryStorage()
  for (let i = 0; i < 50; i++) await memory.put(`k/${i}`, [], signal)
  let calls = 0
  const broken = {
    ...memory,
    async *list(...args: Parameters<typeof memory.list>) {
      let left = ++calls * 15
      for await (const blob of memory.list(...args)) {
        if (left-- === 0) throw busy
        yield blob
      }
    },
  }
  const keys: string[] = []
  for await (const { key } of retrying(broken, quietContext(signal), quick).list('k/', signal)) keys.push(key)
  assert.equal(keys.length, 50)
  assert.equal(new Set(keys).size, 50)
})

test('a server that says how long to wait is waited for, up to the longest pause', async () => {
  const asking = (seconds: number | string) =>
    faultyStorage(memoryStorage(), [
      { call: 1, fail: new Failure('unavailable', 'busy', { facts: { retryAfter: seconds } }) },
    ])
  const policy = { retries: 3, wait: 200, longest: 400 }
  for (const [seconds, least] of [
    [0.3, 300],
    [60, 400],
    // What is no time says nothing: the pause is the usual one, half of it at least.
    ['Wed, 25 Nov 2026 04:00:00 GMT', 100],
  ] as const) {
    const start = performance.now()
    await retrying(asking(seconds), quietContext(signal), policy).put('a', [], signal)
    const took = performance.now() - start
    assert.ok(took >= least - 5 && took < 30_000, `${took} ms, asked for ${seconds} s`)
  }
})

test('waiting for a retry ends with the run', async () => {
  const controller = new AbortController()
  const slow = { retries: 3, wait: 60_000, longest: 60_000 }
  const storage = retrying(faultyStorage(memoryStorage(), [{ fail: busy }]), quietContext(), slow)
  const put = storage.put('a', [], controller.signal)
  setTimeout(() => controller.abort(), 20)
  await assert.rejects(put, { code: 'interrupted' })
})

test('a rate is shared, holds over all calls, saves next to nothing up, and can be changed while calls wait', async () => {
  const upload = new Bandwidth(1_000_000)
  const storage = throttled(memoryStorage(), upload, new Bandwidth(undefined))
  const started = performance.now()
  await Promise.all(['a', 'b', 'c'].map((key) => storage.put(key, [Buffer.alloc(100_000)], signal)))
  const elapsed = performance.now() - started
  assert.ok(elapsed >= 299, `300 kB at 1 MB/s took ${elapsed} ms`)
  upload.rate = 1
  const stuck = storage.put('d', [Buffer.alloc(100_000)], signal)
  upload.rate = undefined
  await stuck
})

/** Time that passes when somebody waits for it. */
function quickClock(): Clock & { time: number } {
  const clock = {
    time: 0,
    now: () => clock.time,
    async sleep(milliseconds: number) {
      clock.time += milliseconds
    },
  }
  return clock
}

/** A memory storage that asks for its pace as it takes chunks, each of which takes a while. */
function pacing(clock: { time: number }, perChunk = 0) {
  const memory = memoryStorage()
  const sent: { at: number; bytes: number }[] = []
  return {
    sent,
    storage: {
      ...memory,
      async put(...[_key, chunks, _stop, pace]: Parameters<typeof memory.put>) {
        for (const chunk of chunks) {
          await pace?.(chunk.length)
          clock.time += perChunk
          sent.push({ at: clock.time, bytes: chunk.length })
        }
      },
    },
  }
}

test('over half a minute a rate holds within a twentieth, and a put is sent evenly', async () => {
  for (const [rate, perChunk] of [
    [10 * 1024, 0],
    [1_000_000, 20],
    [120 * 2 ** 20, 1],
  ] as const) {
    const clock = quickClock()
    const { storage, sent } = pacing(clock, perChunk)
    const upload = new Bandwidth(rate, clock)
    const paced = throttled(storage, upload, new Bandwidth(undefined, clock))
    while (clock.time < 60_000) await paced.put('k', [new Uint8Array(4 * 2 ** 20)], signal)
    for (const from of [0, 10_000, 25_000]) {
      const within = sent.filter(({ at }) => at >= from && at < from + 30_000)
      const bytes = within.reduce((sum, one) => sum + one.bytes, 0)
      assert.ok(Math.abs(bytes / (rate * 30) - 1) < 0.05, `${bytes} bytes in 30 s at ${rate} from ${from}`)
    }
    const gaps = sent.slice(1).map(({ at }, index) => at - (sent[index]?.at ?? 0))
    assert.ok(Math.max(...gaps) < 600, `a gap of ${Math.max(...gaps)} ms at ${rate}`)
  }
})

test('a storage that asks for no pace is made to wait afterwards; what was paid is not paid twice', async () => {
  const clock = quickClock()
  const upload = new Bandwidth(1000, clock)
  await throttled(memoryStorage(), upload, upload).put('k', [new Uint8Array(30_000)], signal)
  assert.ok(Math.abs(clock.time - 30_000) < 10, `${clock.time} ms`)
  const paced = quickClock()
  const one = new Bandwidth(1000, paced)
  await throttled(pacing(paced).storage, one, one).put('k', [new Uint8Array(30_000)], signal)
  assert.ok(Math.abs(paced.time - 30_000) < 10, `${paced.time} ms`)
})

test('a put that waits for its pace ends when it is aborted', async () => {
  const controller = new AbortController()
  const clock = { time: 0 }
  const { storage } = pacing(clock)
  const put = throttled(storage, new Bandwidth(1), new Bandwidth(undefined)).put(
    'k',
    [new Uint8Array(2 ** 20)],
    controller.signal,
  )
  setTimeout(() => controller.abort(), 20)
  await assert.rejects(put, { code: 'interrupted' })
})

/** A memory storage that keeps something else of its first puts. */
function careless(times: number, spoil: (blob: Uint8Array) => Uint8Array | undefined) {
  const memory = memoryStorage()
  let puts = 0
  return {
    memory,
    storage: {
      ...memory,
      async put(...args: Parameters<typeof memory.put>) {
        await memory.put(...args)
        if (++puts > times) return
        const spoiled = spoil(memory.blobs.get(args[0]) ?? new Uint8Array(0))
        if (spoiled === undefined) memory.blobs.delete(args[0])
        else memory.blobs.set(args[0], spoiled)
      },
    },
  }
}

const wrongs: readonly [string, (blob: Uint8Array) => Uint8Array | undefined, RegExp][] = [
  ['a bit', (blob) => blob.map((byte, at) => (at === blob.length - 1 ? byte ^ 1 : byte)), /had other bytes/],
  ['the end', (blob) => blob.slice(0, -1), /had 599999 of its 600000 bytes/],
  ['more', (blob) => new Uint8Array([...blob, 0]), /had more than its 600000 bytes/],
  ['nothing', () => undefined, /was not there/],
  ['an empty blob', () => new Uint8Array(0), /had 0 of its 600000 bytes/],
]
for (const [what, spoil, words] of wrongs) {
  test(`what a storage keeps instead of a blob is found: ${what}`, async () => {
    const chunks = [noise(500_000, 1), new Uint8Array(0), noise(100_000, 2)]
    const logged: RunEvent[] = []
    const context = { ...quietContext(signal), report: (event: RunEvent) => void logged.push(event) }
    const once = careless(2, spoil)
    await verifying(once.storage, context).put('k', chunks, signal)
    assert.ok(Buffer.concat(chunks).equals(once.memory.blobs.get('k') ?? new Uint8Array(0)))
    assert.equal(logged.length, 2)
    assert.match(JSON.stringify(logged), words)
    const always = careless(100, spoil)
    await assert.rejects(verifying(always.storage, context).put('k', chunks, signal), (error: Failure) => {
      assert.equal(error.code, 'damaged')
      assert.match(error.message, words)
      return true
    })
    assert.equal(always.memory.blobs.has('k'), false)
    assert.equal(always.memory.calls.put, 3)
  })
}

test('a reading back that fails for another reason fails the put, and is no difference', async () => {
  const memory = memoryStorage()
  const storage = verifying(faultyStorage(memory, [{ method: 'get', fail: busy }]), quietContext(signal))
  await assert.rejects(storage.put('k', [noise(10)], signal), busy)
  assert.equal(memory.calls.put, 1)
  const readBack = verifying(
    retrying(faultyStorage(memory, [{ method: 'get', call: 1, fail: busy }]), quietContext(signal), quick),
    quietContext(signal),
  )
  await readBack.put('k', [noise(10)], signal)
})

test('opening is tried again for what is temporary alone, is told, and ends with the run', async () => {
  const logged: RunEvent[] = []
  const controller = new AbortController()
  const context = { ...quietContext(controller.signal), report: (event: RunEvent) => void logged.push(event) }
  let tried = 0
  const opening = (failures: number, failure: Failure) => async () => {
    if (++tried <= failures) throw failure
    return 'open'
  }
  assert.equal(await retryingOpen(opening(2, busy), context, quick), 'open')
  assert.equal(logged.length, 2)
  assert.ok(logged.every((event) => event.type === 'log' && event.level === 'warn'))
  tried = 0
  await assert.rejects(retryingOpen(opening(9, busy), context, quick), busy)
  assert.equal(tried, quick.retries + 1)
  tried = 0
  await assert.rejects(retryingOpen(opening(9, denied), context, quick), denied)
  assert.equal(tried, 1)
  const slow = retryingOpen(opening(99, busy), context, { retries: 3, wait: 60_000, longest: 60_000 })
  setTimeout(() => controller.abort(), 20)
  await assert.rejects(slow, { code: 'interrupted' })
})
