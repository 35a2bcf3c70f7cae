/**
 * Which backups stay and which go: rules over what is listed, as a pure function. A backup that stays never loses what
 * it builds on, whatever the rules say.
 */
import { Failure } from '../contracts/failures.ts'

/** A time in the terms of a calendar. */
export interface Span {
  readonly years: number
  readonly months: number
  readonly days: number
  readonly hours: number
}

export interface RetentionPolicy {
  /** Keep so many of the newest backups. */
  readonly keepLast?: number | undefined
  /** Keep the newest backup of each of the last so many hours (days, …) that have one. */
  readonly keepHourly?: number | undefined
  readonly keepDaily?: number | undefined
  readonly keepWeekly?: number | undefined
  readonly keepMonthly?: number | undefined
  readonly keepYearly?: number | undefined
  /** Keep what is that much older than the newest, or less. */
  readonly keepWithin?: Span | undefined
  /** Remove what is older than so many days, but for the newest of a name. */
  readonly removeOlderThan?: number | undefined
  /** Remove what is older than that moment, be it the newest. */
  readonly removeBefore?: Date | undefined
}

/** What the rules look at. */
export interface BackupFacts {
  readonly id: string
  readonly host: string
  readonly name: string
  readonly chain: string
  readonly level: number
  /** Milliseconds since 1970. */
  readonly time: number
  /** Id of the backup one level below. */
  readonly parent: string | undefined
}

/** What counts beside the rules. */
export interface Circumstances {
  /** Milliseconds since 1970. */
  readonly now: number
  readonly pinned: ReadonlySet<string>
  /** Chains that a run under way may build on. */
  readonly inUse: ReadonlySet<string>
  /** Chains with a backup of which nobody can say what it builds on. */
  readonly damaged: ReadonlySet<string>
  /** Minutes that the calendar is ahead of UTC at a moment; this machine's local time when not given. */
  readonly offset?: ((time: number) => number) | undefined
}

export type KeepRule =
  | 'last'
  | 'hourly'
  | 'daily'
  | 'weekly'
  | 'monthly'
  | 'yearly'
  | 'within'
  /** The newest of its name, which `removeOlderThan` leaves. */
  | 'newest'
  /** No rule asks to remove it. */
  | 'not asked'
  | 'pin'
  | 'in use'
  /** Of a chain with a damaged manifest. */
  | 'damaged chain'
  /** `backup`, which is kept, builds on it. */
  | 'builds'

export type RemoveRule =
  | 'older than'
  | 'from date'
  /** There are rules that keep, and none keeps it. */
  | 'not kept'

export interface Decision {
  readonly backup: BackupFacts
  readonly keep: boolean
  /** Why; of a backup that is kept all reasons, of one that goes the first. */
  readonly reasons: readonly {
    readonly rule: KeepRule | RemoveRule
    /** The backup that builds on it. */
    readonly backup?: string
  }[]
}

type Reasons = { rule: KeepRule | RemoveRule; backup?: string }[]

const hour = 3_600_000
const day = 24 * hour

/** Whether a policy says anything; without, nothing is removed. */
export function hasRules(policy: RetentionPolicy): boolean {
  return keeps(policy) || removes(policy)
}

function keeps(policy: RetentionPolicy): boolean {
  return calendarRules.some(({ count }) => count(policy) !== undefined) || policy.keepWithin !== undefined
}

function removes(policy: RetentionPolicy): boolean {
  return policy.removeOlderThan !== undefined || policy.removeBefore !== undefined
}

/**
 * Decides about every backup of `history`, by host and name.
 *
 * - A backup is removed when a rule asks for it and none keeps it. Rules that keep ask to remove everything else; beside
 *   rules that remove, they only keep.
 * - Whatever a kept backup builds on is kept; and what is pinned, in use, or of a chain with damage.
 *
 * @returns in the order of `history`
 */
export function decide(
  history: readonly BackupFacts[],
  policy: RetentionPolicy,
  circumstances: Circumstances,
): Decision[] {
  const kept = new Map<string, Reasons>()
  const gone = new Map<string, Reasons>()
  for (const group of groups(history)) applyRules(group, policy, circumstances, kept, gone)

  for (const { id, chain } of history) {
    if (circumstances.pinned.has(id)) keep(kept, id, 'pin')
    if (circumstances.inUse.has(chain)) keep(kept, id, 'in use')
    if (circumstances.damaged.has(chain)) keep(kept, id, 'damaged chain')
  }
  keepWhatIsBuiltOn(history, kept)
  return history.map((backup) => {
    const reasons = kept.get(backup.id)
    return { backup, keep: reasons !== undefined, reasons: reasons ?? gone.get(backup.id) ?? [] }
  })
}

function keep(kept: Map<string, Reasons>, id: string, rule: KeepRule, backup?: string): void {
  const reasons = kept.get(id) ?? []
  reasons.push(backup === undefined ? { rule } : { rule, backup })
  kept.set(id, reasons)
}

/** The backups of each host and name, the newest first. */
function groups(history: readonly BackupFacts[]): BackupFacts[][] {
  const byName = Map.groupBy(history, ({ host, name }) => JSON.stringify([host, name]))
  return [...byName.values()].map((group) =>
    group.toSorted((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1)),
  )
}

