import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, quietContext, type RunEvent, type Storage } from '../src/index.ts'
import { confinedStorage } from '../testing/confined-storage.ts'
import { runContract } from '../testing/contract.ts'
import { faultyStorage } from '../testing/faulty-storage.ts'
import { memoryStorage } from '../testing/memory-storage.ts'
import { storageContract } from '../testing/storage-contract.ts'
import { testPrefix, testStorage } from '../testing/test-storage.ts'
import { wrongStorages } from './wrong-storages.ts'

const never = new AbortController().signal
const quick = { bytes: 100_000, many: 20 }

/** A memory storage in use: with blobs around where a test puts its own. */
async function inUse() {
  const memory = memoryStorage()
  for (const key of ['a', 'freezer-test', 'freezer-tes/x', 'segments/1', 'z'])
    await memory.put(key, [Buffer.from(key)], never)
  const before = new Map(memory.blobs)
  return { memory, expectUntouched: () => assert.deepEqual(new Map(memory.blobs), before) }
}

test('a part of a storage keeps the contract as a whole one does', async () => {
  const { memory, expectUntouched } = await inUse()
  let at = 0
  const open = async () => confinedStorage(memory, `part/${at++}/`, never)
  const { failed } = await runContract(storageContract(open, { longestKey: 880, many: 50 }))
  assert.deepEqual([...failed], [])
  for (let part = 0; part < at; part++) await confinedStorage(memory, `part/${part}/`, never).clear(never)
  expectUntouched()
})

test('a storage that keeps the contract passes, and holds what it held before', async () => {
  const { memory, expectUntouched } = await inUse()
  const told: RunEvent[] = []
  const context = { ...quietContext(never), report: (event: RunEvent) => void told.push(event) }
  const { checks, put, get } = await testStorage({ storage: memory, ...quick }, context)
  assert.deepEqual(
    checks.filter(({ passed }) => !passed),
    [],
  )
  assert.equal(checks.length, storageContract(async () => memory).length + 2)
  assert.equal(told.length, checks.length)
  assert.equal(put?.bytes, quick.bytes)
  assert.equal(get?.bytes, quick.bytes)
  expectUntouched()
})

/** What a part of a storage cannot show: these do wrong to a key at the top of a container alone. */
const hidden = [
  'does not tell A from a',
  'lists its temporary files',
  'removes the old blob before it puts the new',
  'removes a directory with what came into it',
]

for (const { wrong, caughtBy, open, openHandles } of wrongStorages) {
  // Whether a handle leaks is not to be seen from outside.
  if (openHandles !== undefined || hidden.includes(wrong)) continue
  test(`it tells of a storage that ${wrong}`, async () => {
    const { checks } = await testStorage(
      { storage: open(), ...quick, many: 1050 },
      quietContext(never),
    ).catch(
      // One whose blobs cannot be listed or removed cannot be cleaned either.
      () => ({ checks: undefined }),
    )
    if (checks !== undefined) assert.equal(checks.find(({ name }) => name === caughtBy)?.passed, false)
  })
}

test('a call that fails is in the report, with its failure, and nothing stays', async () => {
  const { memory, expectUntouched } = await inUse()
  const denied = new Failure('denied', 'The server refuses.')
  const storage = faultyStorage(memory, [{ method: 'put', fail: denied }])
  const { checks, put } = await testStorage({ storage, ...quick }, quietContext(never))
  assert.equal(put, undefined)
  const failed = checks.filter(({ passed }) => !passed)
  assert.ok(failed.length > 10)
  assert.ok(failed.some(({ failure }) => failure === denied))
  expectUntouched()
})

test('interrupted at any call, it removes what it stored', async () => {
  for (const at of [1, 2, 10, 60, 300, 700]) {
    const { memory, expectUntouched } = await inUse()
    const controller = new AbortController()
    const storage = faultyStorage(memory, [], (call) => {
      if (call === at) controller.abort()
    })
    const running = testStorage({ storage, ...quick, many: 300 }, quietContext(controller.signal))
    await assert.rejects(running, { code: 'interrupted' })
    expectUntouched()
  }
})

test('what a killed test left is removed a day later, that of one that runs is not', async () => {
  const { memory, expectUntouched } = await inUse()
  const now = Date.now()
  const day = 24 * 60 * 60 * 1000
  const [old, young] = [`${testPrefix}${now - day - 1}-ab/3/k`, `${testPrefix}${now - day + 60_000}-cd/3/k`]
  for (const key of [old, young, `${testPrefix}strange`]) await memory.put(key, [], never)
  await testStorage({ storage: memory, ...quick }, { ...quietContext(never), now: () => now })
  assert.deepEqual(
    [...memory.blobs.keys()].filter((key) => key.startsWith(testPrefix)),
    [young, `${testPrefix}strange`],
  )
  for (const key of [young, `${testPrefix}strange`]) await memory.remove(key, never)
  expectUntouched()
})

test('a listing that lags no longer than it may passes, and what it does not show is removed', async () => {
  const memory = memoryStorage()
  const lag = 40
  const changes = new Map<string, number>()
  const storage: Storage = {
    ...memory,
    settle: 4 * lag,
    async put(key, ...rest) {
      if (!memory.blobs.has(key)) changes.set(key, performance.now() + lag)
      await memory.put(key, ...rest)
    },
    async *list(prefix, signal) {
      for await (const blob of memory.list(prefix, signal)) {
        if ((changes.get(blob.key) ?? 0) <= performance.now()) yield blob
      }
    },
  }
  const { checks } = await testStorage({ storage, ...quick }, quietContext(never))
  // It asks for what must be there while others write, without patience.
  const beside = [
    'shows whole blobs alone while others put, list and remove',
    'keeps one whole blob of parallel puts',
  ]
  assert.deepEqual(
    checks.filter(({ name, passed }) => !passed && !beside.includes(name)),
    [],
  )
  assert.equal(memory.blobs.size, 0)
})
