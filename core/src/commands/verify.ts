import type { Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, downloadStreams } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'
import { backupOptions, chosenBackup, selection, selectionOptions } from '../selection.ts'

const selectors = containerOptions

const ownOptions = {
  verifyPath: { type: 'path', value: 'PATH', required: true, help: 'The same as PATH' },
  ...backupOptions,
  ...selectionOptions,
  downloadStreams,
  workers: { type: 'integer', min: 1, max: 256, value: 'N', help: 'Threads that decrypt and decompress' },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  hooked: true,
  positional: [{ label: 'PATH', option: 'verifyPath', help: 'Directory to compare the backup with' }],
}

export default class Verify extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Compare a backup with a directory.'
  static override description =
    'Compares content byte by byte, and owner, mode, times, attributes, links and devices; names what is missing, extra ' +
    'or changed, and what of it. Changes nothing. The exit status is 0 only when nothing differs, and 16 when ' +
    'something does.'
  static override usage = 'verify PATH --container DIR --backup-name NAME [FLAGS]'
  static override examples = [
    '<%= config.bin %> verify /home --container /mnt/backups --backup-name home',
    '<%= config.bin %> verify /home -N home --container /mnt/backups --path me/documents',
    '<%= config.bin %> verify /home --backup 3f2a --container /mnt/backups --json',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options, registry }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const { verify } = await import('@freezer/sdk')
    const destination = {
      destination: options.verifyPath,
      overwrite: false,
      remove: true,
      purpose: 'verify',
    } as const
    const chosen = await chosenBackup(options)
    const select = await selection(options)
    await using run = open({ create: false, reads: true })
    const engines = await registry.all('engine')
    const result = await verify(
      {
        repository: run.repository(),
        engines,
        target: async ({ mode: { name, facts } }) =>
          (await registry.get('mode', name)).target(destination, facts, context),
        ...chosen,
        select,
        workers: options.workers,
        downloadStreams: options.downloadStreams,
      },
      context,
    )
    const { verifyOutcome } = await import('../output/results.ts')
    return verifyOutcome(result, options.verifyPath)
  }
}
