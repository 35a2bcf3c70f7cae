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

/** An argument for oclif's parser and help. Nothing is ever read from stdin in its place. */
export function argumentInput(argument: Argument | undefined): ArgInput {
  if (argument === undefined) return {}
  const input = string({ description: argument.help, ignoreStdin: true })
  return { [argument.label.toLowerCase()]: input }
}
