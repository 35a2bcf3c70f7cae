/** What `status` says. */
import type { ContainerStatus, NameStatus } from '@freezer/sdk'
import { Failure, spellDuration } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import type { Subject } from '../invocation.ts'
import { damagedManifests } from './damaged.ts'
import type { Outcome } from './reporter.ts'
import { age, count, table, visible } from './text.ts'

export function statusOutcome(status: ContainerStatus, asked: Subject): Outcome {
  const { names, damaged } = status
  const columns = [
    { title: 'NAME' },
    { title: 'HOST' },
    { title: 'BACKUPS', align: 'right' },
    { title: 'NEWEST' },
    { title: 'LEVEL', align: 'right' },
    { title: 'TIME' },
    { title: 'AGE', align: 'right' },
    { title: 'STATE' },
  ] as const
  const rows = names.map((one) => [
    one.name,
    one.host,
    count(one.backups),
    one.newest.id.slice(0, 8),
    String(one.newest.level),
    localTime(one.newest.time),
    age(one.age),
    state(one),
  ])
  return {
    json: status,
    lines: [
      ...(rows.length === 0 ? ['No backups.'] : table(columns, rows)),
      ...damaged.map(({ manifest, failure }) => visible(`Damaged: ${manifest}: ${failure.message}`)),
    ],
    failure: statusFailure(status, asked),
    backups: names.map(({ host, name, newest, ...facts }) => ({
      host,
      name,
      facts: { ...newest, ...facts },
    })),
  }
}

function state({ fresh, complete, newest }: NameStatus): string {
  const parts = [
    fresh === undefined ? '' : fresh ? 'fresh' : 'stale',
    complete ? 'complete' : `incomplete (${count(newest.unread)} unread)`,
    newest.changed > 0 ? `${count(newest.changed)} changed` : '',
  ]
  return parts.filter((part) => part !== '').join(', ')
}

/** Without an age nothing is judged but what is missing altogether. */
function statusFailure({ names, damaged, maxAge }: ContainerStatus, asked: Subject): Failure | undefined {
  if (damaged.length > 0) return damagedManifests(damaged.length)
  if (names.length === 0) {
    if (maxAge === undefined && asked.name === undefined && asked.host === undefined) return undefined
    const name = asked.name === undefined ? '' : ` "${asked.name}"`
    const host = asked.host === undefined ? '' : ` of host "${asked.host}"`
    return new Failure('not-found', `There is no backup${name}${host} in this container.`, {
      remedy: 'See what there is with "freezer list".',
    })
  }
  if (maxAge === undefined) return undefined
  const stale = names.filter(({ fresh }) => fresh === false)
  if (stale.length > 0) {
    return new Failure('stale', `Not backed up within ${spellDuration(maxAge * 1000)}: ${named(stale)}.`, {
      remedy: 'See how the last runs of the backup ended.',
      facts: { stale: stale.length },
    })
  }
  const incomplete = names.filter(({ complete }) => !complete)
  if (incomplete.length === 0) return undefined
  return new Failure(
    'incomplete',
    `The newest backup lacks files that could not be read: ${named(incomplete)}.`,
    {
      remedy: 'The run that made it named each of them.',
      facts: { incomplete: incomplete.length },
    },
  )
}

/** The first few of them, in words. */
function named(names: readonly NameStatus[]): string {
  const most = 5
  const words = names.slice(0, most).map(({ host, name }) => `${name} of ${host}`)
  if (names.length > most) words.push(`and ${count(names.length - most)} more`)
  return words.join(', ')
}
