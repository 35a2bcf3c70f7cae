/** One run of a command, from its arguments to its exit status. */

import { randomUUID } from 'node:crypto'
import type { Context, OptionDeclarations, Options } from '@freezer/sdk'
import type { MirroredStorage } from '@freezer/sdk/storages'
import type { Config } from '@oclif/core/interfaces'
import { words } from './command-line.ts'
import type { OpenRun } from './composition.ts'
import { discover } from './discovery.ts'
import { interruption } from './interruption.ts'
import type { AnySpec, CommandSpec, Invocation, Translated } from './invocation.ts'
import { readInvocation } from './invocation.ts'
import type { Log, LogOptions } from './log.ts'
import type { ContainerOptions } from './options.ts'
import type { Output } from './output/output.ts'
import type { Outcome, Presentation } from './output/reporter.ts'
import { Reporter } from './output/reporter.ts'
import type { RunEnd, RunHooks } from './run-hooks.ts'
import type { Watch } from './watch.ts'

/** A command with what was said to it. */
interface Call<S extends OptionDeclarations, D extends OptionDeclarations> {
  readonly name: string
  readonly argv: readonly string[]
  readonly spec: CommandSpec<S, D>
  readonly perform: (
    invocation: Invocation<S, D>,
    context: Context,
    open: OpenRun,
    output: Output,
  ) => Promise<Outcome>
  readonly translated?: Translated | undefined
}

/** Returns the exit status; throws nothing. */
export async function performCommand<S extends OptionDeclarations, D extends OptionDeclarations>(
  { name, argv, spec, perform, translated }: Call<S, D>,
  config: Config,
): Promise<number> {
  let reporter = new Reporter(presentationOf(argv), screen)
  let watch: Watch | undefined
  let log: Log | undefined
  const several: MirroredStorage[] = []
  using interrupted = interruption()
  try {
    const registry = discover(config)
    const commands = async () => specsOf(config)
    const invocation = await readInvocation(spec, argv, {
      registry,
      environment: process.env,
      commands,
      translated,
    })
    reporter = new Reporter(invocation.options, screen)
    log = await startLog(name, invocation.options, reporter.warn)
    const context: Context = {
      signal: interrupted.signal,
      report(event) {
        reporter.report(event)
        log?.event(event)
      },
      now: Date.now,
    }
    const warn = (message: string) => {
      reporter.warn(message)
      log?.warn(message)
    }
    for (const { package: plugin, message, remedy } of invocation.registry.refusals) {
      context.report({ type: 'log', level: 'warn', message: `${plugin} was refused: ${message} ${remedy}` })
    }
    // A command that opens a container, or is watched, has the options for it.
    const given = invocation as Invocation<S & ContainerOptions, D>
    const around = await startAround(name, spec, given, context, warn)
    watch = around.watch
    const { runOpener } = await import('./composition.ts')
    const { open, damage } = runOpener(given, context, name, (mirrored) => several.push(mirrored))
    const { storagePolicy }: Options<ContainerOptions> = given.options
    for (const message of translated?.warnings ?? []) context.report({ type: 'log', level: 'warn', message })
    const work = async () => {
      let outcome = await perform(invocation, context, open, reporter.output)
      if (several.length > 0) {
        const { withStorages } = await import('./output/storages.ts')
        for (const one of several) outcome = withStorages(outcome, one, storagePolicy)
      }
      outcome = { ...outcome, failure: outcome.failure ?? damage() }
      return translated?.finish(outcome) ?? outcome
    }
    const { hooks } = around
    const end = hooks === undefined ? { outcome: await work() } : await within(hooks, work)
    if ('failure' in end) throw end.failure
    const status = reporter.finish(end.outcome)
    await watch?.(end.outcome)
    await log?.end(status, end.outcome, end.outcome.failure)
    return status
  } catch (error) {
    const status = reporter.fail(error, await stoppedAt(several))
    await watch?.({ failure: error })
    await log?.end(status, undefined, error)
    return status
  }
}

/** What is known of several storages when a run fails. */
async function stoppedAt([storage]: readonly MirroredStorage[]): Promise<object> {
  if (storage === undefined) return {}
  const { stoppedStorages } = await import('./output/storages.ts')
  return { storages: stoppedStorages(storage) }
}

/** Does the work between the hooks. */
async function within(hooks: RunHooks, work: () => Promise<Outcome>): Promise<RunEnd> {
  try {
    await hooks.before()
    return hooks.after({ outcome: await work() })
  } catch (failure) {
    return hooks.after({ failure })
  }
}

/** Where what happens is written down; undefined when it is only shown. */
async function startLog(
  command: string,
  options: LogOptions,
  warn: (message: string) => void,
): Promise<Log | undefined> {
  if (options.logFile === undefined && !options.useSyslog) return undefined
  return (await import('./log.ts')).openLog(command, options, warn)
}

/** What goes on around the work: who is told how it ended, and what is run before and after it. */
async function startAround<S extends OptionDeclarations, D extends OptionDeclarations>(
  command: string,
  spec: CommandSpec<S, D>,
  invocation: Invocation<S & ContainerOptions, D>,
  context: Context,
  warn: (message: string) => void,
): Promise<{ watch?: Watch | undefined; hooks?: RunHooks | undefined }> {
  const { notify = [], metricsFile, before, after, onFailure, hookTimeout } = invocation.options
  const { backupName, hostname } = invocation.options as Readonly<Record<string, string | undefined>>
  const watched = notify.length > 0 || metricsFile !== undefined
  const hooked = hookTimeout !== undefined && [before, after, onFailure].some((one) => one !== undefined)
  if (!watched && !hooked) return {}
  const subject = spec.watched?.(invocation.options) ?? { name: backupName, host: hostname }
  // Whatever is watched, or has hooks, works on a container.
  const onContainer = invocation as Invocation<ContainerOptions, D>
  const run = {
    id: randomUUID(),
    started: context.now(),
    command,
    subject,
    invocation: onContainer,
    context,
    warn,
  }
  const { watchRun } = await import('./watch.ts')
  const watch = watched ? watchRun(run) : undefined
  if (!hooked) return { watch }
  const { runHooks } = await import('./run-hooks.ts')
  return { watch, hooks: runHooks(run, { before, after, onFailure, hookTimeout }) }
}

export const screen = { stdout: process.stdout, stderr: process.stderr, now: () => performance.now() }

/** How to show a failure that comes before, or instead of, the whole configuration. */
export function presentationOf(argv: readonly string[]): Presentation {
  const given = (flag: string) => words(argv).includes(flag)
  return { json: given('--json'), quiet: given('--quiet'), progress: false, debug: given('--debug') }
}

/** What the commands of this program take; those of plugins that are oclif commands of another kind have no say. */
async function specsOf(config: Config): Promise<AnySpec[]> {
  const classes = await Promise.all(config.commands.map((command) => command.load()))
  return classes.flatMap((one) => ('spec' in one ? [one.spec as AnySpec] : []))
}
