/** A prune of several storages: of each by itself, because what one may lose depends on what that one has. */
import type { Context } from '../contracts/context.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { readPins } from '../repository/pins.ts'
import { MirroredStorage } from '../storages/mirrored.ts'
import { type PruneRequest, type PruneResult, prune } from './prune.ts'

/** What a prune did on one of several storages. */
export type PrunedStorage = { readonly storage: string } & (
  | { readonly result: PruneResult }
  | { readonly failure: Failure }
)

/**
 * Prunes one storage after the other, each as if it were alone. What is pinned on any of them stays on all. One on which
 * the prune fails is lost to the run.
 * @throws Failure `interrupted`; that of a storage when too few are left
 */
export async function pruneEach(request: PruneRequest, context: Context): Promise<PrunedStorage[]> {
  const { storage } = request.repository
  const { signal } = context
  if (!(storage instanceof MirroredStorage)) throw new Failure('internal', 'There is one storage to prune.')
  const pins = await storage.each(signal, (one) => readPins(one, signal))
  const pinned = new Set(pins.flatMap((some) => [...some]))
  const done: PrunedStorage[] = []
  for (const { name, storage: one } of storage.live) {
    try {
      const result = await prune({ ...request, repository: request.repository.at(one), pinned }, context)
      done.push({ storage: name, result })
    } catch (error) {
      if (signal.aborted || !isFailure(error) || error.code === 'internal') throw error
      storage.lose(name, error)
      done.push({ storage: name, failure: error })
    }
  }
  return done
}
