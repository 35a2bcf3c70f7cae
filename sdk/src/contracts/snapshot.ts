/**
 * A snapshot provider freezes a volume, so that a copy that takes hours shows one moment. A snapshot is never a backup.
 */
import type { Context } from './context.ts'
import type { Failure } from './failures.ts'
import type { OptionDeclarations, Options } from './options.ts'

/**
 * A frozen view. Disposing it removes it, whatever happened to the copy or to the signal of the run; doing so once more does
 * nothing.
 */
export interface Snapshot extends AsyncDisposable {
  /** Where the snapshot shows the path that it was made for. */
  readonly path: string
  /**
   * What lies below the path and not in the view, relative to it: other volumes that are mounted there. A part that holds
   * nothing may be left out. The host asks once nothing is held any more, and tells of what was not excluded as `unread`.
   * @throws Failure when it cannot find out
   */
  omitted?(signal: AbortSignal): Promise<readonly string[]>
  /**
   * Whether the view held to the end: some providers notice only afterwards that a snapshot overflowed.
   * @throws Failure `source` when what was read through it cannot be trusted
   */
  verify(): Promise<void>
}

export interface SnapshotProvider<D extends OptionDeclarations = OptionDeclarations> {
  readonly name: string
  readonly description: string
  readonly options: D
  /**
   * Whether this provider can freeze the volume that `path` is on; better than `false` is a failure that says why it cannot.
   * Changes nothing.
   * @throws Failure when it cannot find out
   */
  covers(path: string, options: Options<D>, context: Context): Promise<boolean | Failure>
  /**
   * Freezes it. First finds and removes what a killed run of this provider left behind, and nothing of a run that is alive.
   * When it fails, or `context.signal` aborts meanwhile, no snapshot is left.
   * @throws Failure `source`, `denied`, `no-space`, `plugin`, `interrupted`
   */
  create(path: string, options: Options<D>, context: Context): Promise<Snapshot>
}

/** Declares a snapshot provider with the types of its options kept. */
export function declareSnapshotProvider<const D extends OptionDeclarations>(
  provider: SnapshotProvider<D>,
): SnapshotProvider<D> {
  return provider
}
