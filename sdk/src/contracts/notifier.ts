/**
 * A notifier tells somebody how a run ended: a chat room, a pager, a monitoring service.
 *
 * It is asked once, after the run, whatever its outcome. It has ten seconds; then it is left behind. What it throws is
 * shown as a warning and changes nothing: a backup is as good without a message about it.
 */
import type { Context } from './context.ts'
import type { FailureRecord } from './failures.ts'
import type { OptionDeclarations, Options } from './options.ts'

/** What a run had to do with one backup name of one host. */
export interface ReportedBackup {
  readonly host: string
  readonly name: string
  /**
   * What is known of it, by the names of the result: `id`, `level`, `time`, `entries`, `bytes`, `stored`, `unread`,
   * `changed`, `seconds` of a backup; `age`, `fresh`, `complete`, `backups` of a status.
   */
  readonly facts: Readonly<Record<string, string | number | boolean | undefined>>
}

/** How a run ended. Plain data without secrets: it can be sent as JSON as it is. */
export interface RunReport {
  /** A UUID: who gets the same report twice can tell. */
  readonly run: string
  /** `backup`, `restore`, `status`, … */
  readonly command: string
  /** `warnings`: done, but some files could not be read or restored, or changed meanwhile. */
  readonly outcome: 'success' | 'warnings' | 'failure'
  /** Of the program. */
  readonly exitStatus: number
  /** Why the outcome is no success. */
  readonly failure?: FailureRecord | undefined
  /** The machine that ran it. */
  readonly machine: string
  /** The storage driver. */
  readonly storage: string
  /** Whose backups it was about, where that was said. */
  readonly host?: string | undefined
  readonly name?: string | undefined
  /** ISO 8601, UTC. */
  readonly started: string
  readonly ended: string
  readonly seconds: number
  /** What was done, or found; undefined when the run failed before it had a result, or its result is of another kind. */
  readonly backups?: readonly ReportedBackup[] | undefined
}

export interface Notifier<D extends OptionDeclarations = OptionDeclarations> {
  readonly name: string
  readonly description: string
  readonly options: D
  /**
   * Tells. Gives up when `context.signal` aborts. May try several times meanwhile.
   * @throws Failure `unavailable`, `denied`, `configuration`; no secret stands in its message
   */
  notify(report: RunReport, options: Options<D>, context: Context): Promise<void>
}

/** Declares a notifier with the types of its options kept. */
export function declareNotifier<const D extends OptionDeclarations>(notifier: Notifier<D>): Notifier<D> {
  return notifier
}
