/** A restore: from a manifest to a tree, or to a stream. */
import type { Context } from '../contracts/context.ts'
import type { Action, Engine, StreamTarget, Target, TreeTarget } from '../contracts/engine.ts'
import { displayPath } from '../contracts/entry.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { everything, type Selection, selectsAll } from '../contracts/selection.ts'
import { type BackupReference, chooseBackup } from '../repository/choose.ts'
import { expectStillListed, holdBackup } from '../repository/hold.ts'
import type { BackupFilter } from '../repository/listing.ts'
import type { Manifest } from '../repository/manifest.ts'
import type { Repository } from '../repository/repository.ts'
import { TreeIndex } from '../repository/tree-index.ts'
import { BlockServer, blockSize, blocksAhead } from './block-server.ts'
import { bringStream } from './bring-stream.ts'
import { Coders, defaultWorkers } from './coders.ts'
import { EngineThread, engineOf } from './engine-host.ts'
import { Meter } from './meter.ts'
import { openAlready, openChainOf } from './open-backup.ts'
import { selectPages } from './selection.ts'

/** Which backup is brought to a target, and what part of it. */
export interface ReadRequest extends BackupFilter {
  /** A promise of it lets the threads start while the keys are still being unlocked. */
  readonly repository: Repository | Promise<Repository>
  /** Every engine that stored backups may need. */
  readonly engines: readonly Engine[]
  /** Which one of those of `host` and `name`; without it the newest. */
  readonly backup?: BackupReference | undefined
  /** Without it, everything. It may depend on the backup. */
  readonly select?: Selection | ((manifest: Manifest) => Selection) | undefined
  /** Threads that decrypt and decompress. */
  readonly workers?: number | undefined
}

export interface RestoreRequest extends ReadRequest {
  /** Where to; or who says that once the backup is known. Nothing was written when it is asked. */
  readonly target: Target | ((manifest: Manifest) => Target | Promise<Target>)
  /** Report what is done to each path. A preview always does. */
  readonly list?: boolean | undefined
}

/** What a run read, and how that went. */
export interface ReadResult {
  readonly id: string
  readonly host: string
  readonly name: string
  readonly level: number
  /** ISO 8601, UTC: the moment of the backup. */
  readonly time: string
  /** Entries of the backup that were dealt with, and bytes of content that came of them. */
  readonly entries: number
  readonly bytes: number
  /** Whether stored data was found damaged. */
  readonly damaged: boolean
  readonly seconds: number
}

export interface RestoreResult extends ReadResult {
  /** Nothing was changed: the rest says what would have been. */
  readonly dryRun: boolean
  /** Entries that could not be restored; each was named by a warning. */
  readonly unrestored: number
  /** Paths that were made, replaced, given their metadata alone, left as they were, and removed with all that was in them. */
  readonly created: number
  readonly replaced: number
  readonly updated: number
  readonly kept: number
  readonly deleted: number
}

/**
 * @throws Failure `not-found` when no backup fits, it was removed meanwhile, or nothing of it is selected; `damaged` when it
 *   cannot be opened at all; damage met on the way is in the result
 */
export async function restore(request: RestoreRequest, context: Context): Promise<RestoreResult> {
  let dryRun = false
  const target = async (manifest: Manifest): Promise<TreeTarget | StreamTarget> => {
    const found = await targetOf(request, manifest)
    if (found.kind === 'entries') {
      throw new Failure('plugin', 'A restore is into a directory or into a stream; "extract" gives entries.')
    }
    dryRun = found.purpose === 'preview'
    return found
  }
  const { list = false } = request
  const { result, counts, unrestored } = await bringBack(request, { target, list, phase: 'restore' }, context)
  const { create = 0, replace = 0, update = 0, keep = 0, delete: deleted = 0 } = counts
  return {
    ...result,
    dryRun,
    unrestored,
    created: create,
    replaced: replace,
    updated: update,
    kept: keep,
    deleted,
  }
}

interface Way {
  readonly target: (manifest: Manifest) => Promise<TreeTarget | StreamTarget>
  readonly list: boolean
  readonly phase: string
}

interface Brought {
  readonly result: ReadResult
  readonly counts: Readonly<Partial<Record<Action, number>>>
  /** Entries that could not be had from the backup or brought to the target, and that could not be read there. */
  readonly unrestored: number
  readonly unread: number
}

