/** Tells who watches how a run ended: a metrics file for Prometheus, and notifiers. Nothing here changes the outcome. */
import { hostname } from 'node:os'
import type { Context, Notifier, OptionDeclarations, Options, RunReport } from '@freezer/sdk'
import { asFailure, exitStatus, Failure, isFailure, toRecord } from '@freezer/sdk'
import type { Invocation, Subject } from './invocation.ts'
import type { ContainerOptions } from './options.ts'
import type { Outcome } from './output/reporter.ts'

/** Called once, at the end of the run. Throws nothing. */
export type Watch = (end: Pick<Outcome, 'failure' | 'backups'>) => Promise<void>

export interface WatchedRun {
  /** A UUID. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly started: number
  readonly command: string
  readonly subject: Subject
  readonly invocation: Invocation<ContainerOptions, OptionDeclarations>
  readonly context: Context
  readonly warn: (message: string) => void
}

/** Milliseconds that a notifier has. */
const limit = 10_000

/** What is done when the run has ended. */
export function watchRun(run: WatchedRun): Watch {
  const { options, provider } = run.invocation
  const { dryRun } = options as Readonly<Record<string, unknown>>
  return async (end) => {
    // A run that was only to show what it would do is no news, and must not pass for one that did it.
    if (dryRun === true) return
    const report = reportOf(run, end)
    if (options.metricsFile !== undefined) {
      try {
        const { updateMetricsFile } = await import('./metrics-file.ts')
        await updateMetricsFile(options.metricsFile, report)
      } catch (error) {
        run.warn(`The metrics file ${options.metricsFile} was not written: ${spoken(asFailure(error))}`)
      }
    }
    const names = [...new Set(options.notify)]
    await Promise.all(
      names.map(async (name) => {
        const chosen = provider('notifier', name)
        try {
          await notify(chosen.provider, chosen.options, report, run.context)
        } catch (error) {
          // What a defect says may hold anything, also a secret.
          const why = isFailure(error)
            ? spoken(error)
            : `${(error as Error | undefined)?.name ?? 'a defect'}.`
          run.warn(`The notifier ${name} failed: ${why}`)
        }
      }),
    )
  }
}

function spoken({ message, remedy }: Failure): string {
  return remedy === undefined ? message : `${message} ${remedy}`
}

/** What is known of a run before it does anything. */
export function beginningOf({ id, started, command, subject, invocation }: WatchedRun) {
  return {
    run: id,
    command,
    machine: hostname(),
    storage: invocation.options.storage.join(', '),
    ...subject,
    started: new Date(started).toISOString(),
  }
}

/** How a run ended. */
export function reportOf(
  run: WatchedRun,
  { failure, backups }: Pick<Outcome, 'failure' | 'backups'>,
): RunReport {
  const ended = run.context.now()
  const base = {
    ...beginningOf(run),
    ended: new Date(ended).toISOString(),
    seconds: (ended - run.started) / 1000,
    backups,
  }
  if (failure === undefined) return { ...base, outcome: 'success', exitStatus: 0 }
  const { stack: _, ...record } = toRecord(failure)
  return {
    ...base,
    outcome: record.code === 'incomplete' || record.code === 'changed' ? 'warnings' : 'failure',
    exitStatus: exitStatus(asFailure(failure)),
    failure: record,
  }
}

/** Waits for a notifier until its time is over or, unless the run was interrupted already, somebody interrupts. */
async function notify(
  notifier: Notifier,
  options: Options<OptionDeclarations>,
  report: RunReport,
  context: Context,
): Promise<void> {
  const over = new AbortController()
  // Unlike that of AbortSignal.timeout, this timer keeps the program alive for a notifier that waits for nothing.
  const timer = setTimeout(
    () => over.abort(new Failure('unavailable', 'It took longer than 10 seconds.')),
    limit,
  )
  const signal = AbortSignal.any(context.signal.aborted ? [over.signal] : [over.signal, context.signal])
  const { promise: stopped, reject } = Promise.withResolvers<never>()
  const stop = () => reject(signal.reason)
  signal.addEventListener('abort', stop)
  try {
    await Promise.race([notifier.notify(report, options, { ...context, signal }), stopped])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}
