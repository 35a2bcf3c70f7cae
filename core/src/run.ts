/** One run of a command, from its arguments to its exit status. */

import type { Context, OptionDeclarations } from '@freezer/sdk'
import type { Config } from '@oclif/core/interfaces'
import { words } from './command-line.ts'
import type { OpenRun } from './composition.ts'
import { discover } from './discovery.ts'
import { interruption } from './interruption.ts'
import type { AnySpec, CommandSpec, Invocation } from './invocation.ts'
import { readInvocation } from './invocation.ts'
import type { ContainerOptions } from './options.ts'
import type { Outcome, Presentation } from './output/reporter.ts'
import { Reporter } from './output/reporter.ts'

/** Returns the exit status; throws nothing. */
export async function performCommand<S extends ContainerOptions, D extends OptionDeclarations>(
  argv: readonly string[],
  spec: CommandSpec<S, D>,
  config: Config,
  perform: (invocation: Invocation<S, D>, context: Context, open: OpenRun) => Promise<Outcome>,
): Promise<number> {
  let reporter = new Reporter(presentationOf(argv), screen)
  using interrupted = interruption()
  try {
    const registry = discover(config)
    const commands = async () => specsOf(config)
    const invocation = await readInvocation(spec, argv, { registry, environment: process.env, commands })
    reporter = new Reporter(invocation.options, screen)
    const context: Context = { signal: interrupted.signal, report: reporter.report, now: Date.now }
    for (const { package: name, message, remedy } of registry.refusals) {
      context.report({ type: 'log', level: 'warn', message: `${name} was refused: ${message} ${remedy}` })
    }
    const { runOpener } = await import('./composition.ts')
    const open = runOpener(invocation as Invocation<ContainerOptions, D>, context)
    return reporter.finish(await perform(invocation, context, open))
  } catch (error) {
    return reporter.fail(error)
  }
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
