/** The rules of retention as they are given, and the prune at the end of a backup. */
import {
  type BackupResult,
  type Context,
  hasRules,
  type Options,
  type PruneResult,
  parseSpan,
  prune,
  type Repository,
  type RetentionPolicy,
} from '@freezer/sdk'
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
export type Pruned = { readonly result: PruneResult } | { readonly failure: unknown }

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
      pruned.push({ result: await prune({ repository, policy, host, name }, context) })
    } catch (failure) {
      pruned.push({ failure })
    }
  }
  return pruned
}
