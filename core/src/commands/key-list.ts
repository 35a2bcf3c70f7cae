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

export default class KeyList extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Show what opens an encrypted container.'
  static override description =
    'Passphrases, key files, recipients (hosts that back up what they cannot read), and the repository keys behind them. ' +
    'What the passphrase or key file given cannot prove is shown as unknown.'
  static override usage = 'key list --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> key list --container /mnt/backups --encrypt-pass-file /root/passphrase',
    '<%= config.bin %> key list --container /mnt/backups --key-file /root/key --json',
  ]
  static spec = spec

  async perform(_: Given, { signal }: Context, open: OpenRun): Promise<Outcome> {
    const { listKeys } = await import('@freezer/sdk')
    await using run = open({ create: false })
    const { keyListOutcome } = await import('../output/keys.ts')
    return keyListOutcome(await listKeys(await run.repository(), signal))
  }
}
