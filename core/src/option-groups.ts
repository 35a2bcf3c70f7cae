/** Every option that a command can take, by who declares it, as help, the manual and completion show them. */
import type { OptionDeclarations } from '@freezer/sdk'
import type { Registry } from './admission.ts'
import type { OptionGroup } from './flags.ts'
import type { AnySpec } from './invocation.ts'
import { providerGroups, restoreGroups, secondGroups, watchOptionsOf } from './invocation.ts'
import { commonOptions } from './options.ts'

/** The first group is the command's own, the second that of all commands; then one for each provider it may use. */
export async function optionGroups(spec: AnySpec, registry: Registry): Promise<OptionGroup[]> {
  const watch = watchOptionsOf(spec)
  const selectors = await withNames({ ...spec.selectors, ...watch }, registry)
  const kinds = [...spec.kinds, ...('notify' in watch ? (['notifier'] as const) : [])]
  return [
    { title: '', declarations: { ...spec.options, ...selectors } },
    { title: 'general', declarations: commonOptions },
    ...usualFirst(await providerGroups(registry, kinds), spec.selectors),
    ...(spec.restores === true ? await restoreGroups(registry) : []),
    ...(spec.second === undefined ? [] : await secondGroups(registry, spec.second)),
  ]
}

/** An option that several providers take stands under the one that is used unless told otherwise. */
function usualFirst(groups: readonly OptionGroup[], selectors: OptionDeclarations): readonly OptionGroup[] {
  const usual = new Set(Object.entries(selectors).map(([kind, option]) => `${kind} ${option.default}`))
  const rank = ({ title }: OptionGroup): number => (usual.has(title) ? 0 : 1)
  return groups.toSorted((a, b) => rank(a) - rank(b))
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
      if (names === undefined) return [name, declaration]
      // The first line is what help shows.
      const [first, ...rest] = declaration.help.split('\n')
      return [name, { ...declaration, help: [`${first}: ${names.join(', ')}`, ...rest].join('\n') }]
    }),
  )
}
