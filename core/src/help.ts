import type { OptionDeclarations } from '@freezer/sdk'
import { spell } from '@freezer/sdk'
import type { Command } from '@oclif/core/command'
import { Help } from '@oclif/core/help'
import type { Registry } from './admission.ts'
import type { CommandClass } from './command.ts'
import type { OptionGroup } from './flags.ts'

/** Help with the options of every installed provider that a command can use, each under a heading of its own. */
export default class FreezerHelp extends Help {
  override async showCommandHelp(command: Command.Loadable): Promise<void> {
    const loaded = await command.load()
    if (!('spec' in loaded)) return super.showCommandHelp(command)
    const [
      { discover },
      { helpFlags },
      { earlyOptions, providerGroups, restoreGroups, secondGroups, underLock, watchOptionsOf },
      { commonOptions },
      { visible },
    ] = await Promise.all([
      import('./discovery.ts'),
      import('./flags.ts'),
      import('./invocation.ts'),
      import('./options.ts'),
      import('./output/text.ts'),
    ])
    const { spec } = loaded as unknown as CommandClass
    const { pluginLock } = earlyOptions(process.argv.slice(2), process.env)
    const registry = await underLock(discover(this.config), pluginLock)
    const watch = watchOptionsOf(spec)
    const selectors = await withNames({ ...spec.selectors, ...watch }, registry)
    const kinds = [...spec.kinds, ...('notify' in watch ? (['notifier'] as const) : [])]
    const groups = [
      { title: '', declarations: { ...spec.options, ...selectors } },
      { title: 'general', declarations: commonOptions },
      ...usualFirst(await providerGroups(registry, kinds), spec.selectors),
      ...(spec.restores === true ? await restoreGroups(registry) : []),
      ...(spec.second === undefined ? [] : await secondGroups(registry, spec.second)),
    ]
    command.flags = helpFlags(groups) as typeof command.flags
    await super.showCommandHelp(command)
    const secrets = secretRows(groups)
    if (secrets.length > 0) this.log(`${this.section(secretTitle, secrets)}\n`)
    for (const { package: name, message, remedy } of registry.refusals) {
      process.stderr.write(`freezer: ${visible(`${name} was refused: ${message} ${remedy}`)}\n`)
    }
  }
}

/** An option that several providers take stands under the one that is used unless told otherwise. */
function usualFirst(groups: readonly OptionGroup[], selectors: OptionDeclarations): readonly OptionGroup[] {
  const usual = new Set(Object.entries(selectors).map(([kind, option]) => `${kind} ${option.default}`))
  const rank = ({ title }: OptionGroup): number => (usual.has(title) ? 0 : 1)
  return groups.toSorted((a, b) => rank(a) - rank(b))
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

/** Options that choose a provider say which ones are installed. */
async function withNames(selectors: OptionDeclarations, registry: Registry): Promise<OptionDeclarations> {
  const codecs = await registry.all('codec')
  const installed: Record<string, readonly string[]> = {
    mode: registry.names('mode'),
    snapshot: registry.names('snapshot'),
    engine: registry.names('engine'),
    storage: registry.names('storage'),
    notify: registry.names('notifier'),
    compression: codecs.filter(({ kind }) => kind === 'compress').map(({ name }) => name),
    encryption: codecs.filter(({ kind }) => kind === 'encrypt').map(({ name }) => name),
  }
  const namesOf = (option: string) =>
    installed[option] ?? installed[option.replace(/^to(?=[A-Z])/, '').toLowerCase()]
  return Object.fromEntries(
    Object.entries(selectors).map(([name, declaration]) => {
      const names = namesOf(name)
      const help = names === undefined ? declaration.help : `${declaration.help}: ${names.join(', ')}`
      return [name, { ...declaration, help }]
    }),
  )
}
