import type { OptionDeclarations } from '@freezer/sdk'
import { FreezerCommand } from '../command.ts'
import type { CommandSpec, Invocation } from '../invocation.ts'
import type { Outcome } from '../output/reporter.ts'

const none = {} satisfies OptionDeclarations

const spec: CommandSpec<typeof none, typeof none> = {
  selectors: none,
  options: none,
  providers: () => [],
  kinds: [],
}

export default class PluginsAvailable extends FreezerCommand<typeof none, typeof none> {
  static override summary = 'Show the plugins of this project, and which of them are not installed.'
  static override description =
    'The list is as old as this version of Freezer. Plugins of others are installed by their name.'
  static override usage = 'plugins available [FLAGS]'
  static override examples = ['<%= config.bin %> plugins available']
  static spec = spec

  async perform({ registry }: Invocation<typeof none, typeof none>): Promise<Outcome> {
    const [{ availablePlugins }, { availableOutcome }] = await Promise.all([
      import('../available.ts'),
      import('../output/plugins.ts'),
    ])
    const installed = new Set(registry.candidates.map((candidate) => candidate.package))
    return availableOutcome(availablePlugins(), installed)
  }
}
