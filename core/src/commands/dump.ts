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
  backup: { type: 'string', value: 'BACKUP', required: true, help: 'The same as BACKUP' },
  path: { type: 'string', default: '', value: 'PATH', help: 'The same as PATH' },
  format: { type: 'string', choices: ['tar', 'zip'], default: 'tar', help: 'What to write' },
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
    {
      label: 'PATH',
      option: 'path',
      help: 'Relative to the directory that was backed up; all of it when not given',
    },
  ],
}

export default class Dump extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Write a folder of a backup to standard output as a tar or zip archive.'
  static override description =
    'tar keeps everything but holes; a device number above 262143 is left out. zip keeps files, directories, ' +
    'symbolic links, modes, owners and whole seconds; hard links become files of their own, and more than 65,535 ' +
    'entries or 4 GiB are refused. What is left out is named, and the exit status is 3, or 6 when stored data is ' +
    'damaged. A large file that turns out to be damaged in its middle ends the archive there.'
  static override usage = 'dump BACKUP [PATH] --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> dump latest docs -N home --container /mnt/backups > docs.tar',
    '<%= config.bin %> dump latest docs -N home --container /mnt/backups --format zip > docs.zip',
    '<%= config.bin %> dump 2026-07-01 -N home --container /mnt/backups | ssh other tar -x -C /tmp',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform(
    { options, registry }: Given,
    context: Context,
    open: OpenRun,
    output: Output,
  ): Promise<Outcome> {
    const [{ openBackup }, { parseReference }, { parsePath }, { refuseJson, refuseTerminal }, { dump }] =
      await Promise.all([
        import('@freezer/sdk'),
        import('../reference.ts'),
        import('../path-argument.ts'),
        import('../output/output.ts'),
        import('../dump/dump.ts'),
      ])
    refuseJson(options.json)
    refuseTerminal()
    const reference = parseReference(options.backup)
    const path = parsePath(options.path)
    await using run = open({ create: false, reads: true })
    const repository = await run.repository()
    const filter = { host: options.hostname, name: options.backupName }
    await using backup = await openBackup(repository, reference, filter, context)
    const format = options.format === 'zip' ? 'zip' : 'tar'
    const { archive, outcome } = dump(
      { repository, engines: await registry.all('engine'), backup, path, format },
      context,
    )
    for await (const chunk of archive) await output.bytes(chunk)
    return { json: {}, lines: [], failure: outcome() }
  }
}
