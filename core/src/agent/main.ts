/** The program freezer-agent: the command line of the Python Freezer, carried out by our own commands. */
import type { OptionDeclarations } from '@freezer/sdk'
import { Config } from '@oclif/core/config'
import { settings } from '@oclif/core/settings'
import { commands } from '../commands/index.ts'
import { discover } from '../discovery.ts'
import { failProgram } from '../failing.ts'
import type { Translated } from '../invocation.ts'
import { earlyOptions, providerGroups, restoreGroups, underLock, watchOptionsOf } from '../invocation.ts'
import { commonOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'
import { unwritten, watchStreams } from '../output/unwritten.ts'
import { performCommand } from '../run.ts'
import { exec, execSpec } from './exec.ts'
import { isTrue } from './flags.ts'
import { helpText } from './help.ts'
import { metadataOf, writeMetadata } from './metadata.ts'
import { syncDisks, takePriority } from './priority.ts'
import { type Translation, translate } from './translate.ts'

/**
 * @param argv without the program's own name
 * @param root directory of this package
 */
export async function main(argv: string[], root: string): Promise<void> {
  watchStreams()
  if (!argv.includes('--debug')) process.removeAllListeners('warning')
  settings.enableAutoTranspile = false
  try {
    process.exitCode = await run(argv, await Config.load(root))
  } catch (error) {
    process.exitCode = failProgram(error, argv)
  }
  await new Promise((done) => process.stdout.write('', done))
  if (unwritten() !== undefined && !process.exitCode) process.exitCode = 1
  process.exit()
}

async function run(argv: readonly string[], config: Config): Promise<number> {
  const asks = (...names: readonly string[]) => argv.some((word) => names.includes(word))
  if (asks('--help', '-h')) process.stdout.write(helpText())
  else if (asks('--version', '-V')) process.stdout.write(`${config.version}\n`)
  if (asks('--help', '-h', '--version', '-V')) return 0
  const { pluginLock } = earlyOptions(argv, process.env)
  // The code of a plugin that the lock does not allow is not even asked for its options.
  const registry = await underLock(discover(config), pluginLock)
  const declarations: OptionDeclarations = Object.assign(
    {},
    ...Object.values(commands).map(({ spec }) => ({
      ...spec.selectors,
      ...watchOptionsOf(spec),
      ...spec.options,
    })),
    execSpec.options,
    ...[...(await providerGroups(registry)), ...(await restoreGroups(registry))].map(
      (group) => group.declarations,
    ),
    commonOptions,
  )
  const translation = translate(argv, {
    option: (name) => (Object.hasOwn(declarations, name) ? declarations[name] : undefined),
    providers: (kind) => registry.names(kind),
    environment: process.env,
  })
  const { said, command, commandLine, ini } = translation

  const warnings = [...translation.warnings]
  const warn = (message: string) => {
    warnings.push(message)
  }
  if (isTrue(said.get('max-priority') ?? '')) await takePriority(warn)
  if (translation.action === 'backup' && isTrue(said.get('sync') ?? '')) await syncDisks(warn)
  const translated: Translated = {
    commandLine,
    ini,
    warnings,
    finish: (outcome) => withMetadata(outcome, translation, config.version),
  }
  const words = [...translation.argv]
  if (command === 'exec') {
    return performCommand({ name: command, argv: words, spec: execSpec, perform: exec, translated }, config)
  }
  return new commands[command](words, config).carryOut(command, translated)
}

/** Writes the metadata of a backup where it is wanted. */
function withMetadata(outcome: Outcome, { action, said }: Translation, version: string): Outcome {
  const file = said.get('metadata-out')
  const [backup] = outcome.backups ?? []
  if (action !== 'backup' || file === undefined || backup === undefined) return outcome
  try {
    writeMetadata(file, metadataOf(backup, said, version))
  } catch (error) {
    return { ...outcome, failure: outcome.failure ?? error }
  }
  // On standard output it stands alone.
  return file === '-' ? { ...outcome, lines: [] } : outcome
}
