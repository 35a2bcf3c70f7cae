/** What a check says when it is done. */
import type { CheckedDamage, CheckReport } from '@freezer/sdk'
import { Failure } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import type { Outcome } from './reporter.ts'
import { shownId } from './results.ts'
import { count, duration, facts, size, visible } from './text.ts'

/** Paths, and sentences, that are shown of one backup. */
const shown = 20

export function checkOutcome(report: CheckReport): Outcome {
  const { backups, blocks, bytes, archiveBytes, indexBytes, damaged, garbage, unchecked } = report
  return {
    json: report,
    lines: [
      ...facts([
        ['Checked', plural(backups, 'backup')],
        ['Index', `${size(indexBytes)} read`],
        ...(report.selectedBytes > 0 || blocks > 0
          ? [['Data', `${size(bytes)} of ${size(archiveBytes)} read, in ${plural(blocks, 'block')}`] as const]
          : []),
        ['Damaged', damaged.length === 0 ? 'none' : plural(damaged.length, 'backup')],
        ...(unchecked.length > 0 ? [['Not checked', plural(unchecked.length, 'backup')] as const] : []),
        ...(garbage.segments > 0
          ? [
              [
                'Garbage',
                `${plural(garbage.segments, 'object')}, ${size(garbage.bytes)}, of runs that were killed or are under way`,
              ] as const,
            ]
          : []),
        ['Took', duration(report.seconds)],
      ]),
      ...damaged.flatMap(damageLines),
    ],
    failure: failureOf(report),
  }
}

function damageLines(damage: CheckedDamage): string[] {
  const { id, host, name, level, time, whole, failures, files, metadata, lost } = damage
  const whose = name === undefined ? `of ${damage.manifest}` : `${name} of ${host}`
  const sentences = failures.map(({ message, facts: more }) => {
    const where = more?.['segment'] ?? more?.['manifest']
    return where === undefined ? message : `${message} (${where})`
  })
  const parts = lost.map(({ from, before }) =>
    before === undefined
      ? `from ${from || '.'} to the end`
      : `from ${from || '.'} up to, and without, ${before || '.'}`,
  )
  return [
    '',
    visible(`Damaged: ${id.slice(0, shownId)}, ${whose}, level ${level}, ${localTime(time)}`),
    ...some(sentences, '  '),
    ...(whole ? ['  Nothing of it can be restored.'] : []),
    ...list(`  ${plural(files.length, 'path')} cannot be restored:`, files),
    ...list(
      `  ${plural(metadata.length, 'path')} would lose extended attributes and ACLs, no more:`,
      metadata,
    ),
    ...list(`  The index lacks ${plural(lost.length, 'part')}:`, parts),
  ]
}

function list(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [title, ...some(items, '    ')]
}

/** The first of them, and how many more there are. */
function some(items: readonly string[], indent: string): string[] {
  const more = items.length - shown
  const lines = items.slice(0, shown).map((item) => visible(`${indent}${item || '.'}`))
  return more > 0 ? [...lines, `${indent}and ${count(more)} more; --json gives all`] : lines
}

function failureOf({ damaged, unchecked, stopped }: CheckReport): Failure | undefined {
  if (damaged.length > 0) {
    const rest = stopped === undefined ? '' : ` The check ended early: ${stopped.message}`
    return new Failure('damaged', `${count(damaged.length)} of the backups are damaged.${rest}`, {
      remedy:
        'What is not named can be restored. Take the rest from a copy, or from other backups ("freezer find"), ' +
        'and begin a new chain with "freezer backup --no-incremental".',
    })
  }
  const [first] = unchecked
  if (first === undefined) return undefined
  return new Failure(
    first.failure.code,
    `${count(unchecked.length)} of the backups could not be checked: ${first.failure.message}`,
    { remedy: first.failure.remedy },
  )
}

function plural(number: number, what: string): string {
  return `${count(number)} ${what}${number === 1 ? '' : 's'}`
}
