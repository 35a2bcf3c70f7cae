import type { Context, OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  removeOthers: {
    type: 'boolean',
    help: 'Let every passphrase and key file but the one given be removed; they can be added again',
  },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
}

export default class KeyRotate extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Write new backups with a new repository key.'
  static override description =
    'For when somebody who knew a passphrase must not read what comes. Earlier backups stay readable and are not ' +
    'written again; the next backup of each name begins a new chain. Whoever has an old passphrase and an old copy of ' +
    'the container still reads what was written before.'
  static override usage = 'key rotate --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> key rotate --container /mnt/backups --encrypt-pass-file /root/passphrase',
    '<%= config.bin %> key rotate --container /mnt/backups --key-file /root/key --remove-others',
  ]
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const { rotateKey } = await import('@freezer/sdk')
    await using run = open({ create: false, everywhere: true })
    const { keyRotateOutcome } = await import('../output/keys.ts')
    return keyRotateOutcome(await rotateKey(await run.repository(), options, context))
  }
}
