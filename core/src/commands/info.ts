import type { Context, OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions
const ownOptions = {} satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
}

export default class Info extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Show what a container holds.'
  static override usage = 'info --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> info --container /mnt/backups',
    '<%= config.bin %> info --container /mnt/backups --encrypt-pass-file /root/passphrase --json',
  ]
  static spec = spec

  async perform(_: Given, { signal }: Context, open: OpenRun): Promise<Outcome> {
    const { describeContainer } = await import('@freezer/sdk')
    await using run = open({ create: false, reads: true })
    const { infoOutcome } = await import('../output/results.ts')
    return infoOutcome(await describeContainer(await run.repository(), signal))
  }
}
