import type { Context, Loss, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, filterOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  pattern: { type: 'string', value: 'PATTERN', required: true, help: 'The same as PATTERN' },
  ignoreCase: { type: 'boolean', short: 'i', help: 'Capital and small letters are the same' },
  ...filterOptions,
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  positional: [
    { label: 'PATTERN', option: 'pattern', help: 'A name or a path, with * ? [...] as wildcards' },
  ],
}

export default class Find extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Find a file in all backups: in which it is, and in which version.'
  static override description =
    'A pattern without a slash is compared with names, as find -name does; one with a slash with whole paths, as ' +
    'find -path does: relative to the directory that was backed up, and * matches slashes too. A backslash takes a ' +
    'wildcard by its word. What did not change from one backup to the next is one version in several backups. ' +
    'Reads indexes and nothing else, and what backups share of them once.'
  static override usage = 'find PATTERN --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> find report.odt --container /mnt/backups',
    "<%= config.bin %> find '*.jpg' --ignore-case -N home --container /mnt/backups",
    "<%= config.bin %> find 'docs/*/letter.txt' --container /mnt/backups --json",
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun, output: Output): Promise<Outcome> {
    const [{ findEntries }, { foundJson, foundLines, lossMessage }, { lostIndexParts }] = await Promise.all([
      import('@freezer/sdk'),
      import('../output/found.ts'),
      import('../output/results.ts'),
    ])
    await using run = open({ create: false, reads: true })
    let lost = 0
    const request = {
      pattern: options.pattern,
      ignoreCase: options.ignoreCase,
      host: options.hostname,
      name: options.backupName,
      lost: (loss: Loss) => {
        lost++
        context.report({ type: 'log', level: 'warn', message: lossMessage(loss) })
      },
    }
    const show = output.list('found')
    let paths = 0
    let heading: string | undefined
    for await (const found of findEntries(await run.repository(), request, context)) {
      paths++
      const whose = `${found.name} of ${found.host}`
      await show(foundJson(found), foundLines(found, whose === heading ? undefined : whose).join('\n'))
      heading = whose
    }
    return { json: { paths }, lines: paths === 0 ? ['Nothing found.'] : [], failure: lostIndexParts(lost) }
  }
}
