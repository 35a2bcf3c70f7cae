import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import type { Engine } from '@freezer/sdk'
import { engineContract, runContract } from '@freezer/sdk/testing'
import { engine as plainEngine } from '../../core/templates/engine/src/index.ts'
import { faults, wrongEngine } from './support/wrong-engine.ts'

function makeTree(directory: string): void {
  fs.mkdirSync(path.join(directory, 'of/its/own'), { recursive: true })
  fs.writeFileSync(path.join(directory, 'of/its/file'), 'content')
}

const checksOf = (engine: Engine, lists = true) => engineContract({ engine, makeTree, lists })
const declines = 'declines to list'

describe('the plain engine', () => {
  for (const check of checksOf(plainEngine)) test(check.name, check.run)

  test('is no engine that declines to list', async () => {
    const { failed } = await runContract(checksOf(plainEngine, false).filter(({ name }) => name === declines))
    assert.deepEqual([...failed.keys()], [declines])
  })
})

// One check changes the user of the whole process.
const alone = 'names what it cannot read, and keeps what the level below knew of it'

for (const concurrency of [1, 6]) {
  describe(`the contract, ${concurrency} at a time, catches an engine that`, { concurrency }, () => {
    for (const [at, { wrong, caughtBy }] of faults.entries()) {
      if ((caughtBy === alone) !== (concurrency === 1)) continue
      test(wrong, async () => {
        const checks = checksOf(wrongEngine(at)).filter(({ name }) => name === caughtBy)
        const { failed } = await runContract(checks)
        assert.deepEqual([...failed.keys()], [caughtBy])
      })
    }
  })
}

test('every check of the contract is proved by an engine that breaks it', () => {
  const caught = new Set(faults.map(({ caughtBy }) => caughtBy))
  const names = checksOf(plainEngine).map(({ name }) => name)
  assert.deepEqual([...caught].sort(), names.sort())
})
