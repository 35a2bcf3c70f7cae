import type { Context, OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  backupName: { type: 'string', short: 'N', value: 'NAME', help: 'Only backups of this name' },
  hostname: { type: 'string', value: 'HOST', help: 'Only backups of this machine' },
  maxAge: {
    type: 'duration',
    value: 'AGE',
    help: 'How old the newest backup of each name may be: 26h, 2d, 90m',
  },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  watched: ({ backupName, hostname }) => ({ name: backupName, host: hostname }),
}

export default class Status extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Show whether every backup name has a fresh, complete backup.'
  static override description =
    'With --max-age the exit status says it: 0 when the newest backup of each name is young enough and complete, 15 when ' +
    'one is too old, 3 when one lacks files that could not be read, 4 when there is none, 6 when a manifest is damaged. ' +
    'It lists the container and reads the newest manifest of each name; "freezer list" reads all of them.'
  static override usage = 'status --container DIR [--max-age AGE] [FLAGS]'
  static override examples = [
    '<%= config.bin %> status --container /mnt/backups --max-age 26h',
    '<%= config.bin %> status -N home --hostname web1 --container /mnt/backups --max-age 2d --json',
    '<%= config.bin %> status --container /mnt/backups --max-age 26h --metrics-file /var/lib/node_exporter/freezer.prom',
  ]
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const { containerStatus } = await import('@freezer/sdk')
    await using run = open({ create: false })
    const { backupName: name, hostname: host, maxAge } = options
    const status = await containerStatus({ repository: await run.repository(), host, name, maxAge }, context)
    const { statusOutcome } = await import('../output/status.ts')
    return statusOutcome(status, { host, name })
  }
}
