/** What a copy says when it is done. */
import type { CopyResult } from '@freezer/sdk'
import { Failure } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import type { Outcome } from './reporter.ts'
import { shownId } from './results.ts'
import { count, duration, facts, size, table, visible } from './text.ts'

export function copyOutcome(result: CopyResult): Outcome {
  const { backups, copied, present, failed, dryRun } = result
  const columns = [
    { title: 'ID' },
    { title: 'NAME' },
    { title: 'HOST' },
    { title: 'LEVEL', align: 'right' },
    { title: 'TIME' },
    { title: dryRun ? 'TO READ' : 'STORED', align: 'right' },
    { title: 'OUTCOME' },
  ] as const
  const rows = backups.map((one) => [
    one.id.slice(0, shownId),
    one.name ?? '?',
    one.host ?? '?',
    String(one.level),
    localTime(one.time),
    one.outcome === 'present' || one.outcome === 'failed' ? '' : size(one.stored),
    one.outcome,
  ])
  const planned = backups.length - copied - present - failed
  return {
    json: result,
    lines: [
      ...table(columns, rows),
      '',
      ...facts([
        dryRun ? ['Would copy', count(planned)] : ['Copied', count(copied)],
        ['There already', count(present)],
        ...(failed > 0 ? [['Failed', count(failed)] as const] : []),
        ...(dryRun ? [] : [['Read', size(result.read)] as const, ['Stored', size(result.stored)] as const]),
        ['Took', duration(result.seconds)],
      ]),
      ...backups.flatMap(({ id, failure }) =>
        failure === undefined
          ? []
          : [
              visible(
                `Failed: ${id.slice(0, shownId)}: ${[failure.message, failure.remedy ?? ''].join(' ')}`,
              ),
            ],
      ),
    ],
    failure: failureOf(result),
  }
}

/** Damage is what a person must hear of first. */
function failureOf({ backups, failed }: CopyResult): Failure | undefined {
  const failures = backups.flatMap(({ failure }) => (failure === undefined ? [] : [failure]))
  const worst = failures.find(({ code }) => code === 'damaged' || code === 'hostile') ?? failures[0]
  if (worst === undefined) return undefined
  return new Failure(worst.code, `${count(failed)} of the backups could not be copied.`, {
    remedy: 'Each is named with its reason; all others were copied.',
  })
}
