import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, quietContext, type RunEvent } from '../src/index.ts'
import { retrying } from '../src/storages/retry.ts'
import { Bandwidth, throttled } from '../src/storages/throttle.ts'
import { runContract } from '../testing/contract.ts'
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

test('the wrappers keep the contract of a storage', async () => {
  const wraps = [
    async () => patient([]).storage,
    async () => throttled(memoryStorage(), new Bandwidth(2 ** 30), new Bandwidth(undefined)),
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
  const asking = (seconds: number) =>
    faultyStorage(memoryStorage(), [
      { call: 1, fail: new Failure('unavailable', 'busy', { facts: { retryAfter: seconds } }) },
    ])
  const policy = { retries: 3, wait: 1, longest: 400 }
  for (const [seconds, least] of [
    [0.2, 200],
    [60, 400],
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

test('a rate is shared, holds over all calls, saves nothing up, and can be changed while calls wait', async () => {
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
