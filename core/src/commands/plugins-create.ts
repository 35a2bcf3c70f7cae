import type { OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const ownOptions = {
  kind: {
    type: 'string',
    choices: ['storage', 'mode', 'snapshot', 'engine', 'codec', 'notifier'],
    value: 'KIND',
    required: true,
    help: 'The same as KIND',
  },
  name: { type: 'string', value: 'NAME', required: true, help: 'The same as NAME' },
  dir: { type: 'path', value: 'DIR', help: 'Where to make it; ./freezer-KIND-NAME when not given' },
} as const satisfies OptionDeclarations

type Given = PlainInvocation<typeof ownOptions>

const spec = plainSpec(ownOptions, [
  { label: 'KIND', option: 'kind', help: 'storage, mode, snapshot, engine, codec or notifier' },
  { label: 'NAME', option: 'name', help: 'What it is called on the command line: --storage NAME' },
])

export default class PluginsCreate extends PlainCommand<typeof ownOptions> {
  static override summary = 'Begin a plugin of your own.'
  static override description =
    'Writes a package that builds, passes its tests and works at once. What is in it is yours to change; docs/writing-a-plugin.md ' +
    'goes through one line by line.'
  static override usage = 'plugins create KIND NAME [FLAGS]'
  static override examples = [
    '<%= config.bin %> plugins create storage shelf',
    '<%= config.bin %> plugins create mode mailbox --dir ~/work/mailbox',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options, registry }: Given): Promise<Outcome> {
    const [{ resolve }, { createPlugin }, { createdOutcome }] = await Promise.all([
      import('node:path'),
      import('../plugins/create.ts'),
      import('../output/plugins.ts'),
    ])
    const directory = resolve(options.dir ?? `freezer-${options.kind}-${options.name}`)
    return createdOutcome(await createPlugin(registry, options.kind, options.name, directory))
  }
}
