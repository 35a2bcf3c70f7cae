/** The rules of retention as they are given, and the prune at the end of a backup. */
import {
  type BackupResult,
  type Context,
  Failure,
  hasRules,
  type Options,
  type PrunedStorage,
  type PruneRequest,
  type PruneResult,
  parseSpan,
  prune,
  pruneEach,
  type Repository,
  type RetentionPolicy,
} from '@freezer/sdk'
import { MirroredStorage } from '@freezer/sdk/storages'
import { parseDateStart } from './dates.ts'
import type { retentionOptions } from './options.ts'

/** @throws Failure `usage` */
export function readPolicy(options: Options<typeof retentionOptions>): RetentionPolicy {
  const { keepWithin, removeFromDate, ...numbers } = options
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, removeOlderThan } = numbers
  return {
    keepLast,
    keepHourly,
    keepDaily,
    keepWeekly,
    keepMonthly,
    keepYearly,
    keepWithin: keepWithin === undefined ? undefined : parseSpan(keepWithin),
    removeOlderThan,
    removeBefore: removeFromDate === undefined ? undefined : parseDateStart(removeFromDate),
  }
}

/** How the prune after a backup ended; the backup stands either way. */
export type Pruned =
  | {
      readonly result: PruneResult
      /** Of each of several storages; `result` is that of the first. */
      readonly storages?: readonly PrunedStorage[]
    }
  | { readonly failure: unknown }

/** Prunes the names that were backed up, when there are rules; in the order of `backups`. */
export async function pruneAfter(
  backups: readonly BackupResult[],
  repository: Repository,
  policy: RetentionPolicy,
  context: Context,
): Promise<Pruned[]> {
  if (!hasRules(policy)) return []
  const pruned: Pruned[] = []
  for (const { host, name } of backups) {
    try {
      pruned.push(await pruneOne({ repository, policy, host, name }, context))
    } catch (failure) {
      pruned.push({ failure })
    }
  }
  return pruned
}

async function pruneOne(request: PruneRequest, context: Context): Promise<Pruned> {
  if (!(request.repository.storage instanceof MirroredStorage))
    return { result: await prune(request, context) }
  const storages = await pruneEach(request, context)
  const [first] = storages.flatMap((one) => ('result' in one ? one.result : []))
  if (first === undefined) throw new Failure('internal', 'No storage was pruned.')
  return { result: first, storages }
}
