/** What a prune did, or would do, and why. */
import type { Decision, PrunedStorage, PruneResult } from '@freezer/sdk'
import { toRecord } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import type { Pruned } from '../retention.ts'
import { damagedManifests } from './damaged.ts'
import type { Outcome } from './reporter.ts'
import { count, duration, facts, size, table, visible } from './text.ts'

/** @param ruled whether any rule was given */
export function pruneOutcome(result: PruneResult, ruled: boolean): Outcome {
  const { dryRun, damaged } = result
  return {
    json: pruneJson(result),
    lines: [
      ...(dryRun && result.decisions.length > 0 ? [...decisionTable(result.decisions), ''] : []),
      ...facts([
        [dryRun ? 'Would remove' : 'Removed', removedWords(result)],
        ['Kept', count(result.kept)],
        ...deadFacts(result),
        [dryRun ? 'Would free' : 'Freed', size(result.freed)],
        ...(ruled ? [] : [['Rules', 'none, so only leftovers of killed runs are removed'] as const]),
        ['Took', duration(result.seconds)],
      ]),
      ...damaged.map(({ manifest, failure }) => visible(`Damaged: ${manifest}: ${failure.message}`)),
    ],
    failure: damagedManifests(damaged.length),
  }
}

/** The same of several storages, each of which was pruned by itself. */
export function pruneEachOutcome(storages: readonly PrunedStorage[], ruled: boolean): Outcome {
  const outcomes = storages.flatMap((one) => ('result' in one ? pruneOutcome(one.result, ruled) : []))
  return {
    json: { pruned: prunedJson(storages) },
    lines: storages.flatMap((one) => [
      ...facts([['Storage', visible(one.storage)]]),
      ...('result' in one
        ? pruneOutcome(one.result, ruled).lines
        : facts([['Failed', visible(one.failure.message)]])),
      '',
    ]),
    failure: outcomes.find(({ failure }) => failure !== undefined)?.failure,
    catchUp: () => 'The next prune does there what is left to do.',
  }
}

/** What was done on each storage. */
export function prunedJson(storages: readonly PrunedStorage[]): object[] {
  return storages.map((one) =>
    'result' in one
      ? { storage: one.storage, ...pruneJson(one.result) }
      : { storage: one.storage, failure: toRecord(one.failure) },
  )
}

/** The lines of a prune among those of a backup. */
export function pruneFacts(pruned: Pruned | undefined): (readonly [string, string])[] {
  if (pruned === undefined) return []
  if ('failure' in pruned) return [['Pruned', 'no, see below']]
  const { result } = pruned
  return [
    ['Pruned', `${removedWords(result)}, ${count(result.kept)} kept, ${size(result.freed)} freed`],
    ...deadFacts(result),
  ]
}

function removedWords({ removed }: PruneResult): string {
  return `${count(removed)} ${removed === 1 ? 'backup' : 'backups'}`
}

function deadFacts({ deadRuns, inUse }: PruneResult): (readonly [string, string])[] {
  return [
    ...(deadRuns > 0 ? [['Killed runs', `leftovers of ${count(deadRuns)}`] as const] : []),
    ...(inUse.backups > 0
      ? [['Still in use', `${size(inUse.bytes)} of removed backups, for a later prune`] as const]
      : []),
  ]
}

export function pruneJson(result: PruneResult): object {
  return {
    ...result,
    decisions: result.decisions.map(({ backup, keep, reasons }) => ({
      ...backup,
      time: new Date(backup.time).toISOString(),
      keep,
      reasons,
    })),
  }
}

function decisionTable(decisions: readonly Decision[]): string[] {
  const columns = [
    { title: '' },
    { title: 'ID' },
    { title: 'NAME' },
    { title: 'HOST' },
    { title: 'LEVEL', align: 'right' },
    { title: 'TIME' },
    { title: 'WHY' },
  ] as const
  const rows = decisions.map(({ backup, keep, reasons }) => [
    keep ? 'keep' : 'remove',
    backup.id.slice(0, 8),
    backup.name,
    backup.host,
    String(backup.level),
    localTime(new Date(backup.time).toISOString()),
    reasons.map(why).join(', '),
  ])
  return table(columns, rows)
}

function why({ rule, backup }: Decision['reasons'][number]): string {
  switch (rule) {
    case 'newest':
      return 'the newest'
    case 'not asked':
      return 'no rule removes it'
    case 'pin':
      return 'pinned'
    case 'in use':
      return 'a run under way may build on it'
    case 'damaged chain':
      return 'a manifest of its chain is damaged'
    case 'builds':
      return `${backup?.slice(0, 8)} builds on it`
    case 'from date':
      return 'older than the date'
    case 'older than':
      return 'older than the days'
    case 'not kept':
      return 'no rule keeps it'
    default:
      return rule
  }
}
