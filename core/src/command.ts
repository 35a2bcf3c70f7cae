import type { Context, OptionDeclarations } from '@freezer/sdk'
import { Command } from '@oclif/core/command'
import type { OpenRun } from './composition.ts'
import type { AnySpec, CommandSpec, Invocation, Translated } from './invocation.ts'
import type { Output } from './output/output.ts'
import type { Outcome } from './output/reporter.ts'
import { watchStreams } from './output/unwritten.ts'

/** What a command of this program is, apart from what it does: data for the parser and for help. */
export interface CommandClass {
  readonly spec: AnySpec
}

/**
 * The frame of every command: reads the configuration, shows what happens, turns a failure into words and an exit
 * status, and stops the work when the person wants it stopped. What it needs is loaded when it runs.
 */
export abstract class FreezerCommand<
  S extends OptionDeclarations,
  D extends OptionDeclarations,
> extends Command {
  /** Does the work. `open` opens the container that the options name, where they do; `output` shows what is too much for an outcome. */
  abstract perform(
    invocation: Invocation<S, D>,
    context: Context,
    open: OpenRun,
    output: Output,
  ): Promise<Outcome>

  async run(): Promise<void> {
    // oclif has its own listener by now, which ends the program with a stack.
    watchStreams()
    process.exitCode = await this.carryOut(this.id ?? '')
  }

  /** Returns the exit status; throws nothing. */
  async carryOut(name: string, translated?: Translated): Promise<number> {
    const { spec } = this.ctor as unknown as { spec: CommandSpec<S, D> }
    const { performCommand } = await import('./run.ts')
    return performCommand(
      { name, argv: this.argv, spec, perform: this.perform.bind(this), translated },
      this.config,
    )
  }
}
