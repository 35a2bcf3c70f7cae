import { string } from '@oclif/core/args'
import type { ArgInput } from '@oclif/core/interfaces'

/** A positional argument: a short way to write an option. */
export interface Argument {
  /** What help calls it: `PATH`. */
  readonly label: string
  /** The option that it sets. */
  readonly option: string
  readonly help: string
  /** All arguments from here on, for an option that is a list; only the last can be one. */
  readonly multiple?: boolean
}

/** The one backup that a command looks into. */
export const backupArgument: Argument = {
  label: 'BACKUP',
  option: 'backup',
  help: 'Id, or its beginning; latest; or a date: the newest backup up to it',
}

/** Arguments, in their order, for oclif's parser and help. Nothing is ever read from stdin in their place. */
export function argumentInput(positional: readonly Argument[] = []): ArgInput {
  return Object.fromEntries(
    positional.map(({ label, help, multiple = false }) => [
      label.toLowerCase(),
      multiple
        ? string({ description: help, ignoreStdin: true, multiple })
        : string({ description: help, ignoreStdin: true }),
    ]),
  )
}
