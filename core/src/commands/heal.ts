import type { Context, OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  readData: {
    type: 'boolean',
    help:
      'Read all that is stored, to find what is damaged\n' +
      'Without it, what is missing or cut short is found, and manifests that cannot be read.',
  },
  keysFrom: {
    type: 'string',
    value: 'NAME',
    help:
      'Give the others the keys of the storage NAME first, where they differ\n' +
      'Passphrases and key files that do not open NAME do not open the others any more.',
  },
  dryRun: { type: 'boolean', help: 'Change nothing: show what would be done' },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  hooked: true,
}

export default class Heal extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary =
    'Bring several storages of one container up to date, and repair them from one another.'
  static override description =
    'Each storage gets the backups that others have and it lacks, and what is missing or damaged on it. Every block is ' +
    'verified before it is put anywhere. What was removed from one storage is not brought back to it, and is not removed ' +
    'from the others: that is what a prune by the same rules does. Other runs may go on meanwhile; a heal that was ' +
    'interrupted is simply repeated.'
  static override usage = 'heal --config FILE [FLAGS]'
  static override examples = [
    '<%= config.bin %> heal --config /etc/freezer/nightly.ini --dry-run',
    '<%= config.bin %> heal --config /etc/freezer/nightly.ini --read-data',
    '<%= config.bin %> heal --config /etc/freezer/nightly.ini --keys-from offsite --encrypt-pass-file /root/passphrase',
  ]
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const { healStorages } = await import('@freezer/sdk')
    const { keysFrom, readData, dryRun } = options
    await using run = open({ create: true, everywhere: true, keysFrom, repairs: !dryRun, dryRun })
    const result = await healStorages({ repository: await run.repository(), readData, dryRun }, context)
    const { healOutcome } = await import('../output/heal.ts')
    return healOutcome(result)
  }
}
