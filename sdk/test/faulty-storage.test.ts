import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../src/contracts/failures.ts'
import type { Storage } from '../src/contracts/storage.ts'
import { type Fault, faultyStorage } from '../testing/faulty-storage.ts'
import { memoryStorage } from '../testing/memory-storage.ts'

const { signal } = new AbortController()
const busy = new Failure('unavailable', 'Busy.')

async function read(storage: Storage, key: string): Promise<Uint8Array> {
  return Buffer.concat(await Array.fromAsync(storage.get(key, undefined, signal)))
}

async function stored(...faults: Fault[]) {
  const memory = memoryStorage()
  await memory.put('k', [Buffer.alloc(600_000, 'x')], signal)
  return { memory, faulty: faultyStorage(memory, faults) }
}

test('fails the k-th call of all, and no other', async () => {
  const { faulty } = await stored({ call: 2, fail: busy })
  assert.equal((await read(faulty, 'k')).length, 600_000)
  await assert.rejects(Array.fromAsync(faulty.list('', signal)), busy)
  assert.equal((await Array.fromAsync(faulty.list('', signal))).length, 1)
})

test('fails the k-th call of one method before it does anything', async () => {
  const { memory, faulty } = await stored({ method: 'put', call: 2, fail: busy })
  await read(faulty, 'k')
  await faulty.put('one', [], signal)
  await assert.rejects(faulty.put('two', [], signal), busy)
  await faulty.put('three', [], signal)
  assert.deepEqual([...memory.blobs.keys()], ['k', 'one', 'three'])
})

test('fails after the work was done', async () => {
  const { memory, faulty } = await stored({ method: 'remove', failAfter: busy })
  await assert.rejects(faulty.remove('k', signal), busy)
  assert.equal(memory.blobs.size, 0)
})

test('cuts what a get gives, within a chunk and between two', async () => {
  for (const cut of [0, 1, 262_144, 300_000]) {
    const { faulty } = await stored({ method: 'get', cut })
    assert.equal((await read(faulty, 'k')).length, cut)
  }
})

test('flips one bit of what a get gives, and none of what is stored', async () => {
  const { memory, faulty } = await stored({ method: 'get', call: 1, flip: 300_000 })
  const wrong = await read(faulty, 'k')
  assert.equal(wrong[300_000], 'x'.charCodeAt(0) ^ 1)
  assert.equal(wrong.filter((byte) => byte !== 'x'.charCodeAt(0)).length, 1)
  assert.deepEqual(await read(faulty, 'k'), Buffer.from(memory.blobs.get('k')!))
})

test('is slow, and can be aborted then', async () => {
  const { faulty } = await stored({ method: 'put', delay: 60_000 })
  const controller = new AbortController()
  const putting = faulty.put('k', [], controller.signal)
  controller.abort()
  await assert.rejects(putting, { name: 'AbortError' })
})

test('tells of each call before it is done', async () => {
  const memory = memoryStorage()
  const calls: string[] = []
  const faulty = faultyStorage(memory, [], (call, method, key) => {
    calls.push(`${call} ${method} ${key} ${memory.blobs.size}`)
  })
  await faulty.put('a', [], signal)
  await read(faulty, 'a')
  await Array.fromAsync(faulty.list('p', signal))
  await faulty.remove('a', signal)
  assert.deepEqual(calls, ['1 put a 0', '2 get a 1', '3 list p 1', '4 remove a 1'])
})

test('the memory storage counts calls and bytes, and refuses what is no key', async () => {
  const { memory } = await stored()
  await Array.fromAsync(memory.get('k', { offset: 5, length: 10 }, signal))
  await Array.fromAsync(memory.list('', signal))
  assert.deepEqual(memory.calls, { put: 1, get: 1, list: 1, remove: 0 })
  assert.equal(memory.bytesRead, 10)
  for (const key of ['', '/a', 'a//b', 'a/', '.a', 'a/.b', 'a/../b', 'a b', 'é', 'a\n', 'x'.repeat(901)]) {
    await assert.rejects(memory.put(key, [], signal), { code: 'internal' }, key)
  }
})
