/**
 * A mode knows a kind of thing to back up: files, a database, an instance. It finds the resources, holds each
 * still for as long as a snapshot (or, without one, the copy) needs, and says what is to be read.
 *
 * The order, on every path: `quiesce` → snapshot → `release` → copy; without a snapshot `release` comes after the copy.
 * `release` is always called after `quiesce` was, also when that failed or the run was aborted, and once. A release that
 * fails says that the resource may not have been still, so its backup is none. A mode holds its lock by an open session
 * with a lease, so that a killed agent never leaves a server locked.
 */
import type { Context } from './context.ts'
import type { Source, Target, TreeTarget } from './engine.ts'
import type { OptionDeclarations, Options, OptionValue } from './options.ts'

/** One thing that becomes one backup. */
export interface Resource {
  /** Tells the resources of one session apart; '' when there can be only one. */
  readonly name: string
  /** The directory whose file system a snapshot must hold; undefined where snapshots make no sense. */
  readonly path?: string | undefined
  /** Kept in the manifest for the restore: flavour, networks, binlog position. No secrets. */
  readonly facts: Readonly<Record<string, unknown>>
}

/** Facts of a resource that are known only while it is held; they join those of the resource in the manifest. */
// biome-ignore lint/suspicious/noConfusingVoidType: most modes learn nothing, and their functions return nothing
export type Learned = Readonly<Record<string, unknown>> | undefined | void

/** A mode at work. Disposed on every path, after the last `release`. */
export interface ModeSession extends AsyncDisposable {
  resources(): AsyncIterable<Resource>
  /**
   * Holds the resource still. Gives up when `signal` aborts, which may be earlier than the run is: there is a limit of time
   * for it.
   * @throws Failure `source`, `denied`, `unavailable`, `interrupted`
   */
  quiesce?(resource: Resource, signal: AbortSignal): Promise<Learned>
  /**
   * Lets it go on; what is not held, or only half, is let go as well. It works when the run was aborted: `signal` is of its
   * own, with a limit of time.
   * @throws Failure `source` when the resource was not held to this moment, `unavailable`
   */
  release?(resource: Resource, signal: AbortSignal): Promise<Learned>
  /** What to read; `path` is where the snapshot shows `resource.path`, or `resource.path` itself. */
  source(resource: Resource, path: string | undefined, signal: AbortSignal): Promise<Source>
}

export interface Mode<D extends OptionDeclarations = OptionDeclarations> {
  readonly name: string
  readonly description: string
  /** PATH of the command line is its option `pathToBackup`, where it declares one, required or not; else PATH is refused. */
  readonly options: D
  /** The kinds of source that its resources are; trees alone when it does not say. Since 1.2. */
  readonly sources?: readonly Source['kind'][]
  /** What a restore of its backups can be told besides the destination; `target` gets it as `options`. Since 1.2. */
  readonly restoreOptions?: OptionDeclarations
  /** @throws Failure `source`, `denied`, `unavailable` */
  open(options: Options<D>, context: Context): Promise<ModeSession>
  /** Where to bring a backup of this mode back to. `facts` are those of the resource that was backed up. */
  target(
    destination: RestoreDestination,
    facts: Readonly<Record<string, unknown>>,
    context: Context,
  ): Promise<Target>
}

export interface RestoreDestination {
  /** What the person named: a directory, for files. '' only for a mode with options of a restore, some of which were given instead. */
  readonly destination: string
  /** Checked values of the mode's `restoreOptions`. */
  readonly options?: Readonly<Record<string, OptionValue>> | undefined
  readonly overwrite: TreeTarget['overwrite']
  readonly remove: boolean
  /** Change nothing: tell what a restore would do, or what differs. */
  readonly purpose?: TreeTarget['purpose'] | undefined
}

/** Declares a mode with the types of its options kept. */
export function declareMode<const D extends OptionDeclarations>(mode: Mode<D>): Mode<D> {
  return mode
}
