import type { Context } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'
import { packagesOptions } from '../plugins/options.ts'

type Given = PlainInvocation<typeof packagesOptions>

const spec = plainSpec(packagesOptions, [
  {
    label: 'PACKAGE',
    option: 'package',
    multiple: true,
    help: 'Only these; every one of the registry when not given',
  },
])

export default class PluginsUpdate extends PlainCommand<typeof packagesOptions> {
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
