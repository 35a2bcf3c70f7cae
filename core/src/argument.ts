import { string } from '@oclif/core/args'
import type { ArgInput } from '@oclif/core/interfaces'

/** A positional argument: a short way to write an option. */
export interface Argument {
  /** What help calls it: `PATH`. */
  readonly label: string
  /** The option that it sets. */
  readonly option: string
  readonly help: string
}

/** Arguments, in their order, for oclif's parser and help. Nothing is ever read from stdin in their place. */
export function argumentInput(positional: readonly Argument[] = []): ArgInput {
  return Object.fromEntries(
    positional.map(({ label, help }) => [
      label.toLowerCase(),
      string({ description: help, ignoreStdin: true }),
    ]),
  )
}
