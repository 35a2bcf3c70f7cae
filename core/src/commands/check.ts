import type { Context, OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, filterOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  readData: {
    type: 'string',
    alone: 'all',
    value: 'PART',
    help:
      'Read the data too: all of it, or --read-data=10%, or --read-data=5G\n' +
      'A part is what was verified longest ago with --resume, else chosen at random.',
  },
  resume: {
    type: 'path',
    value: 'FILE',
    help: 'Keep in FILE what was verified, and go on there after an interruption; with --read-data',
  },
  workers: { type: 'integer', min: 1, max: 256, value: 'N', help: 'Threads that decrypt and decompress' },
  ...filterOptions,
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  hooked: true,
  watched: ({ backupName, hostname }) => ({ name: backupName, host: hostname }),
}

export default class Check extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Check that the backups in a container can be restored.'
  static override description =
    'Looks whether every backup has all that a restore of it would need: reads manifests and indexes, and compares ' +
    'the sizes of what is stored. With --read-data also every block is read, authenticated and decoded, and ' +
    'the archives are parsed. Each damaged backup is named with the files that it affects, and the exit status is 6.'
  static override usage = 'check --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> check --container /mnt/backups',
    '<%= config.bin %> check --read-data --resume /var/lib/freezer/check.json --container /mnt/backups',
    '<%= config.bin %> check --read-data=5% --resume /var/lib/freezer/check.json --container /mnt/backups --json',
  ]
  static spec = spec

  async perform({ options, registry }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const [{ checkContainer, Failure }, { parseDataPart }, { checkOutcome }] = await Promise.all([
      import('@freezer/sdk'),
      import('../data-part.ts'),
      import('../output/check.ts'),
    ])
    const data = options.readData === undefined ? undefined : parseDataPart(options.readData)
    if (data === undefined && options.resume !== undefined) {
      throw new Failure('usage', '--resume keeps which data was verified, and no data is read.', {
        remedy: 'Add --read-data.',
      })
    }
    await using run = open({ create: false, reads: true })
    const report = await checkContainer(
      {
        repository: await run.repository(),
        engines: await registry.all('engine'),
        filter: { host: options.hostname, name: options.backupName },
        data,
        resume: options.resume,
        workers: options.workers,
      },
      context,
    )
    return checkOutcome(report)
  }
}
