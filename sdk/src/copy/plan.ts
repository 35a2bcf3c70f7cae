/** Which backups are to be copied: those that were named, and every level that they build on, oldest first. */
import { Failure, isFailure, toRecord } from '../contracts/failures.ts'
import { ahead } from '../pipeline/ahead.ts'
import { type BackupReference, type ChosenBackup, chooseBackup } from '../repository/choose.ts'
import type { BackupFilter } from '../repository/listing.ts'
import type { BackupName } from '../repository/names.ts'
import type { Repository } from '../repository/repository.ts'
import type { CopiedBackup } from './copy.ts'

const manifestsAtOnce = 8

export interface CopyPlan {
  /** Each after what it builds on. */
  readonly backups: readonly ChosenBackup[]
  /** Those whose manifest cannot be read. */
  readonly failed: readonly CopiedBackup[]
}

/**
 * @param references none: all of `filter`
 * @throws Failure `not-found` for a reference that names nothing, `usage`, `damaged` when what it names cannot be read
 */
export async function planCopy(
  repository: Repository,
  references: readonly BackupReference[],
  filter: BackupFilter,
  signal: AbortSignal,
): Promise<CopyPlan> {
  const names = await repository.names(undefined, signal)
  const { chosen, failed } =
    references.length === 0
      ? await allOf(repository, names, filter, signal)
      : { chosen: await named(repository, references, filter, signal), failed: [] }
  const byId = new Map(names.map((name) => [name.id, name]))
  const planned = new Map(chosen.map((backup) => [backup.manifest.id, backup]))
  for (const { manifest } of chosen) {
    let { parent } = manifest
    while (parent !== undefined && !planned.has(parent)) {
      const name = byId.get(parent)
      const below = name === undefined ? undefined : await readable(repository, name, signal)
      // Without it, what builds on it cannot be copied either: that is said when its turn comes.
      if (below === undefined || 'outcome' in below) break
      planned.set(parent, below)
      parent = below.manifest.parent
    }
  }
  const backups = [...planned.values()].sort(
    (a, b) => a.name.time - b.name.time || a.name.level - b.name.level || (a.name.id < b.name.id ? -1 : 1),
  )
  return { backups, failed }
}

async function allOf(
  repository: Repository,
  names: readonly BackupName[],
  { host, name }: BackupFilter,
  signal: AbortSignal,
): Promise<{ chosen: ChosenBackup[]; failed: CopiedBackup[] }> {
  const chosen: ChosenBackup[] = []
  const failed: CopiedBackup[] = []
  const narrow =
    host === undefined || name === undefined ? names : await repository.names({ host, name }, signal)
  for await (const one of ahead(narrow, manifestsAtOnce, (of) => readable(repository, of, signal))) {
    if (one === undefined) continue
    if ('outcome' in one) failed.push(one)
    else if (
      (host ?? one.manifest.host) === one.manifest.host &&
      (name ?? one.manifest.name) === one.manifest.name
    )
      chosen.push(one)
  }
  if (chosen.length > 0 || failed.length > 0) return { chosen, failed }
  throw new Failure('not-found', 'There is no backup to copy.', {
    remedy: 'See what there is with "freezer list".',
  })
}

async function named(
  repository: Repository,
  references: readonly BackupReference[],
  filter: BackupFilter,
  signal: AbortSignal,
): Promise<ChosenBackup[]> {
  const chosen: ChosenBackup[] = []
  for (const reference of references) chosen.push(await chooseBackup(repository, reference, filter, signal))
  return chosen
}

/** Undefined for a backup that a prune removed meanwhile. */
async function readable(
  repository: Repository,
  name: BackupName,
  signal: AbortSignal,
): Promise<ChosenBackup | CopiedBackup | undefined> {
  try {
    return { name, manifest: await repository.manifest(name, signal) }
  } catch (error) {
    if (!isFailure(error) || (error.code !== 'damaged' && error.code !== 'not-found')) throw error
    if (error.code === 'not-found') return undefined
    const { id, level, time } = name
    const whose = { host: undefined, name: undefined, level, time: new Date(time).toISOString() }
    return { id, copy: undefined, ...whose, outcome: 'failed', stored: 0, failure: toRecord(error) }
  }
}
