/** What a mode finds, backed up: each resource held still for as long as a snapshot or, without one, the copy needs. */
import { isAbsolute, relative, sep } from 'node:path'
import type { Context } from '../contracts/context.ts'
import type { Source } from '../contracts/engine.ts'
import { asFailure, Failure, type FailureRecord, throwIfAborted, toRecord } from '../contracts/failures.ts'
import type { Mode, ModeSession, Resource } from '../contracts/mode.ts'
import { checkOptions } from '../contracts/options.ts'
import { matcher } from '../contracts/patterns.ts'
import type { Repository } from '../repository/repository.ts'
import { type BackupRequest, type BackupResult, backup } from './backup.ts'
import { chooseProvider, type Frozen, freeze, removeSnapshot, type SnapshotPolicy } from './freeze.ts'
import { bounded, Hold } from './hold.ts'

export type EngineChoice = Pick<BackupRequest, 'engine' | 'engineOptions'>

export interface BackupResourcesRequest
  extends Omit<
    BackupRequest,
    'repository' | 'source' | 'mode' | 'moment' | 'omitted' | 'copied' | 'engine' | 'engineOptions'
  > {
  /** A function opens it, once the mode has found what there is to back up. */
  readonly repository: Repository | (() => Promise<Repository>)
  readonly mode: { readonly mode: Mode; readonly options: Readonly<Record<string, unknown>> }
  /** Of the backup; a resource with a name of its own adds that, behind a slash. */
  readonly name: string
  /** A function chooses for each source. */
  readonly engine: EngineChoice | ((source: Source) => EngineChoice)
  /** Without it nothing is frozen. */
  readonly snapshot?: SnapshotPolicy | undefined
  /** Seconds that a resource may be held still. Beyond that it is let go, and its backup fails. */
  readonly maxLock?: number | undefined
}

export interface ResourceBackup extends BackupResult {
  /** Name of the resource; '' where the mode has only one. */
  readonly resource: string
  /** The snapshot provider; undefined without a snapshot. */
  readonly snapshot?: string | undefined
  /** Seconds that the mode held the resource still, so that nothing could be written; undefined where it holds nothing. */
  readonly locked?: number | undefined
  /** Why the snapshot is still there. The backup is whole all the same. */
  readonly leftover?: FailureRecord | undefined
}

/**
 * Backs up every resource that a mode finds, one after the other, and gives the result of each.
 *
 * Of each: `quiesce` → snapshot → `release` → copy → snapshot verified → manifest → snapshot removed; without a snapshot
 * `quiesce` → copy → `release` → manifest. What was begun is ended on every path. A `release` or a verification that
 * fails means that no backup is made: nobody knows what was copied.
 *
 * @throws Failure of the first resource that cannot be backed up; `source` when there is none
 */
export async function* backupResources(
  request: BackupResourcesRequest,
  context: Context,
): AsyncGenerator<ResourceBackup> {
  const { mode, options } = request.mode
  const session = await mode.open(checkOptions(mode.options, options), context)
  let failed = true
  try {
    let repository: Promise<Repository> | undefined
    for await (const resource of session.resources()) {
      repository ??= opened(request.repository)
      yield await backupResource(session, resource, repository, request, context)
    }
    if (repository === undefined) throw new Failure('source', 'There is nothing to back up.')
    failed = false
  } finally {
    await endSession(session, failed, context)
  }
}

function opened(repository: BackupResourcesRequest['repository']): Promise<Repository> {
  const opening = typeof repository === 'function' ? repository() : Promise.resolve(repository)
  // Its failure is met by the first backup; until then it must not count as unhandled.
  opening.catch(() => {})
  return opening
}

/** What went wrong before is more important than what goes wrong now. */
async function endSession(session: ModeSession, failed: boolean, context: Context): Promise<void> {
  try {
    await session[Symbol.asyncDispose]()
  } catch (error) {
    if (!failed) throw error
    tell(context, error)
  }
}

