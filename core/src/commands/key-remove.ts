import type { Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { OpenRun } from '../composition.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import { containerOptions } from '../options.ts'
import type { Outcome } from '../output/reporter.ts'

const selectors = containerOptions

const ownOptions = {
  keyId: { type: 'string', value: 'KEY', required: true, help: 'The same as KEY' },
  force: { type: 'boolean', help: 'Remove also a key that backups need, or that nobody here can judge' },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof selectors, typeof ownOptions>

const spec: CommandSpec<typeof selectors, typeof ownOptions> = {
  selectors,
  options: ownOptions,
  providers: ({ storage }) => [{ kind: 'storage', name: storage }],
  kinds: ['storage'],
  positional: [
    { label: 'KEY', option: 'keyId', help: 'Id of a key as "key list" shows it, or its beginning' },
  ],
}

export default class KeyRemove extends FreezerCommand<typeof selectors, typeof ownOptions> {
  static override summary = 'Remove a passphrase, a key file or a recipient.'
  static override description =
    'The last one that opens the container is never removed. Whoever keeps a copy of the container from before still ' +
    'opens that copy with what was removed, and knows the repository key: see key rotate.'
  static override usage = 'key remove KEY --container DIR [FLAGS]'
  static override examples = [
    '<%= config.bin %> key remove 3f2a --container /mnt/backups --encrypt-pass-file /root/passphrase',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, context: Context, open: OpenRun): Promise<Outcome> {
    const { removeKey } = await import('@freezer/sdk')
    await using run = open({ create: false, everywhere: true })
    const { keyRemoveOutcome } = await import('../output/keys.ts')
    const request = { id: options.keyId, force: options.force }
    return keyRemoveOutcome(await removeKey(await run.repository(), request, context))
  }
}
