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

export default class PluginsList extends FreezerCommand<typeof none, typeof none> {
  static override summary = 'Show the plugins, and what each provides.'
  static override description =
    'Those that are part of Freezer, those that were installed or linked, and those that were refused, with the reason.'
  static override usage = 'plugins list [FLAGS]'
  static override examples = ['<%= config.bin %> plugins list', '<%= config.bin %> plugins list --json']
  static spec = spec

  async perform({ registry }: Invocation<typeof none, typeof none>): Promise<Outcome> {
    const { pluginListOutcome } = await import('../output/plugins.ts')
    return pluginListOutcome(registry)
  }
}
