/** The last step of a backup and of a copy: its manifest, while its lease still stands. */
import type { Context } from '../contracts/context.ts'
import { Failure } from '../contracts/failures.ts'
import type { Lease } from '../repository/leases.ts'
import { type BackupName, groupOf } from '../repository/names.ts'
import { noteRemoval } from '../repository/removals.ts'
import type { Repository } from '../repository/repository.ts'

/** Milliseconds that looking for the lease may take once the manifest is there. */
const lastLookLimit = 60_000

/** @throws Failure `unavailable` when a prune took the lease away */
export async function expectHeld(lease: Lease | undefined, signal: AbortSignal): Promise<void> {
  if ((await lease?.held(signal)) === false) throw takenForDead()
}

/**
 * Puts the manifest of a backup all of whose segments are there.
 * @param lease none in a dry run
 * @throws Failure of the storage: the manifest may be there all the same; `unavailable` when a prune took the lease away
 */
export async function commit(
  repository: Repository,
  lease: Lease | undefined,
  backup: Omit<BackupName, 'time'>,
  manifest: Uint8Array,
  context: Context,
): Promise<void> {
  try {
    await repository.storage.put(backup.key, [manifest], context.signal)
  } catch (error) {
    // Perhaps only the answer was lost, or it is still under way.
    lease?.leave()
    throw error
  }
  if (lease !== undefined && !(await stands(lease))) {
    await withdraw(repository, backup, context)
    throw takenForDead()
  }
}

/** Whether the lease was there when the manifest was, whatever was aborted by then. */
async function stands(lease: Lease): Promise<boolean> {
  try {
    return await lease.held(AbortSignal.timeout(lastLookLimit))
  } catch (cause) {
    throw new Failure(
      'unavailable',
      'All is stored, but the storage did not say whether the backup stands.',
      { cause, remedy: 'It does if "freezer list" shows it.' },
    )
  }
}

function takenForDead(): Failure {
  return new Failure(
    'unavailable',
    'This run stood still for so long that a prune took it for dead; what it stored is no backup.',
    { remedy: 'Run it again.' },
  )
}

/**
 * Takes a backup back whose lease was gone when its manifest came. Its segments stay: another run may have seen
 * the manifest, and build on it.
 */
async function withdraw(
  { storage }: Repository,
  { id, chain, level, key }: Omit<BackupName, 'time'>,
  { now }: Context,
): Promise<void> {
  const signal = AbortSignal.timeout(lastLookLimit)
  const removal = { kind: 'removed', group: groupOf(key), chain, level } as const
  await noteRemoval(storage, id, id, removal, now(), signal)
  await storage.remove(key, signal)
}
