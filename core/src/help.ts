import { spell } from '@freezer/sdk'
import type { Command } from '@oclif/core/command'
import { CommandHelp, Help } from '@oclif/core/help'
import type { CommandClass } from './command.ts'
import type { OptionGroup } from './flags.ts'

/** The summary stands above, and not again in the description. */
class FreezerCommandHelp extends CommandHelp {
  protected override description(): string | undefined {
    const { description } = this.command
    return description === undefined ? undefined : this.wrap(description)
  }
}

/** Help with the options of every installed provider that a command can use, each under a heading of its own. */
export default class FreezerHelp extends Help {
  protected override CommandHelpClass = FreezerCommandHelp

  override async showCommandHelp(command: Command.Loadable): Promise<void> {
    const loaded = await command.load()
    if (!('spec' in loaded)) return super.showCommandHelp(command)
    const [{ discover }, { helpFlags }, { earlyOptions, underLock }, { optionGroups }, { visible }] =
      await Promise.all([
        import('./discovery.ts'),
        import('./flags.ts'),
        import('./invocation.ts'),
        import('./option-groups.ts'),
        import('./output/text.ts'),
      ])
    const { spec } = loaded as unknown as CommandClass
    const { pluginLock } = earlyOptions(process.argv.slice(2), process.env)
    const registry = await underLock(discover(this.config), pluginLock)
    const groups = await optionGroups(spec, registry)
    command.flags = helpFlags(groups) as typeof command.flags
    await super.showCommandHelp(command)
    const secrets = secretRows(groups)
    if (secrets.length > 0) this.log(`${this.section(secretTitle, secrets)}\n`)
    for (const { package: name, message, remedy } of registry.refusals) {
      process.stderr.write(`freezer: ${visible(`${name} was refused: ${message} ${remedy}`)}\n`)
    }
  }
}

const secretTitle = 'SECRETS, IN THE FILE OF --config OR THE ENVIRONMENT'

/** Options that have no flag, because everybody on a machine can read the arguments of a program. */
function secretRows(groups: readonly OptionGroup[]): [name: string, help: string][] {
  return groups.flatMap(({ title, declarations }) =>
    Object.entries(declarations)
      .filter(([, { secret }]) => secret === true)
      .map(([name, { help }]) => {
        const key = spell(name, '_')
        return [`${key}, FREEZER_${key.toUpperCase()}`, `${title}: ${help.split('\n', 1)[0]}`]
      }),
  )
}
