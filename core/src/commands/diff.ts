import type { Context, OpenBackup, OptionDeclarations, PageAddress } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions, filterOptions } from '../options.ts'
import type { Output } from '../output/output.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  before: { type: 'string', value: 'BACKUP', required: true, help: 'The same as BEFORE' },
  after: { type: 'string', default: 'latest', value: 'BACKUP', help: 'The same as AFTER' },
  times: { type: 'boolean', help: 'Show also what differs by its times alone, as directories do' },
  ...filterOptions,
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  positional: [
    { label: 'BEFORE', option: 'before', help: 'A backup: id, or its beginning; latest; or a date' },
    { label: 'AFTER', option: 'after', help: 'Another one; the latest when not given' },
  ],
}

export default class Diff extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Show what differs between two backups.'
  static override description =
    '+ is what was added, - what was removed, M what changed, with what of it: type, content (size or modification ' +
    'time differ), mode, owner, link, mtime, ctime (that alone: extended attributes, ACL, or number of names). ' +
    'Reads the two indexes where they differ and nothing else.'
  static override usage = 'diff BACKUP [BACKUP] --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> diff 2026-07-01 2026-07-02 -N home --container /mnt/backups',
    '<%= config.bin %> diff 5f3a latest --container /mnt/backups',
    '<%= config.bin %> diff 5f3a 81c0 --times --container /mnt/backups --json',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun, output: Output): Promise<Outcome> {
    const [{ diffBackups, openBackup }, { parseReference }, shown, { backupJson, lostPageMessage }, results] =
      await Promise.all([
        import('@freezer/sdk'),
        import('../reference.ts'),
        import('../output/differences.ts'),
        import('../output/entries.ts'),
        import('../output/results.ts'),
      ])
    const { signal } = context
    const [first, second] = [parseReference(options.before), parseReference(options.after)]
    const filter = { host: options.hostname, name: options.backupName }
    await using run = open({ create: false, reads: true })
    const repository = await run.repository()
    await using before = await openBackup(repository, first, filter, context)
    await using after = await openBackup(repository, second, filter, context)
    let lost = 0
    const request = {
      before,
      after,
      signal,
      lost: (page: PageAddress, { manifest }: OpenBackup) => {
        lost++
        const message = `${manifest.id.slice(0, results.shownId)}: ${lostPageMessage(page)}`
        context.report({ type: 'log', level: 'warn', message })
      },
    }
    const counts = { added: 0, removed: 0, changed: 0 }
    const show = output.list('differences')
    for await (const difference of diffBackups(request)) {
      if (!options.times && shown.isOfTimesAlone(difference)) continue
      counts[difference.change]++
      await show(shown.differenceJson(difference), shown.differenceLine(difference))
    }
    return {
      json: { before: backupJson(before.manifest), after: backupJson(after.manifest), ...counts },
      lines: [shown.countsLine(counts)],
      failure: results.lostIndexParts(lost),
    }
  }
}