function applyRules(
  group: readonly BackupFacts[],
  policy: RetentionPolicy,
  { now, offset = localOffset }: Circumstances,
  kept: Map<string, Reasons>,
  gone: Map<string, Reasons>,
): void {
  for (const { rule, count, period } of calendarRules) {
    let left = count(policy) ?? 0
    let last: string | undefined
    for (const { id, time } of group) {
      if (left === 0) break
      const its = period(time, offset)
      if (its !== undefined && its === last) continue
      last = its
      left--
      keep(kept, id, rule)
    }
  }
  const newest = group[0]
  if (newest === undefined) return
  if (policy.keepWithin !== undefined) {
    const start = before(newest.time, policy.keepWithin, offset)
    for (const { id, time } of group) if (time >= start) keep(kept, id, 'within')
  }
  for (const backup of group) {
    if (kept.has(backup.id)) continue
    const asked = removedBy(backup, policy, now)
    if (asked === undefined) keep(kept, backup.id, 'not asked')
    else if (asked === 'older than' && backup === newest) keep(kept, backup.id, 'newest')
    else gone.set(backup.id, [{ rule: asked }])
  }
}

/** The rule that asks to remove a backup that no rule keeps. */
function removedBy({ time }: BackupFacts, policy: RetentionPolicy, now: number): RemoveRule | undefined {
  const { removeBefore, removeOlderThan } = policy
  if (removeBefore !== undefined && time < removeBefore.getTime()) return 'from date'
  if (removeOlderThan !== undefined && time <= now - removeOlderThan * day) return 'older than'
  return keeps(policy) && !removes(policy) ? 'not kept' : undefined
}

function keepWhatIsBuiltOn(history: readonly BackupFacts[], kept: Map<string, Reasons>): void {
  const byId = new Map(history.map((backup) => [backup.id, backup]))
  const byChain = Map.groupBy(history, ({ chain }) => chain)
  const builtOn = new Set<string>()
  // From the highest level down, so that each is decided before what it builds on; of one level the newest first.
  const order = history.toSorted((a, b) => b.level - a.level || b.time - a.time || (a.id < b.id ? 1 : -1))
  for (const backup of order) {
    if (backup.level === 0 || !kept.has(backup.id)) continue
    const parent = backup.parent === undefined ? undefined : byId.get(backup.parent)
    const below =
      parent !== undefined && parent.level < backup.level
        ? [parent]
        : // Its parent is not listed: it may need any of those that are.
          (byChain.get(backup.chain) ?? []).filter(({ level }) => level < backup.level)
    for (const { id } of below) {
      if (builtOn.has(id)) continue
      builtOn.add(id)
      keep(kept, id, 'builds', backup.id)
    }
  }
}

interface CalendarRule {
  readonly rule: KeepRule
  readonly count: (policy: RetentionPolicy) => number | undefined
  /** The name of the period that a moment lies in; undefined when each backup counts by itself. */
  readonly period: (time: number, offset: (time: number) => number) => string | undefined
}

const calendarRules: readonly CalendarRule[] = [
  { rule: 'last', count: (policy) => policy.keepLast, period: () => undefined },
  {
    rule: 'hourly',
    count: (policy) => policy.keepHourly,
    // With the offset, because the clock shows one hour twice when summer ends.
    period: (time, offset) => `${Math.floor(shifted(time, offset) / hour)} ${offset(time)}`,
  },
  {
    rule: 'daily',
    count: (policy) => policy.keepDaily,
    period: (time, offset) => `${Math.floor(shifted(time, offset) / day)}`,
  },
  {
    rule: 'weekly',
    count: (policy) => policy.keepWeekly,
    // Weeks begin on Monday; 1970 began on a Thursday.
    period: (time, offset) => `${Math.floor((Math.floor(shifted(time, offset) / day) + 3) / 7)}`,
  },
  {
    rule: 'monthly',
    count: (policy) => policy.keepMonthly,
    period: (time, offset) => new Date(shifted(time, offset)).toISOString().slice(0, -17),
  },
  {
    rule: 'yearly',
    count: (policy) => policy.keepYearly,
    period: (time, offset) => String(new Date(shifted(time, offset)).getUTCFullYear()),
  },
]

function localOffset(time: number): number {
  return -new Date(time).getTimezoneOffset()
}

/** `time` as if the calendar's clock showed UTC. */
function shifted(time: number, offset: (time: number) => number): number {
  return time + offset(time) * 60_000
}

/** The moment that lies `span` before `time`, by the calendar. */
function before(
  time: number,
  { years, months, days, hours }: Span,
  offset: (time: number) => number,
): number {
  const date = new Date(shifted(time, offset))
  date.setUTCFullYear(date.getUTCFullYear() - years, date.getUTCMonth() - months, date.getUTCDate() - days)
  const there = date.getTime()
  const moment = there - offset(there - offset(time) * 60_000) * 60_000 - hours * hour
  // A span of more than all time: everything lies within.
  return Number.isNaN(moment) ? Number.NEGATIVE_INFINITY : moment
}

/**
 * `2y5m7d3h`: years, months, days and hours, in this order, each at most once.
 * @throws Failure `usage`
 */
export function parseSpan(text: string): Span {
  const match = /^(?:(\d{1,6})y)?(?:(\d{1,6})m)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?$/.exec(text.trim())
  const [years, months, days, hours] = (match?.slice(1) ?? []).map((part) => Number(part ?? 0))
  if (match === null || text.trim() === '' || years === undefined || months === undefined) throw invalid(text)
  if (days === undefined || hours === undefined) throw invalid(text)
  return { years, months, days, hours }
}

function invalid(text: string): Failure {
  return new Failure('usage', `"${text}" is not a span of time.`, {
    remedy: 'Write it like 30d, 12h or 2y5m7d3h: years, months, days, hours.',
  })
}
