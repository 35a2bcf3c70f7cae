/** Commands that choose no plugin: what they are given is options of their own. */
import type { OptionDeclarations } from '@freezer/sdk'
import type { Argument } from './argument.ts'
import { FreezerCommand } from './command.ts'
import type { CommandSpec, Invocation } from './invocation.ts'

const none = {} satisfies OptionDeclarations

export type PlainInvocation<O extends OptionDeclarations> = Invocation<typeof none, O>

export abstract class PlainCommand<O extends OptionDeclarations> extends FreezerCommand<typeof none, O> {}

export function plainSpec<const O extends OptionDeclarations>(
  options: O,
  positional: readonly Argument[] = [],
): CommandSpec<typeof none, O> {
  return { selectors: none, options, providers: () => [], kinds: [], positional }
}
