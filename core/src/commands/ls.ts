import type { Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput, backupArgument } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, filterOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  backup: { type: 'string', default: 'latest', value: 'BACKUP', help: 'The same as BACKUP' },
  path: { type: 'string', default: '', value: 'PATH', help: 'The same as PATH' },
  recursive: { type: 'boolean', short: 'R', help: 'With everything that is in subdirectories' },
  long: { type: 'boolean', short: 'l', help: 'With mode, owner, size, time and target' },
  ...filterOptions,
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  positional: [
    backupArgument,
    { label: 'PATH', option: 'path', help: 'Relative to the directory that was backed up' },
  ],
}

export default class Ls extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'List what is in a backup.'
  static override description =
    'Shows the paths in a directory of a backup, as they are given to cat, dump and find: files first, then ' +
    'subdirectories, which end in a slash. Reads the part of the index that holds them and nothing else.'
  static override usage = 'ls [BACKUP] [PATH] --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> ls --container /mnt/backups',
    '<%= config.bin %> ls latest docs/letters --long -N home --container /mnt/backups',
    '<%= config.bin %> ls 2026-07-01 --recursive -N home --container /mnt/backups',
    '<%= config.bin %> ls 5f3a docs --container /mnt/backups --json',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun, output: Output): Promise<Outcome> {
    const [{ listEntries, openBackup }, { parseReference }, { parsePath }, entries, { lostIndexParts }] =
      await Promise.all([
        import('@freezer/sdk'),
        import('../reference.ts'),
        import('../path-argument.ts'),
        import('../output/entries.ts'),
        import('../output/results.ts'),
      ])
    const reference = parseReference(options.backup)
    const path = parsePath(options.path)
    await using run = open({ create: false, reads: true })
    const filter = { host: options.hostname, name: options.backupName }
    await using backup = await openBackup(await run.repository(), reference, filter, context)
    const show = output.list('entries')
    const line = options.long ? entries.longLine : entries.entryName
    let lost = 0
    const request = {
      path,
      recursive: options.recursive,
      lost: (page: Parameters<typeof entries.lostPageMessage>[0]) => {
        lost++
        context.report({ type: 'log', level: 'warn', message: entries.lostPageMessage(page) })
      },
    }
    for await (const entry of listEntries(backup, request)) await show(entries.entryJson(entry), line(entry))
    return { json: { backup: entries.backupJson(backup.manifest) }, lines: [], failure: lostIndexParts(lost) }
  }
}
