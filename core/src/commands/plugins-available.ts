import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const spec = plainSpec({})

export default class PluginsAvailable extends PlainCommand<Record<never, never>> {
  static override summary = 'Show the plugins of this project, and which of them are not installed.'
  static override description =
    'The list is as old as this version of Freezer. Plugins of others are installed by their name.'
  static override usage = 'plugins available [FLAGS]'
  static override examples = ['<%= config.bin %> plugins available']
  static spec = spec

  async perform({ registry }: PlainInvocation<Record<never, never>>): Promise<Outcome> {
    const [{ availablePlugins }, { availableOutcome }] = await Promise.all([
      import('../available.ts'),
      import('../output/plugins.ts'),
    ])
    const installed = new Set(registry.candidates.map((candidate) => candidate.package))
    return availableOutcome(availablePlugins(), installed)
  }
}
