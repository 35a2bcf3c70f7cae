// Random policies on random histories, judged by an oracle that knows nothing of the real function but its promise.
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  type BackupFacts,
  type Circumstances,
  decide,
  type RetentionPolicy,
} from '../../src/repository/retention.ts'

const minute = 60_000
const day = 24 * 60 * minute
const start = Date.UTC(2024, 1, 20)
/** When the clocks of the test's country go back by an hour. */
const autumn = Date.UTC(2024, 9, 27, 1)
const offset = (time: number): number => (time < autumn ? 120 : 60)

interface Step {
  /** Minutes since the step before. */
  readonly gap: number
  readonly name: number
  /** 0 begins a chain; others build on the newest, or on one below it. */
  readonly how: number
  /** The backup was removed by hand. */
  readonly lost: boolean
}

export interface Case {
  readonly history: readonly BackupFacts[]
  readonly policy: RetentionPolicy
  readonly circumstances: Circumstances
}

const gap = fc.oneof(
  fc.integer({ min: 1, max: 90 }),
  fc.integer({ min: 1, max: 60 * 24 * 40 }),
  fc.constant(1440),
)
const steps = fc.array(
  fc.record({
    gap,
    name: fc.integer({ min: 0, max: 1 }),
    how: fc.integer({ min: 0, max: 9 }),
    lost: fc.integer({ min: 0, max: 30 }).map((n) => n === 0),
  }),
  { maxLength: 40, size: 'max' },
)
const count = fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined, freq: 2 })
const policies = fc.record({
  keepLast: count,
  keepHourly: count,
  keepDaily: count,
  keepWeekly: count,
  keepMonthly: count,
  keepYearly: count,
  keepWithin: fc.option(
    fc.record({
      years: fc.integer({ min: 0, max: 1 }),
      months: fc.integer({ min: 0, max: 3 }),
      days: fc.integer({ min: 0, max: 40 }),
      hours: fc.integer({ min: 0, max: 30 }),
    }),
    { nil: undefined, freq: 1 },
  ),
  removeOlderThan: fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined, freq: 2 }),
  removeBefore: fc.option(
    fc.integer({ min: 0, max: 400 }).map((days) => new Date(start + days * day)),
    { nil: undefined, freq: 1 },
  ),
})
const few = fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 3 })

export const cases: fc.Arbitrary<Case> = fc
  .record({
    steps,
    policy: policies,
    pins: few,
    used: few,
    damaged: few,
    later: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 100 })),
    begin: fc.constantFrom(start, start, autumn - day / 4),
  })
  .map(({ steps: taken, policy, pins, used, damaged, later, begin }) => {
    const history = historyOf(taken, begin)
    const end = history.at(-1)?.time ?? start
    const pick = (numbers: readonly number[]): BackupFacts[] => numbers.flatMap((n) => history[n] ?? [])
    const circumstances = {
      now: end + later * day,
      pinned: new Set(pick(pins).map(({ id }) => id)),
      inUse: new Set(pick(used.slice(0, 1)).map(({ chain }) => chain)),
      damaged: new Set(pick(damaged.slice(0, 1)).map(({ chain }) => chain)),
      offset,
    }
    return { history, policy, circumstances }
  })

function historyOf(taken: readonly Step[], begin: number): BackupFacts[] {
  const all: BackupFacts[] = []
  const gone = new Set<BackupFacts>()
  let time = begin
  for (const { gap: minutes, name, how, lost } of taken) {
    time += minutes * minute
    const id = `b${all.length}`
    const before = all.findLast((backup) => backup.name === String(name))
    const base = how === 9 ? all.find((b) => b.id === before?.parent) : before
    const parent = how === 0 ? undefined : base
    const [chain, level] = parent === undefined ? [id, 0] : [parent.chain, parent.level + 1]
    const made = { id, host: 'h', name: String(name), chain, level, time, parent: parent?.id }
    all.push(made)
    if (lost) gone.add(made)
  }
  return all.filter((backup) => !gone.has(backup))
}

