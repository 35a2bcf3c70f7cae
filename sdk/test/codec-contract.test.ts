import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codecContract } from '../testing/codec-contract.ts'
import { runContract } from '../testing/contract.ts'
import { rightCodecs, wrongCodecs } from './wrong-codecs.ts'

for (const codec of rightCodecs) {
  for (const check of codecContract({ codec })) test(`${codec.name} ${check.name}`, check.run)
}

for (const { wrong, caughtBy, codec } of wrongCodecs) {
  test(`the contract catches a codec that ${wrong}`, async () => {
    const checks = codecContract({ codec, patience: 300 })
    const { failed } = await runContract(checks.filter(({ name }) => name === caughtBy))
    assert.deepEqual([...failed.keys()], [caughtBy])
  })
}

test('every check of the contract is proved by a codec that breaks it', () => {
  const caught = new Set(wrongCodecs.map(({ caughtBy }) => caughtBy))
  const names = new Set(rightCodecs.flatMap((codec) => codecContract({ codec }).map(({ name }) => name)))
  assert.deepEqual([...caught].sort(), [...names].sort())
})
