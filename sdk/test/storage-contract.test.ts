import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { runContract } from '../testing/contract.ts'
import { faultyStorage } from '../testing/faulty-storage.ts'
import { memoryStorage } from '../testing/memory-storage.ts'
import { storageContract } from '../testing/storage-contract.ts'
import { wrongStorages } from './wrong-storages.ts'

const openHandles = async () => (await readdir('/proc/self/fd')).length

for (const check of storageContract(async () => memoryStorage(), { openHandles })) {
  test(`memory storage ${check.name}`, check.run)
}

test('a faulty storage without faults keeps the contract', async () => {
  const { failed } = await runContract(storageContract(async () => faultyStorage(memoryStorage(), [])))
  assert.deepEqual([...failed], [])
})

for (const { wrong, caughtBy, open, openHandles: handles } of wrongStorages) {
  test(`the contract catches a storage that ${wrong}`, async () => {
    const checks = storageContract(async () => open(), handles === undefined ? {} : { openHandles: handles })
    const { failed } = await runContract(checks.filter(({ name }) => name === caughtBy))
    assert.deepEqual([...failed.keys()], [caughtBy])
  })
}

test('every check of the contract is proved by a storage that breaks it', async () => {
  const caught = new Set(wrongStorages.map(({ caughtBy }) => caughtBy))
  const names = storageContract(async () => memoryStorage()).map(({ name }) => name)
  assert.deepEqual([...caught].sort(), names.sort())
})
