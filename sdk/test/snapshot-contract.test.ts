import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runContract, snapshotContract } from '@freezer/sdk/testing'
import { rightSnapshots, wrongSnapshots } from './wrong-snapshots.ts'

for (const check of snapshotContract(rightSnapshots())) test(`copies: ${check.name}`, check.run)

for (const { wrong, caughtBy, underTest } of wrongSnapshots) {
  test(`the contract catches a provider that ${wrong}`, async () => {
    const { failed } = await runContract(
      snapshotContract(underTest()).filter(({ name }) => name === caughtBy),
    )
    assert.deepEqual([...failed.keys()], [caughtBy])
  })
}

test('every check of the contract is proved by a provider that breaks it', () => {
  const caught = new Set(wrongSnapshots.map(({ caughtBy }) => caughtBy))
  assert.deepEqual(
    [...caught].sort(),
    snapshotContract(rightSnapshots())
      .map(({ name }) => name)
      .sort(),
  )
})
