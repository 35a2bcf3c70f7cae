/** Holding a backup while it is read for long, so that a prune beside it leaves what it needs. */
import { randomBytes } from 'node:crypto'
import type { Context } from '../contracts/context.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import type { ChosenBackup } from './choose.ts'
import { Lease, mayReadWithout } from './leases.ts'
import type { Repository } from './repository.ts'

/** Choices before giving up on a container whose backups are removed as fast as they are chosen. */
const attempts = 5

export interface HeldBackup extends ChosenBackup, AsyncDisposable {}

/**
 * Chooses a backup and holds it and all it builds on until it is disposed. On a storage that takes no lease (read-only,
 * full) it is read without.
 *
 * @param choose as `chooseBackup` does; called again when the backup was removed before it was held
 * @throws Failure `not-found`, and whatever `choose` throws
 */
export async function holdBackup(
  repository: Repository,
  choose: () => Promise<ChosenBackup>,
  context: Context,
): Promise<HeldBackup> {
  for (let attempt = 1; ; attempt++) {
    const chosen = await choose()
    const lease = await takeReadLease(repository, chosen.manifest.chain, context)
    try {
      // It was removed before the lease was there, or cannot lose its segments until the lease is gone.
      await repository.manifest(chosen.name, context.signal)
      const ready = await repository.ready(chosen, context)
      return { ...ready, [Symbol.asyncDispose]: async () => lease?.[Symbol.asyncDispose]() }
    } catch (error) {
      await lease?.[Symbol.asyncDispose]()
      if (!isFailure(error) || error.code !== 'not-found' || attempt === attempts) throw error
    }
  }
}

async function takeReadLease(
  repository: Repository,
  chain: string,
  context: Context,
): Promise<Lease | undefined> {
  try {
    const id = randomBytes(16).toString('hex')
    return await Lease.take(repository.storage, id, { kind: 'read', chain }, context)
  } catch (error) {
    if (!mayReadWithout(error)) throw error
    const message = 'The storage takes no lease, so a prune may remove the backup while it is read.'
    context.report({ type: 'log', level: 'debug', message })
    return undefined
  }
}

/**
 * For whoever finds a backup damaged: whether it is still there to be damaged.
 * @throws Failure `not-found` when it was removed since it was chosen
 */
export async function expectStillListed(
  repository: Repository,
  { name, manifest: { host, name: of } }: ChosenBackup,
  signal: AbortSignal,
): Promise<void> {
  const names = await repository.names({ host, name: of }, signal)
  if (names.some(({ id }) => id === name.id)) return
  throw new Failure('not-found', 'The backup was removed by a prune while it was read.', {
    remedy: 'Choose another one; "freezer list" shows what there is.',
    facts: { backup: name.id },
  })
}
