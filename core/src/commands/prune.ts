import type { Context, OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, retentionOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  backupName: { type: 'string', short: 'N', value: 'NAME', help: 'The rules concern this name only' },
  hostname: { type: 'string', value: 'HOST', help: 'The rules concern this machine only' },
  ...retentionOptions,
  garbageAfter: {
    type: 'number',
    min: 0,
    default: 2,
    value: 'HOURS',
    help:
      'Take a run for dead that gave no sign of life for so long\n' +
      'A backup that was taken for dead fails when it goes on after all; no data is lost.',
  },
  dryRun: { type: 'boolean', help: 'Change nothing: show what would be done with each backup, and why' },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  hooked: true,
}

export default class Prune extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Remove old backups by rules, and what killed runs left.'
  static override description =
    'The rules apply to each backup name and host by itself. A backup goes when a rule asks for it and none keeps it: ' +
    'rules to keep ask to remove all else; beside rules to remove, they only keep. Whatever a kept backup builds on ' +
    'stays, and what is pinned. Without rules no backup is removed. Hours, days, weeks, months and years are those of ' +
    "this machine's clock. Backups and restores may go on meanwhile."
  static override usage = 'prune --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> prune --container /mnt/backups --keep-daily 14 --keep-weekly 8 --keep-monthly 12 --dry-run',
    '<%= config.bin %> prune --container /mnt/backups --backup-name home --remove-older-than 90 --keep-last 3',
    '<%= config.bin %> prune --container /mnt/backups --hostname web1 --remove-from-date 2026-01-01',
  ]
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const [{ prune, pruneEach, hasRules }, { readPolicy }] = await Promise.all([
      import('@freezer/sdk'),
      import('../retention.ts'),
    ])
    const policy = readPolicy(options)
    const { hostname: host, backupName: name, garbageAfter, dryRun } = options
    await using run = open({ create: false, everywhere: true, dryRun })
    const repository = await run.repository()
    const request = { repository, policy, host, name, garbageAfter, dryRun }
    const { pruneOutcome, pruneEachOutcome } = await import('../output/prune.ts')
    return run.mirrored === undefined
      ? pruneOutcome(await prune(request, context), hasRules(policy))
      : pruneEachOutcome(await pruneEach(request, context), hasRules(policy))
  }
}
