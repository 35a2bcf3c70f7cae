import { hostname } from 'node:os'
import type { Context, OptionDeclarations, RestoreDestination } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, downloadStreams } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'
import { backupOptions, chosenBackup, selection, selectionOptions } from '../selection.ts'

const selectors = containerOptions

const ownOptions = {
  restoreAbsPath: { type: 'path', value: 'DEST', help: 'The same as DEST' },
  ...backupOptions,
  restoreFromDate: {
    type: 'string',
    value: 'DATE',
    help:
      'Restore the newest backup of that date or before it: 2026-07-01, 2026-07-01T10:30:00\n' +
      'A day means its end, a minute and a second likewise; local time unless a zone follows.',
  },
  ...selectionOptions,
  overwrite: {
    type: 'string',
    choices: ['if-changed', 'always', 'never'],
    alone: 'always',
    help:
      'Restore into a directory that is not empty, and replace what is there\n' +
      'if-changed leaves files of the same size and modification time their content; never leaves what is there.',
  },
  delete: { type: 'boolean', help: 'Delete what the backup does not hold; only with --overwrite' },
  dryRun: { type: 'boolean', help: 'Change nothing: show what would be done' },
  downloadStreams,
  workers: { type: 'integer', min: 1, max: 256, value: 'N', help: 'Threads that decrypt and decompress' },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  restores: true,
  hooked: true,
  contradictions: [{ names: ['backup', 'restoreFromDate'] }],
  watched: (options) => ({ name: options.backupName, host: options.hostname ?? hostname() }),
  positional: [
    { label: 'DEST', option: 'restoreAbsPath', help: 'Directory to restore into; it is made when missing' },
  ],
}

export default class Restore extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Restore a backup, or a part of it, into a directory.'
  static override description =
    'Brings back the tree as it was at the moment of the backup: all of it, or what --path, --include and --exclude ' +
    'say, together with the directories on the way there. A directory that is not empty is refused ' +
    'without --overwrite, and nothing is deleted without --delete. What cannot be restored is named, and the exit ' +
    'status is 3, or 6 when stored data is damaged.'
  static override usage = 'restore DEST --container DIR --backup-name NAME [FLAGS]'
  static override examples = [
    '<%= config.bin %> restore /tmp/home --container /mnt/backups --backup-name home',
    '<%= config.bin %> restore /tmp/home -N home --container /mnt/backups --restore-from-date 2026-07-01',
    '<%= config.bin %> restore /tmp/home -N home --container /mnt/backups --path me/letters --exclude "*.tmp"',
    '<%= config.bin %> restore /home -N home --container /mnt/backups --overwrite=if-changed --dry-run',
    "<%= config.bin %> restore -N db --container /mnt/backups --restore-command 'mysql --defaults-file=/root/my.cnf'",
    '<%= config.bin %> restore /srv -N srv --hostname web1 --container /mnt/backups --overwrite --delete',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform(
    { options, registry, restoreOptions }: Given,
    context: Context,
    open: OpenRun,
  ): Promise<Outcome> {
    const { Failure, restore } = await import('@freezer/sdk')
    const nowhere = () => new Failure('usage', 'DEST is required.', { remedy: 'Name where to restore to.' })
    const { restoreAbsPath } = options
    if (restoreAbsPath === undefined) {
      const modes = registry.names('mode')
      if (!modes.some((mode) => restoreOptions(mode) !== undefined)) throw nowhere()
    }
    const destination: RestoreDestination = {
      destination: restoreAbsPath ?? '',
      overwrite: options.overwrite ?? false,
      remove: options.delete,
      purpose: options.dryRun ? 'preview' : undefined,
    }
    const chosen = await chosenBackup(options, options.restoreFromDate)
    const select = await selection(options)
    await using run = open({ create: false, reads: true })
    const engines = await registry.all('engine')
    const result = await restore(
      {
        repository: run.repository(),
        engines,
        target: async ({ mode: { name, facts } }) => {
          const more = restoreOptions(name)
          if (restoreAbsPath === undefined && more === undefined) throw nowhere()
          const mode = await registry.get('mode', name)
          const target = await mode.target({ ...destination, options: more }, facts, context)
          if (options.dryRun && (target.kind === 'entries' || target.purpose !== 'preview')) {
            throw new Failure('plugin', `The mode ${name} cannot tell what a restore would do.`, {
              remedy: 'Leave --dry-run away, and restore into an empty place.',
            })
          }
          return target
        },
        ...chosen,
        select,
        workers: options.workers,
        downloadStreams: options.downloadStreams,
      },
      context,
    )
    const { restoreOutcome } = await import('../output/results.ts')
    return restoreOutcome(result, restoreAbsPath)
  }
}
