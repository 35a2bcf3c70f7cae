// 100,000 random policies on random histories: what is kept never loses what it builds on, what must stay stays, and
// what need not goes.
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cases, judge } from '../../sdk/test/support/retention-property.ts'
import { recordCounts } from '../support/counts.ts'

const runs = 100_000

test('random policies on random histories', () => {
  const counts = { 'policies on histories': 0, 'backups kept': 0, 'backups removed': 0 }
  const property = fc.property(cases, (one) => {
    const { kept, removed } = judge(one)
    counts['policies on histories']++
    counts['backups kept'] += kept
    counts['backups removed'] += removed
  })
  fc.assert(property, { numRuns: runs })
  recordCounts('retention', counts)
})
