import type { Command } from '@oclif/core/command'
import { Help } from '@oclif/core/help'
import type { CommandClass } from './command.ts'

/** Help with the options of every installed provider that a command can use, each under a heading of its own. */
export default class FreezerHelp extends Help {
  override async showCommandHelp(command: Command.Loadable): Promise<void> {
    const loaded = await command.load()
    if ('spec' in loaded) {
      const [{ discover }, { helpFlags }, { providerGroups }, { commonOptions }] = await Promise.all([
        import('./discovery.ts'),
        import('./flags.ts'),
        import('./invocation.ts'),
        import('./options.ts'),
      ])
      const { spec } = loaded as unknown as CommandClass
      const registry = discover(this.config)
      command.flags = helpFlags([
        { title: '', declarations: { ...spec.options, ...spec.selectors } },
        { title: 'general', declarations: commonOptions },
        ...(await providerGroups(registry, spec.kinds)),
      ]) as typeof command.flags
    }
    await super.showCommandHelp(command)
  }
}
