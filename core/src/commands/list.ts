import type { BackupSummary, Context, DamagedBackup } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, filterOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = filterOptions

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
}

export default class List extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'List the backups in a container.'
  static override description =
    'The oldest first. SIZE is what a restore brings back, STORED what the backup added to the container.'
  static override usage = 'list --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> list --container /mnt/backups',
    '<%= config.bin %> list --container /mnt/backups --backup-name home --json',
  ]
  static spec = spec

  async perform({ options }: Given, { signal }: Context, open: OpenRun): Promise<Outcome> {
    const { listBackups } = await import('@freezer/sdk')
    await using run = open({ create: false, reads: true })
    const filter = { host: options.hostname, name: options.backupName }
    const found: (BackupSummary | DamagedBackup)[] = []
    for await (const one of listBackups(await run.repository(), filter, signal)) found.push(one)
    const { listOutcome } = await import('../output/results.ts')
    return listOutcome(found)
  }
}
