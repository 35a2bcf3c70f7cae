import type { OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const ownOptions = {
  package: { type: 'string', value: 'PACKAGE', required: true, help: 'The same as PACKAGE' },
} as const satisfies OptionDeclarations

type Given = PlainInvocation<typeof ownOptions>

const spec = plainSpec(ownOptions, [
  { label: 'PACKAGE', option: 'package', help: 'Name of a plugin that was installed or linked' },
])

export default class PluginsUninstall extends PlainCommand<typeof ownOptions> {
  static override summary = 'Take away a plugin that was installed or linked.'
  static override description = 'Of a linked one only the link goes. What is part of Freezer stays.'
  static override usage = 'plugins uninstall PACKAGE [FLAGS]'
  static override examples = ['<%= config.bin %> plugins uninstall @example/freezer-storage-shelf']
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given): Promise<Outcome> {
    const [{ uninstallPlugin }, { uninstalledOutcome }] = await Promise.all([
      import('../plugins/change.ts'),
      import('../output/plugins.ts'),
    ])
    return uninstalledOutcome(await uninstallPlugin(this.config, options.package))
  }
}
