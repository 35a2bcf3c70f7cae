/** A restore: from the newest manifest of a date to a tree. */
import type { Context } from '../contracts/context.ts'
import type { Engine, Target } from '../contracts/engine.ts'
import { displayPath } from '../contracts/entry.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { chooseBackup } from '../repository/choose.ts'
import { expectStillListed, holdBackup } from '../repository/hold.ts'
import type { Manifest } from '../repository/manifest.ts'
import type { Repository } from '../repository/repository.ts'
import { BlockServer } from './block-server.ts'
import { Coders, defaultWorkers } from './coders.ts'
import { EngineThread, engineOf } from './engine-host.ts'
import { Meter } from './meter.ts'
import { openChainOf } from './open-backup.ts'
import { readPages } from './page-source.ts'

export interface RestoreRequest {
  /** A promise of it lets the threads start while the keys are still being unlocked. */
  readonly repository: Repository | Promise<Repository>
  /** Every engine that stored backups may need. */
  readonly engines: readonly Engine[]
  /** Where to, once the backup is known. Nothing was written when it is asked. */
  readonly target: (manifest: Manifest) => Target | Promise<Target>
  readonly host: string
  readonly name: string
  /** The newest backup up to and with this moment; without it the newest of all. */
  readonly before?: Date | undefined
  /** Threads that decrypt and decompress. */
  readonly workers?: number | undefined
}

export interface RestoreResult {
  readonly id: string
  readonly host: string
  readonly name: string
  readonly level: number
  /** ISO 8601, UTC: the moment that was restored. */
  readonly time: string
  /** Entries and bytes of content that were restored. */
  readonly entries: number
  readonly bytes: number
  /** Entries that could not be restored; each was named by a warning. */
  readonly unrestored: number
  /** Whether stored data was found damaged. */
  readonly damaged: boolean
  readonly seconds: number
}

/** Decoded blocks sent ahead of the engine. */
export const window = 14
export const blockSize = 2 ** 20

/**
 * @throws Failure `not-found` when no backup fits or it was removed meanwhile, `damaged` when it cannot be opened at all;
 *   damage met on the way is in the result
 */
export async function restore(request: RestoreRequest, context: Context): Promise<RestoreResult> {
  const started = performance.now()
  const { signal } = context
  const { host, name, before } = request
  const reference = before === undefined ? 'latest' : { before }
  // With one engine installed there is little doubt which one it will be.
  const [only, ...others] = request.engines
  await using early = only === undefined || others.length > 0 ? undefined : new EngineThread(only)
  const repository = await request.repository
  await using held = await holdBackup(
    repository,
    () => chooseBackup(repository, reference, { host, name }, signal),
    context,
  )
  const { manifest } = held
  const engine = engineOf(manifest, request.engines)
  /** Of a backup that is not there any more, damage is no news. */
  const removedOrDamaged = async (error: unknown): Promise<never> => {
    if (isFailure(error) && error.code === 'damaged') await expectStillListed(repository, held, signal)
    throw error
  }
  await using thread = early ?? new EngineThread(engine)
  await using coders = new Coders(request.workers ?? defaultWorkers())
  const chain = await openChainOf(repository, manifest, coders, signal).catch(removedOrDamaged)
  const target = await request.target(manifest)
  if (target.kind !== 'tree')
    throw new Failure('plugin', 'This version restores trees of files, not streams.')

  const meter = new Meter(context, 'restore', manifest.tree.bytes)
  const blocks = new BlockServer(chain, window, (bytes) => meter.transferred(bytes))
  let lostPages = 0
  const restoring = thread.run(
    {
      options: manifest.engine.options,
      job: { verb: 'restore', target, promised: manifest.tree.bytes },
      blockSize,
      blocks: 1,
    },
    {
      more: readPages(chain, (page) => {
        if (target.remove) {
          throw new Failure(
            'damaged',
            'Part of the index is damaged, so nobody can say what is not in the backup.',
            {
              remedy: 'Restore without removing anything (--delete).',
            },
          )
        }
        lostPages++
        const path = displayPath(page.directory === '' ? page.name : `${page.directory}/${page.name}`)
        const message =
          'Part of the index is damaged: entries from here on, up to the next named one, are missing.'
        meter.warn({ kind: 'unrestored', path, message })
      }),
      plan: (places, send) => blocks.plan(places, send),
      need: (level, offset, seen, send) => blocks.need(level, offset, seen, send),
      taken: (count, send) => blocks.taken(count, send),
      warning: (warning) => meter.warn(warning),
      count: (entries, bytes) => meter.count(entries, bytes),
    },
    signal,
  )
  await restoring.catch(removedOrDamaged)
  const damaged = lostPages > 0 || blocks.damaged > 0
  if (damaged) await expectStillListed(repository, held, signal)
  meter.end()
  return {
    id: manifest.id,
    host: manifest.host,
    name: manifest.name,
    level: manifest.level,
    time: manifest.time,
    entries: meter.entries,
    bytes: meter.bytes,
    unrestored: meter.warnings.unrestored,
    damaged,
    seconds: (performance.now() - started) / 1000,
  }
}
