import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modeContract, runContract } from '@freezer/sdk/testing'
import { rightModes, wrongModes } from './wrong-modes.ts'

for (const [at, right] of rightModes().entries()) {
  for (const check of modeContract(right)) test(`right mode ${at} ${check.name}`, check.run)
}

for (const { wrong, caughtBy, underTest } of wrongModes) {
  test(`the contract catches a mode that ${wrong}`, async () => {
    const { failed } = await runContract(modeContract(underTest()).filter(({ name }) => name === caughtBy))
    assert.deepEqual([...failed.keys()], [caughtBy])
  })
}

test('every check of the contract is proved by a mode that breaks it', () => {
  const caught = new Set(wrongModes.map(({ caughtBy }) => caughtBy))
  const names = new Set(rightModes().flatMap((right) => modeContract(right).map(({ name }) => name)))
  assert.deepEqual([...caught].sort(), [...names].sort())
})
