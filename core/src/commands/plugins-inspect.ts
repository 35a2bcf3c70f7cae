import type { OptionDeclarations } from '@freezer/sdk'
import { argumentInput } from '../argument.ts'
import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const ownOptions = {
  package: { type: 'string', value: 'PACKAGE', required: true, help: 'The same as PACKAGE' },
} as const satisfies OptionDeclarations

type Given = PlainInvocation<typeof ownOptions>

const spec = plainSpec(ownOptions, [{ label: 'PACKAGE', option: 'package', help: 'Name of a plugin' }])

export default class PluginsInspect extends PlainCommand<typeof ownOptions> {
  static override summary = 'Show where a plugin came from, what it is and what it provides.'
  static override description =
    'The digest is over its files and those of the packages that it needs, as "plugins lock" writes it. The integrity is that ' +
    'of the tarball which npm fetched.'
  static override usage = 'plugins inspect PACKAGE [FLAGS]'
  static override examples = ['<%= config.bin %> plugins inspect @example/freezer-storage-shelf']
  static override args = argumentInput(spec.positional)
  static spec = spec

  async perform({ options, registry }: Given): Promise<Outcome> {
    const [{ inspectPlugin }, { inspectOutcome }] = await Promise.all([
      import('../plugins/inspect.ts'),
      import('../output/plugins.ts'),
    ])
    return inspectOutcome(await inspectPlugin(this.config, registry, options.package))
  }
}
