import type { Outcome } from '../output/reporter.ts'
import { PlainCommand, type PlainInvocation, plainSpec } from '../plain.ts'

const spec = plainSpec({})

export default class PluginsList extends PlainCommand<Record<never, never>> {
  static override summary = 'Show the plugins, and what each provides.'
  static override description =
    'Those that are part of Freezer, those that were installed or linked, and those that were refused, with the reason.'
  static override usage = 'plugins list [FLAGS]'
  static override examples = ['<%= config.bin %> plugins list', '<%= config.bin %> plugins list --json']
  static spec = spec

  async perform({ registry }: PlainInvocation<Record<never, never>>): Promise<Outcome> {
    const { pluginListOutcome } = await import('../output/plugins.ts')
    return pluginListOutcome(registry)
  }
}