async function backupResource(
  session: ModeSession,
  resource: Resource,
  repository: Promise<Repository>,
  request: BackupResourcesRequest,
  context: Context,
): Promise<ResourceBackup> {
  const { mode: chosen, engine, snapshot: policy, maxLock, ...template } = request
  const mode = chosen.mode.name
  const name = resource.name === '' ? request.name : `${request.name}/${resource.name}`
  // Whatever can fail before anything is held, does.
  throwIfAborted(context.signal)
  const provider = policy && (await chooseProvider(resource, policy, context))
  if (session.quiesce !== undefined || provider !== undefined) await repository
  const hold = new Hold(session, resource, resource.name || resource.path || name, maxLock, context)
  const held: Context = { ...context, signal: hold.signal }
  let frozen: Frozen | undefined
  let result: BackupResult

  const copy = async (): Promise<BackupResult> => {
    await hold.quiesce()
    if (provider !== undefined) {
      frozen = await freeze(provider, resource.path as string, held)
      await hold.release()
      throwIfAborted(context.signal)
    }
    const shown = frozen?.snapshot.path ?? resource.path
    const found = await bounded(session.source(resource, shown, hold.signal), hold.signal, `The mode ${mode}`)
    const source = frozen === undefined ? found : frozenSource(found, frozen, mode)
    const omitted = frozen === undefined ? [] : await missing(source, frozen, held.signal)
    return backup(
      {
        ...template,
        ...(typeof engine === 'function' ? engine(source) : engine),
        repository,
        name,
        source,
        mode: { name: mode, facts: hold.facts },
        ...(frozen === undefined ? {} : { moment: frozen.moment, omitted }),
        copied: async () => {
          await hold.release()
          await frozen?.snapshot.verify()
          return hold.facts
        },
      },
      held,
    )
  }

  try {
    result = await copy()
  } catch (error) {
    const why = hold.explain(error, context.signal)
    for (const end of [() => hold.release(), () => thaw(frozen, provider?.provider.name)]) {
      await end().catch((failure: unknown) => tell(context, failure))
    }
    throw why
  }
  const leftover = await thaw(frozen, provider?.provider.name).then(() => undefined, toRecord)
  return {
    ...result,
    resource: resource.name,
    ...(provider === undefined ? {} : { snapshot: provider.provider.name }),
    ...(hold.seconds === undefined ? {} : { locked: hold.seconds }),
    ...(leftover === undefined ? {} : { leftover }),
  }
}

async function thaw(frozen: Frozen | undefined, provider: string | undefined): Promise<void> {
  if (frozen !== undefined && provider !== undefined) await removeSnapshot(frozen.snapshot, provider)
}

/**
 * `source` with the time of the snapshot.
 * @throws Failure `plugin` when it is not in the snapshot: it would be of no one moment, and look as if it were
 */
function frozenSource(source: Source, { snapshot, from, to }: Frozen, mode: string): Source {
  if (source.kind !== 'tree') return source
  if (isOutside(relative(snapshot.path, source.path))) {
    throw new Failure('plugin', `The mode ${mode} does not read from the snapshot that was made for it.`, {
      remedy: 'Back up without a snapshot, and report this to the author of the mode.',
    })
  }
  return { ...source, frozen: { from, to } }
}

/** Whether a path relative to a directory leads out of it. */
function isOutside(path: string): boolean {
  return path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path)
}

/** What a person expects in the backup of `source` and the snapshot does not have. */
async function missing(
  source: Source,
  { snapshot }: Frozen,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (source.kind !== 'tree' || source.oneFileSystem) return []
  const excluded = matcher(source.exclude)
  const omitted = (await snapshot.omitted?.(signal)) ?? []
  const within = omitted.flatMap((path) => {
    const below = relative(source.path, `${snapshot.path}${sep}${path}`)
    return isOutside(below) ? [] : [below]
  })
  // What is in a directory that is left out is left out.
  return within.filter((path) => {
    const parts = path.split(sep)
    return !parts.some((_, at) => excluded?.(parts.slice(0, at + 1).join('/')) === true)
  })
}

function tell(context: Context, error: unknown): void {
  const { message, remedy = '' } = asFailure(error)
  context.report({ type: 'log', level: 'warn', message: `${message} ${remedy}`.trimEnd() })
}
