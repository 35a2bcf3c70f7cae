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
  path: { type: 'string', value: 'PATH', required: true, help: 'The same as PATH' },
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
    { label: 'PATH', option: 'path', help: 'File, relative to the directory that was backed up' },
  ],
}

export default class Cat extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Write a file of a backup to standard output.'
  static override description =
    'Gives the content as it is, and nothing else; symbolic links are not followed. Where stored data is damaged the ' +
    'output ends, and the exit status is 6: what came before is right. Reads the blocks that hold the file.'
  static override usage = 'cat BACKUP PATH --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> cat latest docs/letter.txt -N home --container /mnt/backups',
    '<%= config.bin %> cat 2026-07-01 mail.sqlite -N home --container /mnt/backups > mail.sqlite',
    '<%= config.bin %> cat 5f3a etc/hosts --container /mnt/backups | diff - /etc/hosts',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform(
    { options, registry }: Given,
    context: Context,
    open: OpenRun,
    output: Output,
  ): Promise<Outcome> {
    const [{ openBackup, readFile }, { parseReference }, { parsePath }, { refuseJson }] = await Promise.all([
      import('@freezer/sdk'),
      import('../reference.ts'),
      import('../path-argument.ts'),
      import('../output/output.ts'),
    ])
    refuseJson(options.json)
    const reference = parseReference(options.backup)
    const path = parsePath(options.path)
    await using run = open({ create: false, reads: true })
    const repository = await run.repository()
    const filter = { host: options.hostname, name: options.backupName }
    await using backup = await openBackup(repository, reference, filter, context)
    const engines = await registry.all('engine')
    // A bar would stand in the middle of what is shown.
    const silent: Context = {
      ...context,
      report: (event) => event.type !== 'progress' && context.report(event),
    }
    for await (const chunk of readFile({ repository, engines, backup, path }, silent)) {
      await output.bytes(chunk)
    }
    return { json: {}, lines: [] }
  }
}
