/** Failures outside of a command: its name is wrong, or oclif itself stumbled. */
import { Failure } from '@freezer/sdk'
import { Reporter } from './output/reporter.ts'
import { presentationOf, screen } from './run.ts'

/** Shows `error` and returns the exit status. */
export function failProgram(error: unknown, argv: readonly string[]): number {
  const exit = (error as { oclif?: { exit?: number } }).oclif?.exit
  if (exit === 0) return 0
  const shown = exit === undefined ? error : new Failure('usage', (error as Error).message, { cause: error })
  return new Reporter(presentationOf(argv), screen).fail(shown)
}