/** Brings what is selected of a backup to a tree. @throws Failure as `restore` does */
export async function bringBack(request: ReadRequest, way: Way, context: Context): Promise<Brought> {
  const started = performance.now()
  const { signal } = context
  // With one engine installed there is little doubt which one it will be.
  const [only, ...others] = request.engines
  await using early = only === undefined || others.length > 0 ? undefined : new EngineThread(only)
  const repository = await request.repository
  await using held = await holdBackup(
    repository,
    () => chooseBackup(repository, request.backup ?? 'latest', request, signal),
    context,
  )
  const { manifest } = held
  /** Of a backup that is not there any more, damage is no news. */
  const removedOrDamaged = async (error: unknown): Promise<never> => {
    if (isFailure(error) && error.code === 'damaged') await expectStillListed(repository, held, signal)
    throw error
  }
  const engine = engineOf(manifest, request.engines)
  await using thread = early ?? new EngineThread(engine)
  await using coders = new Coders(request.workers ?? defaultWorkers())
  const chain = await openChainOf(repository, manifest, coders, signal).catch(removedOrDamaged)
  const select = selectionOf(request, manifest)
  const given = await way.target(manifest)
  const resultOf = (entries: number, bytes: number, damaged: boolean): ReadResult => ({
    ...factsOf(manifest),
    entries,
    bytes,
    damaged,
    seconds: (performance.now() - started) / 1000,
  })
  if (given.kind === 'stream') {
    const { engines } = request
    const backup = openAlready(held, chain)
    const { action, bytes, damage } = await bringStream(
      { repository, engines, backup, select, target: given, list: way.list, phase: way.phase },
      context,
    ).catch(removedOrDamaged)
    if (damage !== undefined) await expectStillListed(repository, held, signal)
    return {
      result: resultOf(1, bytes, damage !== undefined),
      counts: action === undefined ? {} : { [action]: 1 },
      unrestored: damage === undefined ? 0 : 1,
      unread: 0,
    }
  }
  const leftOut = [...(given.leftOut ?? []), ...select.exclude]
  const target = { ...given, remove: removable(given, select), leftOut }

  const meter = new Meter(context, way.phase, selectsAll(select) ? manifest.tree.bytes : undefined)
  const blocks = new BlockServer(chain, blocksAhead, (bytes) => meter.transferred(bytes))
  let lostPages = 0
  const selecting = selectPages({ chain, index: new TreeIndex(chain) }, select, (page) => {
    if (target.remove !== false) {
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
  })
  const next = await selecting.catch(removedOrDamaged)
  let first = await next().catch(removedOrDamaged)
  if (first === undefined && !selectsAll(select)) {
    throw new Failure('not-found', 'Nothing in the backup matches.', {
      remedy: 'See what it holds with "freezer ls".',
    })
  }
  const counts: Partial<Record<Action, number>> = {}
  const list = way.list || target.purpose !== undefined
  const bringing = thread.run(
    {
      options: manifest.engine.options,
      job: { verb: 'restore', target, promised: manifest.tree.bytes, listing: list },
      blockSize,
      blocks: 1,
    },
    {
      more: async () => {
        const page = first ?? (await next())
        first = undefined
        return page
      },
      plan: (places, send) => blocks.plan(places, send),
      need: (level, offset, seen, send) => blocks.need(level, offset, seen, send),
      taken: (count, send) => blocks.taken(count, send),
      told: (more, told) => {
        for (const [action, count] of Object.entries(more) as [Action, number][]) {
          counts[action] = (counts[action] ?? 0) + count
        }
        for (const [action, path, differs] of told) {
          context.report({ type: 'finding', finding: { action, path: displayPath(path), differs } })
        }
      },
      warning: (warning) => meter.warn(warning),
      count: (entries, bytes) => meter.count(entries, bytes),
    },
    signal,
  )
  await bringing.catch(removedOrDamaged)
  const damaged = lostPages > 0 || blocks.damaged > 0
  if (damaged) await expectStillListed(repository, held, signal)
  meter.end()
  const { entries, bytes, warnings } = meter
  return {
    result: resultOf(entries, bytes, damaged),
    counts,
    unrestored: warnings.unrestored,
    unread: warnings.unread,
  }
}

/** Where a request wants a backup brought. */
export async function targetOf(
  { target }: Pick<RestoreRequest, 'target'>,
  manifest: Manifest,
): Promise<Target> {
  return typeof target === 'function' ? target(manifest) : target
}

function factsOf({ id, host, name, level, time }: Manifest) {
  return { id, host, name, level, time }
}

function selectionOf({ select = everything }: ReadRequest, manifest: Manifest): Selection {
  return typeof select === 'function' ? select(manifest) : select
}

/** Where what the backup does not hold is looked for: only where the selection says what the backup holds. */
function removable({ remove, purpose }: TreeTarget, select: Selection): TreeTarget['remove'] {
  if (remove === false || selectsAll(select)) return remove
  const { paths, include, exclude } = select
  if (include.length === 0 && (exclude.length === 0 || purpose === 'verify')) {
    return paths.length === 0 || paths.includes('') ? remove : paths
  }
  if (purpose === 'verify') return false
  throw new Failure(
    'usage',
    'What the backup does not hold cannot be told where patterns leave things out.',
    {
      remedy: 'Delete (--delete) without --include and --exclude; --path may stay.',
    },
  )
}
