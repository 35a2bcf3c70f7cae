/** From snapshot providers to a frozen view, and the end of it. */
import type { Context } from '../contracts/context.ts'
import { asFailure, Failure, isFailure, throwIfAborted } from '../contracts/failures.ts'
import type { Resource } from '../contracts/mode.ts'
import { checkOptions } from '../contracts/options.ts'
import type { Snapshot, SnapshotProvider } from '../contracts/snapshot.ts'
import { bounded } from './hold.ts'

export interface SnapshotChoice {
  readonly provider: SnapshotProvider
  readonly options: Readonly<Record<string, unknown>>
}

/** From which providers a snapshot comes. */
export interface SnapshotPolicy {
  /** The first of them that covers the path of a resource freezes it. */
  readonly providers: readonly SnapshotChoice[]
  /** Whether a resource that none of them covers is refused; it is backed up as it is otherwise. */
  readonly required: boolean
}

/** Milliseconds that removing a snapshot may take. */
const removalLimit = 300_000

/** A snapshot with the time of its making. */
export interface Frozen {
  readonly snapshot: Snapshot
  /** Milliseconds since 1970, by the clock of the host: what it shows. */
  readonly moment: number
  /** Milliseconds since 1970, by the clock of the kernel, from before and after. */
  readonly from: number
  readonly to: number
}

/**
 * The provider that is going to freeze `resource`; undefined when none is needed, or none covers it.
 * @throws Failure `refused` when one is required and none covers it, with the reason; of a provider that cannot find out
 */
export async function chooseProvider(
  { path, name }: Resource,
  { providers, required }: SnapshotPolicy,
  context: Context,
): Promise<SnapshotChoice | undefined> {
  if (providers.length === 0 && !required) return undefined
  const what = path ?? (name === '' ? 'what is backed up' : name)
  const reasons: string[] = path === undefined ? ['it lies in no directory'] : []
  for (const choice of path === undefined ? [] : providers) {
    const { provider, options } = choice
    const covers = await provider.covers(path as string, checkOptions(provider.options, options), context)
    if (covers === true) return choice
    reasons.push(`${provider.name}: ${covers === false ? 'does not cover it' : covers.message}`)
  }
  throwIfAborted(context.signal)
  const why = reasons.join(' ') || 'no provider is installed'
  if (required) {
    throw new Failure('refused', `No snapshot of ${what} can be made: ${why}`, {
      remedy: 'Name another provider, or back up without a snapshot.',
    })
  }
  context.report({ type: 'log', level: 'info', message: `${what} is backed up without a snapshot: ${why}` })
  return undefined
}

/**
 * Freezes the volume of `path`.
 * @throws Failure of the provider; a snapshot that comes after the signal aborted is removed
 */
export async function freeze(
  { provider, options }: SnapshotChoice,
  path: string,
  context: Context,
): Promise<Frozen> {
  const [moment, from] = [context.now(), Date.now()]
  const making = provider.create(path, checkOptions(provider.options, options), context)
  try {
    const snapshot = await bounded(making, context.signal, `The snapshot ${provider.name} of ${path}`)
    return { snapshot, moment, from, to: Date.now() }
  } catch (error) {
    // It may have been left behind.
    making.then((late) => removeSnapshot(late, provider.name)).catch(() => {})
    throw error
  }
}

/** @throws Failure that says what is left */
export async function removeSnapshot(snapshot: Snapshot, provider: string): Promise<void> {
  const limit = AbortSignal.timeout(removalLimit)
  try {
    await bounded(Promise.resolve(snapshot[Symbol.asyncDispose]()), limit, 'Its removal')
  } catch (error) {
    const { code, message, remedy } = asFailure(error)
    throw new Failure(
      isFailure(error) && code !== 'interrupted' ? code : 'source',
      `The snapshot at ${snapshot.path} could not be removed: ${message}`,
      { remedy: remedy ?? `The next run with the snapshot provider ${provider} removes it.`, cause: error },
    )
  }
}
