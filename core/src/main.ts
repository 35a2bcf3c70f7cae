/** The program: what oclif does around a command, with the failures and exit statuses of Freezer. */
import { run } from '@oclif/core/run'
import { settings } from '@oclif/core/settings'

/**
 * @param argv without the program's own name
 * @param root directory of this package
 */
export async function main(argv: string[], root: string): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe)
  // Warnings of Node and of packages are for whoever develops them.
  if (!argv.includes('--debug')) process.removeAllListeners('warning')
  settings.enableAutoTranspile = false
  try {
    await run(argv, root)
  } catch (error) {
    const { failProgram } = await import('./failing.ts')
    process.exitCode = failProgram(error, argv)
  }
  // What is still open (an idle connection of a plugin) must not keep a finished program alive.
  process.stdout.write('', () => process.exit())
}

/** Whoever reads our output may stop reading; that is no reason to stop the work. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
