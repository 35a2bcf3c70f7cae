/** Which backup is meant: the newest, the newest up to a moment, or the one of an id. */
import { Failure, isFailure } from '../contracts/failures.ts'
import type { BackupFilter } from './listing.ts'
import type { Manifest } from './manifest.ts'
import type { BackupName } from './names.ts'
import type { Repository } from './repository.ts'

/** `id` may be the beginning of one, as long as it is that of no other. `before` includes the moment itself. */
export type BackupReference = 'latest' | { readonly id: string } | { readonly before: Date }

export interface ChosenBackup {
  readonly name: BackupName
  readonly manifest: Manifest
}

/**
 * The backup that `reference` names among those of `filter`.
 * @throws Failure `not-found`, `usage` for an id that several backups begin with, `damaged`
 */
export async function chooseBackup(
  repository: Repository,
  reference: BackupReference,
  { host, name }: BackupFilter,
  signal: AbortSignal,
): Promise<ChosenBackup> {
  const of = host !== undefined && name !== undefined ? { host, name } : undefined
  const names = await repository.names(of, signal)
  for (const candidate of matching(names, reference)) {
    let manifest: Manifest
    try {
      manifest = await repository.manifest(candidate, signal)
    } catch (error) {
      // A prune may have removed it since it was listed.
      if (!isFailure(error) || error.code !== 'not-found') throw error
      continue
    }
    const fits =
      (host === undefined || manifest.host === host) && (name === undefined || manifest.name === name)
    if (fits) return { name: candidate, manifest }
  }
  throw nothingFits(names, reference, { host, name })
}

/** Those that may be meant, the likeliest first. */
function matching(names: readonly BackupName[], reference: BackupReference): readonly BackupName[] {
  if (reference === 'latest') return names.toReversed()
  if ('before' in reference) {
    const limit = reference.before.getTime()
    return names.filter((backup) => backup.time <= limit).toReversed()
  }
  const prefix = reference.id.toLowerCase()
  const found = names.filter((backup) => backup.id.startsWith(prefix))
  if (prefix === '' || found.length > 1) {
    throw new Failure('usage', `"${reference.id}" is the beginning of ${found.length} ids of backups.`, {
      remedy: 'Write more of it; "freezer list" shows the ids.',
    })
  }
  return found
}

function nothingFits(
  names: readonly BackupName[],
  reference: BackupReference,
  { host, name }: BackupFilter,
): Failure {
  const whose = `${name === undefined ? '' : ` "${name}"`}${host === undefined ? '' : ` of host "${host}"`}`
  if (typeof reference === 'object' && 'id' in reference) {
    return new Failure('not-found', `There is no backup${whose} with the id ${reference.id}.`, {
      remedy: '"freezer list" shows the ids.',
    })
  }
  const first = names[0]
  if (reference !== 'latest' && first !== undefined && first.time > reference.before.getTime()) {
    const oldest = new Date(first.time).toISOString()
    return new Failure('not-found', `No backup${whose} is that old.`, {
      remedy: `The oldest is of ${oldest}.`,
    })
  }
  return new Failure('not-found', `There is no backup${whose} in this container.`, {
    remedy: 'See what there is with "freezer list"; name another host with --hostname.',
  })
}
