/** What the commands say when they are done. */

import type {
  BackupSummary,
  ContainerInfo,
  DamagedBackup,
  Manifest,
  ReportedBackup,
  ResourceBackup,
  RestoreResult,
  VerifyResult,
} from '@freezer/sdk'
import { Failure, fromRecord, toRecord } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import type { Pruned } from '../retention.ts'
import { damagedManifests } from './damaged.ts'
import { prunedJson, pruneFacts, pruneJson } from './prune.ts'
import type { Outcome } from './reporter.ts'
import { count, duration, facts, size, table, visible } from './text.ts'

/** Digits of an id that tell a few thousand backups apart; more are asked for where they do not. */
export const shownId = 8

/** One backup is one object; several, of a mode that finds several things, are a list. */
export function backupOutcome(results: readonly ResourceBackup[], pruned: readonly Pruned[] = []): Outcome {
  const [only] = results
  const failed = pruned.find((one) => 'failure' in one)
  const shown = results.map((result, at) => {
    const one = pruned[at]
    if (one === undefined) return result
    if ('failure' in one) return { ...result, prune: { failure: toRecord(one.failure) } }
    const each = one.storages === undefined ? {} : { storages: prunedJson(one.storages) }
    return { ...result, prune: { ...pruneJson(one.result), ...each } }
  })
  if (only === undefined) throw new Failure('source', 'There is nothing to back up.')
  const unread = results.reduce((sum, result) => sum + result.unread, 0)
  const changed = results.reduce((sum, result) => sum + result.changed, 0)
  const leftover = results.find((result) => result.leftover !== undefined)?.leftover
  return {
    json: results.length === 1 ? (shown[0] ?? only) : { backups: shown },
    backups: results.map(reported),
    lines: results.flatMap((result, at) =>
      facts([
        [result.dryRun ? 'Would back up' : 'Backed up', `${result.name} of ${result.host}`],
        ['Level', String(result.level)],
        ['Time', localTime(result.time)],
        ['Entries', count(result.entries)],
        ['Size', size(result.bytes)],
        [result.dryRun ? 'Would store' : 'Stored', size(result.stored)],
        ['Engine', result.engine],
        ['Codecs', result.codecs.join(', ') || 'none'],
        ...(result.snapshot === undefined ? [] : [['Snapshot', result.snapshot] as const]),
        ...(result.locked === undefined ? [] : [['Held still', duration(result.locked)] as const]),
        ...(result.unread > 0 ? [['Unread', count(result.unread)] as const] : []),
        ...(result.changed > 0
          ? [['Changed', `${count(result.changed)} while they were read`] as const]
          : []),
        ...pruneFacts(pruned[at]),
        ['Took', duration(result.seconds)],
      ]),
    ),
    failure:
      unread > 0
        ? new Failure(
            'incomplete',
            `${count(unread)} of the entries could not be read and are not in this backup.`,
            {
              remedy: 'Each was named above.',
            },
          )
        : (leftover ?? failed) !== undefined
          ? leftover === undefined
            ? failed?.failure
            : fromRecord(leftover)
          : changed > 0
            ? new Failure('changed', `${count(changed)} of the entries changed while they were read.`, {
                remedy: 'Each was named above; back up from a snapshot, or while nothing writes to them.',
              })
            : undefined,
  }
}

function reported({ host, name, ...result }: ResourceBackup): ReportedBackup {
  const { id, level, time, entries, bytes, archived, stored, unread, changed, locked, seconds } = result
  return {
    host,
    name,
    facts: { id, level, time, entries, bytes, archived, stored, unread, changed, locked, seconds },
  }
}

export function restoreOutcome(result: RestoreResult, destination = 'a program'): Outcome {
  const { unrestored, damaged } = result
  const lost =
    damaged && unrestored === 0
      ? 'nothing tells which files it affects'
      : `${count(unrestored)} of the entries could not be restored`
  const { host, name, ...known } = result
  return {
    json: result,
    backups: [{ host, name, facts: known }],
    lines: facts([
      [result.dryRun ? 'Would restore' : 'Restored', `${result.name} of ${result.host} to ${destination}`],
      ['Level', String(result.level)],
      ['Time', localTime(result.time)],
      ['Entries', count(result.entries)],
      ['Size', size(result.bytes)],
      ...(result.dryRun || result.replaced + result.updated + result.kept + result.deleted > 0
        ? [
            ['Created', count(result.created)] as const,
            ['Replaced', count(result.replaced)] as const,
            ['Updated', `${count(result.updated)} in their metadata alone`] as const,
            ['Kept', count(result.kept)] as const,
            ['Deleted', count(result.deleted)] as const,
          ]
        : []),
      ...(unrestored > 0 ? [['Unrestored', count(unrestored)] as const] : []),
      ['Took', duration(result.seconds)],
    ]),
    failure: damaged
      ? new Failure('damaged', `Stored data is damaged; ${lost}.`, {
          remedy: 'Each was named above; all others are whole.',
        })
      : unrestored > 0
        ? new Failure('incomplete', `${lost}.`, { remedy: 'Each was named above.' })
        : undefined,
  }
}

