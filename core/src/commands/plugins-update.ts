import type { Context, OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import { FreezerCommand } from '../command.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import type { Outcome } from '../output/reporter.ts'

const none = {} satisfies OptionDeclarations

const ownOptions = {
  package: { type: 'list', value: 'PACKAGE', help: 'The same as PACKAGE' },
  scripts: { type: 'boolean', help: 'Let the package, and what it needs, run their install scripts' },
} as const satisfies OptionDeclarations

type Given = Invocation<typeof none, typeof ownOptions>

const spec: CommandSpec<typeof none, typeof ownOptions> = {
  selectors: none,
  options: ownOptions,
  providers: () => [],
  kinds: [],
  positional: [
    {
      label: 'PACKAGE',
      option: 'package',
      multiple: true,
      help: 'Only these; every one of the registry when not given',
    },
  ],
}

export default class PluginsUpdate extends FreezerCommand<typeof none, typeof ownOptions> {
  static override summary = 'Install the newest versions of the plugins that came from the registry.'
  static override description =
    'A version that this Freezer cannot use is not installed: the one that is there stays. Also mends plugins after Freezer ' +
    'itself moved to another directory.'
  static override usage = 'plugins update [PACKAGE...] [FLAGS]'
  static override examples = [
    '<%= config.bin %> plugins update',
    '<%= config.bin %> plugins update @example/freezer-storage-shelf',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, { signal }: Context): Promise<Outcome> {
    const [{ updatePlugins }, { updatedOutcome }] = await Promise.all([
      import('../plugins/change.ts'),
      import('../output/plugins.ts'),
    ])
    return updatedOutcome(await updatePlugins(this.config, options.package, options.scripts, signal))
  }
}
