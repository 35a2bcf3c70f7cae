/** What a heal says when it is done. */
import type { HealResult } from '@freezer/sdk'
import { Failure } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import type { Outcome } from './reporter.ts'
import { shownId } from './results.ts'
import { count, duration, facts, size, table, visible } from './text.ts'

export function healOutcome(result: HealResult): Outcome {
  const { backups, looked, added, repaired, skipped, later, failed, pins, dryRun } = result
  const columns = [
    { title: 'STORAGE' },
    { title: 'ID' },
    { title: 'NAME' },
    { title: 'HOST' },
    { title: 'LEVEL', align: 'right' },
    { title: 'TIME' },
    { title: 'BYTES', align: 'right' },
    { title: 'OUTCOME' },
  ] as const
  const rows = backups
    .filter(({ outcome }) => outcome !== 'skipped')
    .map((one) => [
      visible(one.storage),
      one.id.slice(0, shownId),
      one.name ?? '?',
      one.host ?? '?',
      String(one.level),
      localTime(one.time),
      size(one.bytes),
      one.outcome,
    ])
  return {
    json: result,
    lines: [
      ...(rows.length === 0 ? [] : [...table(columns, rows), '']),
      ...facts([
        ['Backups', count(looked)],
        [dryRun ? 'Would add' : 'Added', count(added)],
        [dryRun ? 'Would repair' : 'Repaired', count(repaired)],
        ...(skipped > 0 ? [['Skipped', `${count(skipped)} that were removed elsewhere`] as const] : []),
        ...(later > 0 ? [['Later', `${count(later)} that others are at work on`] as const] : []),
        ...(failed > 0 ? [['Failed', count(failed)] as const] : []),
        ...(pins > 0 ? [[dryRun ? 'Would pin' : 'Pinned', count(pins)] as const] : []),
        ...(dryRun ? [] : [['Stored', size(result.stored)] as const]),
        ['Took', duration(result.seconds)],
      ]),
      ...backups.flatMap(({ storage, id, outcome, failure }) =>
        failure === undefined || outcome === 'skipped'
          ? []
          : [
              visible(
                `${storage}: ${id.slice(0, shownId)}: ${failure.message} ${failure.remedy ?? ''}`.trim(),
              ),
            ],
      ),
    ],
    failure: failureOf(result),
  }
}

/** Damage is what a person must hear of first. */
function failureOf({ backups, failed, later }: HealResult): Failure | undefined {
  const failures = backups.flatMap(({ outcome, failure }) =>
    outcome === 'failed' && failure !== undefined ? [failure] : [],
  )
  const worst = failures.find(({ code }) => code === 'damaged' || code === 'hostile') ?? failures[0]
  if (worst !== undefined) {
    return new Failure(worst.code, `${count(failed)} times a backup could not be healed.`, {
      remedy: 'Each is named with its reason; all else was healed.',
    })
  }
  if (later === 0) return undefined
  return new Failure('incomplete', `${count(later)} times a backup is left for a later heal.`, {
    remedy: 'Each is named with its reason.',
  })
}
