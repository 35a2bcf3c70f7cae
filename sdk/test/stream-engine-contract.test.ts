import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runContract, streamEngineContract } from '@freezer/sdk/testing'
import { streamEngine, streamFaults } from './support/plain-stream-engine.ts'

describe('the plain engine of streams', () => {
  for (const check of streamEngineContract({ engine: streamEngine() })) test(check.name, check.run)
})

describe('the contract catches an engine of streams that', { concurrency: 2 }, () => {
  for (const [at, { wrong, caughtBy }] of streamFaults.entries()) {
    test(wrong, async () => {
      const checks = streamEngineContract({ engine: streamEngine(at) }).filter(
        ({ name }) => name === caughtBy,
      )
      const { failed } = await runContract(checks)
      assert.deepEqual([...failed.keys()], [caughtBy])
    })
  }
})

test('every check of the contract is proved by an engine that breaks it', () => {
  const caught = new Set(streamFaults.map(({ caughtBy }) => caughtBy))
  const names = streamEngineContract({ engine: streamEngine() }).map(({ name }) => name)
  assert.deepEqual([...caught].sort(), names.sort())
})
