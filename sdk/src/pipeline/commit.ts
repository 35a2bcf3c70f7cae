/** The last step of a backup and of a copy: its manifest, while its lease still stands. */
import type { Context } from '../contracts/context.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import type { Lease } from '../repository/leases.ts'
import { type BackupName, groupOf } from '../repository/names.ts'
import { noteRemoval } from '../repository/removals.ts'
import type { Repository } from '../repository/repository.ts'
import { MirroredStorage } from '../storages/mirrored.ts'

/** Milliseconds that looking for the lease may take once the manifest is there. */
const lastLookLimit = 60_000

/** @throws Failure `unavailable` when a prune took the lease away */
export async function expectHeld(
  { storage }: Repository,
  lease: Lease | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (lease === undefined) return
  const look = async (one: Storage): Promise<void> => {
    if (!(await lease.held(signal, one))) throw takenForDead()
  }
  await (storage instanceof MirroredStorage ? storage.each(signal, look) : look(storage))
}

/**
 * Puts the manifest of a backup all of whose segments are there; on several storages, on each by itself: a lease that one
 * of them lost says nothing of the others.
 *
 * @param lease none in a dry run
 * @throws Failure of the storage: the manifest may be there all the same, and is on those of several that it names; `unavailable`
 * when a prune took the lease away
 */
export async function commit(
  repository: Repository,
  lease: Lease | undefined,
  backup: Omit<BackupName, 'time'>,
  manifest: Uint8Array,
  context: Context,
): Promise<void> {
  const { storage } = repository
  let sent = true
  const put = async (one: Storage): Promise<void> => {
    try {
      await one.put(backup.key, [manifest], context.signal)
    } catch (error) {
      // Perhaps only the answer was lost, or it is still under way.
      sent = false
      throw error
    }
    if (lease === undefined || (await stands(lease, one))) return
    await withdraw(one, backup, context)
    throw takenForDead()
  }
  const listed: string[] = []
  const putOn = async (one: Storage, name: string): Promise<void> => {
    await put(one)
    listed.push(name)
  }
  try {
    await (storage instanceof MirroredStorage ? storage.each(context.signal, putOn) : put(storage))
  } catch (error) {
    if (!sent) lease?.leave()
    throw listed.length === 0 || !isFailure(error) ? error : listedOnSome(error, listed)
  }
}

/** Too few of several storages have a backup for the run to be a success, and these list it. */
function listedOnSome({ code, message, remedy, facts, cause }: Failure, names: readonly string[]): Failure {
  return new Failure(code, `${message} The backup is whole on ${names.join(', ')} all the same.`, {
    remedy,
    facts,
    cause,
  })
}

/** Whether the lease was there when the manifest was, whatever was aborted by then. */
async function stands(lease: Lease, storage: Storage): Promise<boolean> {
  try {
    return await lease.held(AbortSignal.timeout(lastLookLimit), storage)
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
  storage: Storage,
  { id, chain, level, key }: Omit<BackupName, 'time'>,
  { now }: Context,
): Promise<void> {
  const signal = AbortSignal.timeout(lastLookLimit)
  const removal = { kind: 'removed', group: groupOf(key), chain, level } as const
  await noteRemoval(storage, id, id, removal, now(), signal)
  await storage.remove(key, signal)
}
