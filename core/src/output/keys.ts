/** What the commands about keys say when they are done. */

import type { AddedKeys, AddedRecipient, KeyEntry, KeyList, RemovedKey, RotatedKey } from '@freezer/sdk'
import { Failure } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import type { Outcome } from './reporter.ts'
import { facts, table, visible } from './text.ts'

const kinds: Readonly<Record<KeyEntry['kind'], string>> = {
  passphrase: 'passphrase',
  'key-file': 'key file',
  recipient: 'recipient',
  retired: 'retired key',
  'codec-passphrase': 'codec passphrase',
}

/** Digits of a fingerprint that are shown. */
const shortened = 8

export function keyListOutcome(list: KeyList): Outcome {
  const columns = [
    { title: 'ID' },
    { title: 'KIND' },
    { title: 'LABEL' },
    { title: 'CREATED' },
    { title: 'REPOSITORY KEY' },
    { title: 'NOTE' },
  ] as const
  const rows = list.keys.map((key) => [
    key.id,
    kinds[key.kind],
    key.label ?? '',
    key.created === undefined ? '' : localTime(key.created),
    key.repositoryKey?.slice(0, shortened) ?? '',
    noteOf(key),
  ])
  return {
    json: list,
    lines: [
      ...facts([['New backups', `repository key ${list.writing.slice(0, shortened)}`]]),
      '',
      ...table(columns, rows),
      ...list.damaged.map(({ id, failure }) => visible(`Damaged: ${id}: ${failure.message}`)),
    ],
    failure:
      list.damaged.length === 0
        ? undefined
        : new Failure('damaged', 'Files under keys/ in this container cannot be understood.', {
            remedy: 'Take them from another copy of the container.',
          }),
  }
}

function noteOf({ state, opened, kind, host }: KeyEntry): string {
  if (state === 'unknown') return 'unknown: not proven by what was given'
  const notes = [
    ...(opened ? ['opened the container'] : []),
    ...(host === undefined ? [] : [`backups of ${host}`]),
    ...(state === 'retired' && kind !== 'retired' ? ['older backups alone'] : []),
  ]
  return notes.join(', ')
}

/** What is to be said of storages that a change of keys did not reach, where `opens` is what they open with. */
function keysBehind(opens: string): NonNullable<Outcome['catchUp']> {
  return (sound, lost) => {
    const names = lost.map(({ name }) => name).join(', ')
    return `Until "freezer heal --keys-from ${sound}" gives ${names} the keys of ${sound}, ${opens}.`
  }
}

export function keyAddOutcome(result: AddedKeys): Outcome {
  return {
    json: result,
    lines: result.added.map((key) => `Added ${named(key)}.`),
    catchUp: keysBehind('what was added does not open it there'),
  }
}

export function recipientOutcome({ id, host, label }: AddedRecipient, file: string): Outcome {
  return {
    json: { recipient: { id, host, label, file } },
    lines: [
      `Added the recipient ${id} for backups of ${visible(host)}.`,
      visible(`Move ${file} to that host, for "freezer backup --encrypt-recipient", and keep it secret.`),
    ],
    catchUp: keysBehind('that host cannot write there'),
  }
}

export function keyRemoveOutcome(result: RemovedKey): Outcome {
  return {
    json: result,
    lines: [`Removed ${named(result.removed)}.`],
    catchUp: keysBehind('what was removed still opens the container there'),
  }
}

export function keyRotateOutcome(result: RotatedKey): Outcome {
  const { writing, added, removed, recipients } = result
  return {
    json: result,
    lines: [
      `New backups are written with the repository key ${writing.slice(0, shortened)}, opened by ${named(added)}.`,
      ...removed.map((key) => `Removed ${named(key)}; add it again with "freezer key add" if it shall stay.`),
      ...recipients.map(
        (one) => `${named(one)} is known to whoever knew the earlier key; replace it if they must not.`,
      ),
    ],
    catchUp: keysBehind('the container there is opened by the earlier keys alone'),
  }
}

function named({ id, kind, label }: KeyEntry): string {
  return visible(`${kinds[kind]} ${id}${label === undefined ? '' : ` (${label})`}`)
}
