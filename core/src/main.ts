/** The program: what oclif does around a command, with the failures and exit statuses of Freezer. */
import { run } from '@oclif/core/run'
import { settings } from '@oclif/core/settings'
import { unwritten, watchStreams } from './output/unwritten.ts'

/**
 * @param argv without the program's own name
 * @param root directory of this package
 */
export async function main(argv: string[], root: string): Promise<void> {
  watchStreams()
  // Warnings of Node and of packages are for whoever develops them.
  if (!argv.includes('--debug')) process.removeAllListeners('warning')
  settings.enableAutoTranspile = false
  try {
    await run(argv, root)
  } catch (error) {
    const { failProgram } = await import('./failing.ts')
    process.exitCode = failProgram(error, argv)
  }
  await new Promise((resolve) => process.stdout.write('', resolve))
  const failed = unwritten()
  if (failed !== undefined && !process.exitCode) {
    const [{ fromSystem }, { failProgram }] = await Promise.all([
      import('@freezer/sdk'),
      import('./failing.ts'),
    ])
    process.exitCode = failProgram(fromSystem(failed, 'write to standard output'), argv)
  }
  // What is still open (an idle connection of a plugin) must not keep a finished program alive.
  process.exit()
}