export function verifyOutcome(result: VerifyResult, directory: string): Outcome {
  const { changed, missing, extra, uncompared, damaged } = result
  const differ = changed + missing + extra
  const named = { remedy: 'Each was named above.' }
  return {
    json: result,
    lines: facts([
      ['Compared', `${result.name} of ${result.host} with ${directory}`],
      ['Level', String(result.level)],
      ['Time', localTime(result.time)],
      ['Same', count(result.same)],
      ['Changed', count(changed)],
      ['Missing', count(missing)],
      ['Extra', count(extra)],
      ...(uncompared > 0 ? [['Uncompared', count(uncompared)] as const] : []),
      ['Took', duration(result.seconds)],
    ]),
    failure: damaged
      ? new Failure(
          'damaged',
          `Stored data is damaged; ${count(uncompared)} of the entries are not compared.`,
          named,
        )
      : differ > 0
        ? new Failure('different', `${count(differ)} paths differ from the backup.`, named)
        : uncompared > 0
          ? new Failure('incomplete', `${count(uncompared)} of the entries could not be compared.`, named)
          : undefined,
  }
}

export function listOutcome(found: readonly (BackupSummary | DamagedBackup)[]): Outcome {
  const backups = found.filter((one): one is BackupSummary => !('failure' in one))
  const damaged = found.filter((one): one is DamagedBackup => 'failure' in one)
  const programs = [...new Set(backups.flatMap(({ foreign }) => foreign?.program ?? []))]
  const shown = shortestId(backups.map((backup) => backup.id))
  const rows = backups.map((backup) => [
    backup.id.slice(0, shown),
    backup.name,
    backup.host,
    String(backup.level),
    localTime(backup.time),
    backup.bytes === undefined ? '' : size(backup.bytes),
    size(backup.stored),
    backup.foreign?.readable === false ? `${backup.engine} (${backup.foreign.content})` : backup.engine,
    backup.codecs.join(', ') || 'none',
  ])
  const columns = [
    { title: 'ID' },
    { title: 'NAME' },
    { title: 'HOST' },
    { title: 'LEVEL', align: 'right' },
    { title: 'TIME' },
    { title: 'SIZE', align: 'right' },
    { title: 'STORED', align: 'right' },
    { title: 'ENGINE' },
    { title: 'CODECS' },
  ] as const
  return {
    json: { backups, damaged },
    lines: [
      ...programs.map((program) => `A container of ${program}: read, never written.`),
      ...(found.length === 0 ? ['No backups.'] : table(columns, rows)),
      ...damaged.map(({ manifest, failure }) => visible(`Damaged: ${manifest}: ${failure.message}`)),
    ],
    failure: damagedManifests(damaged.length),
  }
}

/** So many characters tell all `ids` apart, 8 at least. */
function shortestId(ids: readonly string[]): number {
  let length = 8
  while (length < 32 && new Set(ids.map((id) => id.slice(0, length))).size < ids.length) length++
  return length
}

export function pinOutcome({ id, host, name, level, time }: Manifest, pinned: boolean): Outcome {
  return {
    json: { id, host, name, level, time, pinned },
    lines: facts([
      [pinned ? 'Pinned' : 'No longer pinned', `${name} of ${host}`],
      ['Level', String(level)],
      ['Time', localTime(time)],
      ['Id', id],
    ]),
  }
}

export function infoOutcome(info: ContainerInfo): Outcome {
  const { oldest, newest } = info
  const columns = [
    { title: 'NAME' },
    { title: 'HOST' },
    { title: 'BACKUPS', align: 'right' },
    { title: 'CHAINS', align: 'right' },
    { title: 'NEWEST' },
    { title: 'SIZE', align: 'right' },
    { title: 'STORED', align: 'right' },
  ] as const
  const rows = info.names.map((one) => [
    one.name,
    one.host,
    count(one.backups),
    count(one.chains),
    localTime(one.newest),
    one.bytes === undefined ? '' : size(one.bytes),
    size(one.stored),
  ])
  return {
    json: info,
    lines: [
      ...facts([
        ['Encrypted', info.encrypted ? 'yes' : 'no'],
        ['Backups', count(info.backups)],
        ['Chains', count(info.chains)],
        ['Stored', `${size(info.stored)} in ${count(info.blobs)} objects`],
        ...(oldest === undefined ? [] : [['Oldest', localTime(oldest)] as const]),
        ...(newest === undefined ? [] : [['Newest', localTime(newest)] as const]),
        ...(info.damaged > 0 ? [['Damaged', count(info.damaged)] as const] : []),
      ]),
      ...(rows.length === 0 ? [] : ['', ...table(columns, rows)]),
    ],
    failure: damagedManifests(info.damaged),
  }
}

/** For a command that went on without some parts of indexes. */
export function lostIndexParts(number: number): Failure | undefined {
  if (number === 0) return undefined
  return new Failure('damaged', 'Part of what was to be looked through is damaged, so this is not all.', {
    remedy: 'Each part was named above.',
  })
}
