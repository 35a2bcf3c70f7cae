import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notifierContract, runContract } from '@freezer/sdk/testing'
import { rightNotifier, wrongNotifiers } from './wrong-notifiers.ts'

for (const check of notifierContract(rightNotifier())) test(`bell ${check.name}`, check.run)

for (const { wrong, caughtBy, underTest } of wrongNotifiers) {
  test(`the contract catches a notifier that ${wrong}`, async () => {
    const { failed } = await runContract(
      notifierContract(underTest()).filter(({ name }) => name === caughtBy),
    )
    assert.deepEqual([...failed.keys()], [caughtBy])
  })
}

test('every check of the contract is proved by a notifier that breaks it', () => {
  const caught = new Set(wrongNotifiers.map(({ caughtBy }) => caughtBy))
  assert.deepEqual(
    [...caught].sort(),
    notifierContract(rightNotifier())
      .map(({ name }) => name)
      .sort(),
  )
})
