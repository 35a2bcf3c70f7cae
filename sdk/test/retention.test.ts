import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../src/contracts/failures.ts'
import { type BackupFacts, decide, parseSpan, type RetentionPolicy } from '../src/repository/retention.ts'
import { cases, judge } from './support/retention-property.ts'

const hour = 3_600_000
const newest = Date.UTC(2026, 6, 15, 12)

/** Backups of one name, each so many hours old and of that level, the oldest first. */
function history(...ages: readonly (readonly [hours: number, level: number])[]): BackupFacts[] {
  const made: BackupFacts[] = []
  for (const [at, [hours, level]] of ages.entries()) {
    const parent = made.findLast((backup) => backup.level === level - 1)
    const chain = parent?.chain ?? `b${at}`
    made.push({
      id: `b${at}`,
      host: 'h',
      name: 'n',
      chain,
      level,
      time: newest - hours * hour,
      parent: level === 0 ? undefined : parent?.id,
    })
  }
  return made
}

function kept(
  backups: readonly BackupFacts[],
  policy: RetentionPolicy,
  pinned: readonly string[] = [],
): string {
  const none: ReadonlySet<string> = new Set()
  const circumstances = { now: newest, pinned: new Set(pinned), inUse: none, damaged: none, offset: () => 0 }
  return decide(backups, policy, circumstances)
    .filter(({ keep }) => keep)
    .map(({ backup, reasons }) => `${backup.id} ${reasons.map(({ rule }) => rule).join('+')}`)
    .join(', ')
}

describe('retention', () => {
  const whole = history([72, 0], [49, 0], [48, 0], [25, 0], [1, 0], [0, 0])

  test('without rules everything stays', () => {
    assert.equal(kept(history([9000, 0], [0, 0]), {}), 'b0 not asked, b1 not asked')
  })

  test('rules that keep ask to remove the rest', () => {
    assert.equal(kept(whole, { keepLast: 2 }), 'b4 last, b5 last')
    assert.equal(kept(whole, { keepDaily: 2 }), 'b3 daily, b5 daily')
    assert.equal(kept(whole, { keepHourly: 1, keepDaily: 3 }), 'b2 daily, b3 daily, b5 hourly+daily')
    assert.equal(kept(whole, { keepWithin: parseSpan('1d1h') }), 'b3 within, b4 within, b5 within')
    assert.equal(kept(whole, { keepYearly: 5 }), 'b5 yearly')
  })

  test('what is older goes, but for the newest', () => {
    assert.equal(kept(whole, { removeOlderThan: 2 }), 'b3 not asked, b4 not asked, b5 not asked')
    assert.equal(kept(whole, { removeOlderThan: 0 }), 'b5 newest')
    assert.equal(kept(whole, { removeBefore: new Date(newest) }), 'b5 not asked')
    assert.equal(kept(whole, { removeBefore: new Date(newest + 1) }), '')
  })

  test('beside rules that remove, those that keep only keep', () => {
    const policy = { removeOlderThan: 1, keepLast: 4 }
    assert.equal(kept(whole, policy), 'b2 last, b3 last, b4 last, b5 last')
    assert.equal(kept(whole, { removeOlderThan: 1, keepLast: 1 }), 'b4 not asked, b5 last')
  })

  test('what a kept backup builds on stays', () => {
    const chains = history([90, 0], [80, 1], [70, 2], [60, 0], [50, 1], [40, 1])
    assert.equal(kept(chains, { keepLast: 1 }), 'b3 builds, b5 last')
    assert.equal(kept(chains, { keepLast: 1 }, ['b2']), 'b0 builds, b1 builds, b2 pin, b3 builds, b5 last')
    assert.equal(
      kept(chains, { removeBefore: new Date(newest - 55 * hour) }),
      'b3 builds, b4 not asked, b5 not asked',
    )
    // With level 1 gone from the list, level 2 may need any lower one.
    const holed = chains.filter(({ id }) => id !== 'b1')
    assert.equal(kept(holed, { keepLast: 1 }, ['b2']), 'b0 builds, b2 pin, b3 builds, b5 last')
  })

  test('each name by itself', () => {
    const other = whole.map((backup) => ({
      ...backup,
      id: `x${backup.id}`,
      chain: `x${backup.id}`,
      name: 'other',
    }))
    assert.equal(kept([...whole, ...other], { keepLast: 1 }), 'b5 last, xb5 last')
  })

  test('spans', () => {
    assert.deepEqual(parseSpan('2y5m7d3h'), { years: 2, months: 5, days: 7, hours: 3 })
    assert.deepEqual(parseSpan('30d'), { years: 0, months: 0, days: 30, hours: 0 })
    for (const text of ['', '3', '3x', '3h2d', '-1d', '1d 2h', '1.5d']) {
      assert.throws(
        () => parseSpan(text),
        (error) => isFailure(error) && error.code === 'usage',
        text,
      )
    }
  })

  test('random policies on random histories', () => {
    fc.assert(
      fc.property(cases, (one) => void judge(one)),
      { numRuns: 1500 },
    )
  })
})
