import type { OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const ownOptions = {
  directory: { type: 'path', value: 'DIR', required: true, help: 'The same as DIR' },
} as const satisfies OptionDeclarations

type Given = PlainInvocation<typeof ownOptions>

const spec = plainSpec(ownOptions, [
  { label: 'DIR', option: 'directory', help: 'Directory of the package, built' },
])

export default class PluginsLink extends PlainCommand<typeof ownOptions> {
  static override summary = 'Use a plugin from the directory where you work on it.'
  static override description = 'Nothing is copied: what you build there is what runs next.'
  static override usage = 'plugins link DIR [FLAGS]'
  static override examples = ['<%= config.bin %> plugins link .']
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options }: Given): Promise<Outcome> {
    const [{ linkPlugin }, { changedOutcome }] = await Promise.all([
      import('../plugins/change.ts'),
      import('../output/plugins.ts'),
    ])
    return changedOutcome('linked', [await linkPlugin(this.config, options.directory)])
  }
}
