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
    help: 'Name of a package, NAME@VERSION, a tarball of "npm pack", or an address: whatever npm can install',
  },
])

export default class PluginsInstall extends PlainCommand<typeof packagesOptions> {
  static override summary = 'Install a plugin.'
  static override description =
    'A plugin is code that runs with all your rights, and sees your files and passphrases: install what you trust. npm fetches ' +
    'it, from the registry that npm is set to. What cannot be used with this Freezer is not installed.'
  static override usage = 'plugins install PACKAGE... [FLAGS]'
  static override examples = [
    '<%= config.bin %> plugins install @example/freezer-storage-shelf',
    '<%= config.bin %> plugins install ./freezer-storage-shelf-1.0.0.tgz',
  ]
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given, { signal }: Context): Promise<Outcome> {
    const [{ Failure }, { installPlugin }, { changedOutcome }] = await Promise.all([
      import('@freezer/sdk'),
      import('../plugins/change.ts'),
      import('../output/plugins.ts'),
    ])
    if (options.package.length === 0) {
      throw new Failure('usage', 'Say which package is to be installed.', { remedy: 'See --help.' })
    }
    const installed = []
    for (const one of options.package) {
      installed.push(await installPlugin(this.config, one, options.scripts, signal))
    }
    return changedOutcome('installed', installed)
  }
}
