import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../src/contracts/failures.ts'
import { checkPolicy, chooseParent, type LevelPolicy } from '../src/repository/levels.ts'
import type { BackupName } from '../src/repository/names.ts'

const day = 86_400_000

/** The levels that `runs` runs under a policy get, `every` milliseconds apart. */
function levels(policy: LevelPolicy, runs: number, every = 1000): number[] {
  const history: BackupName[] = []
  for (let run = 0; run < runs; run++) {
    const time = run * every
    const parent = chooseParent(history, policy, time)
    const id = String(run)
    history.push({ key: id, id, chain: parent?.chain ?? id, level: parent ? parent.level + 1 : 0, time })
  }
  return history.map(({ level }) => level)
}

const backup = (id: string, chain: string, level: number, time: number): BackupName => ({
  key: id,
  id,
  chain,
  level,
  time,
})

describe('levels of one run after the other', () => {
  const incremental = true
  const cases: [string, LevelPolicy, number[]][] = [
    ['no option', { incremental }, [0, 1, 2, 3, 4]],
    ['not incremental', { incremental: false }, [0, 0, 0]],
    ['a maximum of 1', { incremental, maxLevel: 1 }, [0, 1, 0, 1, 0]],
    ['a maximum of 3', { incremental, maxLevel: 3 }, [0, 1, 2, 3, 0, 1]],
    ['a maximum of 0', { incremental, maxLevel: 0 }, [0, 0, 0]],
    ['always 2', { incremental, alwaysLevel: 2 }, [0, 1, 2, 2, 2]],
    ['always 1, differential', { incremental, alwaysLevel: 1 }, [0, 1, 1, 1]],
    ['always 0', { incremental, alwaysLevel: 0 }, [0, 0, 0]],
  ]
  for (const [name, policy, expected] of cases) {
    test(name, () => assert.deepEqual(levels(policy, expected.length), expected))
  }

  test('a restart is measured from level 0, however often backups are made', () => {
    const policy = { incremental, restartAlwaysLevel: 1 }
    assert.deepEqual(levels(policy, 10, day / 4), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    assert.deepEqual(levels({ ...policy, alwaysLevel: 1 }, 6, day / 4), [0, 1, 1, 1, 0, 1])
    assert.deepEqual(levels({ ...policy, restartAlwaysLevel: 0.5 }, 4, day / 4), [0, 1, 0, 1])
  })

  test('no policy goes beyond its level, and each level builds on the one below', () => {
    const policies = fc.record(
      { maxLevel: fc.nat(5), restartAlwaysLevel: fc.integer({ min: 1, max: 9 }) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 30 }), (policy, runs) => {
        const made = levels({ incremental, ...policy }, runs, day)
        for (const [at, level] of made.entries()) {
          assert.ok(level <= (policy.maxLevel ?? runs))
          assert.ok(level === 0 || level === (made[at - 1] ?? -1) + 1)
        }
      }),
    )
  })
})

describe('the parent', () => {
  const policy = { incremental: true }

  test('of nothing is nothing', () => assert.equal(chooseParent([], policy, 0), undefined))

  test('is in the newest chain, whatever the order of the listing', () => {
    const history = [
      backup('a', 'a', 0, 1),
      backup('a1', 'a', 1, 9),
      backup('b', 'b', 0, 5),
      backup('b1', 'b', 1, 6),
    ]
    fc.assert(
      fc.property(fc.shuffledSubarray(history, { minLength: history.length }), (shuffled) => {
        assert.equal(chooseParent(shuffled, policy, 10)?.id, 'b1')
      }),
    )
  })

  test('of a differential is the newest of the level below', () => {
    const history = [
      backup('0', '0', 0, 1),
      backup('1', '0', 1, 2),
      backup('x', '0', 1, 3),
      backup('2', '0', 2, 4),
      backup('y', '0', 2, 5),
    ]
    assert.equal(chooseParent(history, { incremental: true, alwaysLevel: 2 }, 9)?.id, 'x')
    assert.equal(chooseParent(history, policy, 9)?.id, 'y')
  })

  test('is none where the chain is higher than the level that is always made', () => {
    const history = [backup('0', '0', 0, 1), backup('1', '0', 1, 2), backup('2', '0', 2, 3)]
    assert.equal(chooseParent(history, { incremental: true, alwaysLevel: 1 }, 9), undefined)
  })

  test('is none where only the remains of a chain are left', () => {
    assert.equal(chooseParent([backup('1', '0', 1, 2)], policy, 9), undefined)
    const gap = [backup('0', '0', 0, 1), backup('2', '0', 2, 3)]
    assert.equal(chooseParent(gap, { incremental: true, alwaysLevel: 2 }, 9), undefined)
  })
})

test('a policy that contradicts itself is a usage error', () => {
  const usage = (error: unknown) => isFailure(error) && error.code === 'usage'
  assert.throws(() => checkPolicy({ incremental: true, maxLevel: 1, alwaysLevel: 1 }), usage)
  for (const option of ['maxLevel', 'alwaysLevel', 'restartAlwaysLevel']) {
    assert.throws(() => checkPolicy({ incremental: false, [option]: 1 }), usage)
  }
  checkPolicy({ incremental: true, alwaysLevel: 1, restartAlwaysLevel: 7 })
})
