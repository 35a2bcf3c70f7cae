/** A check of a container of another program: all of it is read, because nothing else tells whether it is whole. */
import type { CheckedDamage, CheckReport, CheckRequest } from '../check/check.ts'
import type { Context } from '../contracts/context.ts'
import { Failure, type FailureRecord, isFailure, throwIfAborted, toRecord } from '../contracts/failures.ts'
import type { ForeignBackup } from '../contracts/reader.ts'
import { manifestKey, plainGroup } from '../repository/names.ts'
import type { ForeignRepository } from './foreign-repository.ts'

/**
 * Reads every backup, and names what each lacks.
 * @throws Failure of the storage, `key`, `interrupted`; `usage` for a part of the data
 */
export async function checkForeign(
  repository: ForeignRepository,
  { filter = {}, data, resume }: Pick<CheckRequest, 'filter' | 'data' | 'resume'>,
  context: Context,
): Promise<CheckReport> {
  if ((data !== undefined && data !== 'all') || resume !== undefined) {
    throw new Failure('usage', `A container of ${repository.reader.program} is read whole or not at all.`, {
      remedy: 'Check without a part and without --resume, or copy it with "freezer copy" and check the copy.',
    })
  }
  const started = performance.now()
  const damaged: CheckedDamage[] = []
  const unchecked: { id: string; failure: FailureRecord }[] = []
  const totals = { backups: 0, blocks: 0, bytes: 0, stored: 0 }
  // What is lost is told with the backup that lacks it.
  const quiet: Context = {
    ...context,
    report: (event) => {
      if (event.type === 'progress') context.report(event)
    },
  }
  for (const backup of (await repository.backups()).values()) {
    throwIfAborted(context.signal)
    if ((filter.host ?? backup.host) !== backup.host || (filter.name ?? backup.name) !== backup.name) continue
    totals.backups++
    totals.stored += backup.stored
    try {
      const { manifest, lost } = await repository.read(backup, quiet)
      totals.blocks += manifest.archive.blocks
      totals.bytes += manifest.archive.bytes
      const failures = repository.readingsOf(backup.id).flatMap(({ damage }) => damage ?? [])
      if (failures.length > 0) damaged.push(damageOf(backup, failures, lost))
    } catch (error) {
      if (!isFailure(error) || !['damaged', 'hostile', 'not-found', 'plugin'].includes(error.code))
        throw error
      if (error.code === 'plugin') unchecked.push({ id: backup.id, failure: toRecord(error) })
      else damaged.push({ ...damageOf(backup, [error], []), whole: true })
    }
  }
  return {
    backups: totals.backups,
    blocks: totals.blocks,
    bytes: totals.bytes,
    indexBytes: 0,
    archiveBytes: totals.stored,
    selectedBytes: totals.stored,
    damaged,
    unchecked,
    garbage: { segments: 0, bytes: 0 },
    seconds: (performance.now() - started) / 1000,
  }
}

function damageOf(
  backup: ForeignBackup,
  failures: readonly Failure[],
  files: readonly string[],
): CheckedDamage {
  const { id, host, name, level, chain, time } = backup
  return {
    id,
    manifest: manifestKey(plainGroup(host, name), { id, chain, level, time }),
    host,
    name,
    level,
    time: new Date(time).toISOString(),
    whole: false,
    failures: failures.map(toRecord),
    files,
    metadata: [],
    lost: [],
  }
}
