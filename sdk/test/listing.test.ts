import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../src/contracts/failures.ts'
import { describeContainer, listBackups } from '../src/repository/listing.ts'
import { openRepository } from '../src/repository/repository.ts'
import { faultyStorage } from '../testing/faulty-storage.ts'
import { memoryStorage } from '../testing/memory-storage.ts'

const signal = new AbortController().signal
const id = 'ab'.repeat(16)
const key = `manifests/plain/host/name/20261124T000000.000Z-0-${id}-${id}`

test('a backup that a prune removes between the listing and the reading is left out', async () => {
  const storage = memoryStorage()
  await openRepository({ storage, codecs: [], signal }, true)
  await storage.put(key, [], signal)
  const gone = new Failure('not-found', 'There is no such blob.')
  const pruned = faultyStorage(storage, [], (_, method, of) => {
    if (method === 'get' && of === key) throw gone
  })
  const repository = await openRepository({ storage: pruned, codecs: [], signal }, false)
  assert.deepEqual(await Array.fromAsync(listBackups(repository, {}, signal)), [])
  assert.equal((await describeContainer(repository, signal)).backups, 0)
})

test('a manifest that is there and says nothing is damaged', async () => {
  const storage = memoryStorage()
  const repository = await openRepository({ storage, codecs: [], signal }, true)
  await storage.put(key, [], signal)
  const [only] = await Array.fromAsync(listBackups(repository, {}, signal))
  assert.ok(only !== undefined && 'failure' in only)
  assert.equal(only.failure.code, 'damaged')
})