/** @throws when a decision is not what it must be */
export function judge({ history, policy, circumstances }: Case): { removed: number; kept: number } {
  const decisions = decide(history, policy, circumstances)
  assert.deepEqual(
    decisions.map(({ backup }) => backup),
    history,
  )
  assert.deepEqual(
    decide(history.toReversed(), policy, circumstances).toReversed(),
    decisions,
    'deterministic',
  )
  const kept = new Set(decisions.filter(({ keep }) => keep).map(({ backup }) => backup.id))
  assert.deepEqual(kept, expected({ history, policy, circumstances }))
  for (const { backup, keep, reasons } of decisions) {
    assert.ok(reasons.length > 0, 'every decision has a reason')
    for (const reason of reasons) {
      if (reason.rule === 'builds') assert.ok(keep && kept.has(reason.backup ?? ''), backup.id)
    }
  }
  return { kept: kept.size, removed: history.length - kept.size }
}

/** What must stay, worked out slowly: for each backup by itself, by counting. */
function expected({ history, policy, circumstances }: Case): Set<string> {
  const direct = history.filter((backup) => staysByItself(backup, history, policy, circumstances))
  const stays = new Set(direct.map(({ id }) => id))
  for (let size = -1; size !== stays.size; ) {
    size = stays.size
    for (const backup of history) {
      if (!stays.has(backup.id) || backup.level === 0) continue
      const parent = history.find(({ id }) => id === backup.parent)
      for (const other of history) {
        const below = other.chain === backup.chain && other.level < backup.level
        if (parent === undefined ? below : other === parent) stays.add(other.id)
      }
    }
  }
  return stays
}

function staysByItself(
  backup: BackupFacts,
  history: readonly BackupFacts[],
  policy: RetentionPolicy,
  { now, pinned, inUse, damaged }: Circumstances,
): boolean {
  if (pinned.has(backup.id) || inUse.has(backup.chain) || damaged.has(backup.chain)) return true
  const group = history.filter(({ name }) => name === backup.name)
  const newer = group.filter(({ time }) => time > backup.time)
  const keepers: readonly (readonly [number | undefined, (facts: BackupFacts) => string])[] = [
    [policy.keepLast, ({ id }) => id],
    [policy.keepHourly, ({ time }) => clock(time).slice(0, 13) + offset(time)],
    [policy.keepDaily, ({ time }) => clock(time).slice(0, 10)],
    [policy.keepWeekly, ({ time }) => monday(time)],
    [policy.keepMonthly, ({ time }) => clock(time).slice(0, 7)],
    [policy.keepYearly, ({ time }) => clock(time).slice(0, 4)],
  ]
  for (const [number, period] of keepers) {
    if (number === undefined) continue
    const periods = new Set(newer.map(period))
    if (!periods.has(period(backup)) && periods.size < number) return true
  }
  const newest = newer.length === 0
  const within = policy.keepWithin
  if (within !== undefined) {
    const end = group.find((one) => group.every((other) => other.time <= one.time)) ?? backup
    const [date = '', rest = ''] = clock(end.time).split('T')
    const [year = 0, month = 0, of = 0] = date.split('-').map(Number)
    const day0 = new Date(Date.UTC(year - within.years, month - 1 - within.months, of - within.days))
    const local = Date.parse(`${day0.toISOString().slice(0, 10)}T${rest}`)
    const moment = local - offset(local - offset(end.time) * minute) * minute - within.hours * 60 * minute
    if (backup.time >= moment) return true
  }
  const keeps = keepers.some(([number]) => number !== undefined) || within !== undefined
  const { removeBefore, removeOlderThan } = policy
  if (removeBefore !== undefined && backup.time < removeBefore.getTime()) return false
  if (removeOlderThan !== undefined && now - backup.time >= removeOlderThan * day) return newest
  return removeBefore !== undefined || removeOlderThan !== undefined || !keeps
}

/** What the clock on the wall shows. */
function clock(time: number): string {
  return new Date(time + offset(time) * minute).toISOString()
}

function monday(time: number): string {
  const date = new Date(`${clock(time).slice(0, 10)}T00:00:00Z`)
  while (date.getUTCDay() !== 1) date.setUTCDate(date.getUTCDate() - 1)
  return date.toISOString()
}
