/** One run of a command, from its arguments to its exit status. */

import type { Context, OptionDeclarations } from '@freezer/sdk'
import type { Config } from '@oclif/core/interfaces'
import { words } from './command-line.ts'
import type { OpenRun } from './composition.ts'
import { discover } from './discovery.ts'
import { interruption } from './interruption.ts'
import type { AnySpec, CommandSpec, Invocation } from './invocation.ts'
import { readInvocation } from './invocation.ts'
import type { ContainerOptions, WatchOptions } from './options.ts'
import type { Output } from './output/output.ts'
import type { Outcome, Presentation } from './output/reporter.ts'
import { Reporter } from './output/reporter.ts'
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
}

/** Returns the exit status; throws nothing. */
export async function performCommand<S extends OptionDeclarations, D extends OptionDeclarations>(
  { name, argv, spec, perform }: Call<S, D>,
  config: Config,
): Promise<number> {
  let reporter = new Reporter(presentationOf(argv), screen)
  let watch: Watch | undefined
  using interrupted = interruption()
  try {
    const registry = discover(config)
    const commands = async () => specsOf(config)
    const invocation = await readInvocation(spec, argv, { registry, environment: process.env, commands })
    reporter = new Reporter(invocation.options, screen)
    const context: Context = { signal: interrupted.signal, report: reporter.report, now: Date.now }
    for (const { package: plugin, message, remedy } of invocation.registry.refusals) {
      context.report({ type: 'log', level: 'warn', message: `${plugin} was refused: ${message} ${remedy}` })
    }
    watch = await startWatch(name, spec, invocation, context, reporter.warn)
    const { runOpener } = await import('./composition.ts')
    const open = runOpener(invocation as Invocation<ContainerOptions, D>, context)
    const outcome = await perform(invocation, context, open, reporter.output)
    const status = reporter.finish(outcome)
    await watch?.(outcome)
    return status
  } catch (error) {
    const status = reporter.fail(error)
    await watch?.({ failure: error })
    return status
  }
}

/** What tells others how the run ended; undefined when nobody wants to know. */
async function startWatch<S extends OptionDeclarations, D extends OptionDeclarations>(
  command: string,
  spec: CommandSpec<S, D>,
  invocation: Invocation<S, D>,
  context: Context,
  warn: (message: string) => void,
): Promise<Watch | undefined> {
  const { notify = [], metricsFile }: WatchOptions = invocation.options
  const subject = spec.watched?.(invocation.options)
  if (subject === undefined || (notify.length === 0 && metricsFile === undefined)) return undefined
  const { watchRun } = await import('./watch.ts')
  // Whoever is watched works on a container.
  const onContainer = invocation as Invocation<ContainerOptions, D>
  return watchRun({ command, subject, invocation: onContainer, context, warn })
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
