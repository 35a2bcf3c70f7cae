import type { Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  backup: { type: 'string', value: 'BACKUP', help: 'The same as BACKUP' },
  backupName: { type: 'string', short: 'N', value: 'NAME', help: 'Only backups of this name' },
  hostname: { type: 'string', value: 'HOST', help: 'Only backups of this machine' },
  remove: { type: 'boolean', help: 'Take the pin away' },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  positional: [
    {
      label: 'BACKUP',
      option: 'backup',
      help: 'An id or the beginning of one, latest, or a date; without it, the pins are listed',
    },
  ],
}

export default class Pin extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Pin a backup, so that no prune removes it.'
  static override description =
    'What a pinned backup builds on stays too. Without BACKUP, all pinned backups are listed.'
  static override usage = 'pin [BACKUP] --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> pin latest --backup-name home --container /mnt/backups',
    '<%= config.bin %> pin 3f2a9c81 --container /mnt/backups --remove',
    '<%= config.bin %> pin --container /mnt/backups',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, { signal, now }: Context, open: OpenRun): Promise<Outcome> {
    const [sdk, { parseReference }, results] = await Promise.all([
      import('@freezer/sdk'),
      import('../reference.ts'),
      import('../output/results.ts'),
    ])
    const reference = options.backup === undefined ? undefined : parseReference(options.backup)
    if (reference === undefined && options.remove) {
      throw new sdk.Failure('usage', 'Say which pin is to be taken away.', {
        remedy: 'Give the BACKUP; "freezer pin" without it lists the pins.',
      })
    }
    await using run = open({ create: false, everywhere: true })
    const repository = await run.repository()
    const filter = { host: options.hostname, name: options.backupName }
    if (reference === undefined) {
      const pins = await sdk.listPins(repository, signal)
      const listed = await Array.fromAsync(sdk.listBackups(repository, filter, signal))
      return results.listOutcome(listed.filter((one) => 'failure' in one || pins.has(one.id)))
    }
    const { manifest } = await sdk.chooseBackup(repository, reference, filter, signal)
    if (options.remove) await sdk.unpinBackup(repository, manifest.id, signal)
    else await sdk.pinBackup(repository, manifest.id, now(), signal)
    return results.pinOutcome(manifest, !options.remove)
  }
}
