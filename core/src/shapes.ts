/** Whether what a plugin's code provides has the form that the contracts give it, before anybody trips over it. */
import type { Plugin, PluginManifest, ProviderKind } from '@freezer/sdk'
import { providerKinds, providers } from '@freezer/sdk'

/** Members that are functions, of kinds whose providers do something by themselves. */
const functions: Partial<Record<ProviderKind, readonly string[]>> = {
  mode: ['open', 'target'],
  snapshot: ['covers', 'create'],
  engine: ['backup', 'restore', 'list'],
  codec: ['open', 'expansion'],
  storage: ['open'],
  notifier: ['notify'],
  reader: ['recognises', 'open'],
}

/** Kinds that threads load anew, by a module. */
const threaded: readonly ProviderKind[] = ['engine', 'codec']

const types: readonly unknown[] = [
  'string',
  'path',
  'boolean',
  'integer',
  'number',
  'bytes',
  'duration',
  'list',
]

/** The first fault of a provider that `manifest` promises and `plugin` has. */
export function misshapen(plugin: Plugin, manifest: PluginManifest): string | undefined {
  for (const kind of providerKinds) {
    for (const name of manifest.provides[kind] ?? []) {
      const provider: object | undefined = providers(plugin, kind).find((one) => one.name === name)
      const fault = provider === undefined ? undefined : faultOf(kind, provider)
      if (fault !== undefined) return `the ${kind} "${name}" ${fault}`
    }
  }
  return undefined
}

function faultOf(kind: ProviderKind, provider: object): string | undefined {
  // A provider may be an instance of a class, so inherited members count.
  const member = (name: string): unknown => Reflect.get(provider, name)
  if (typeof member('description') !== 'string') return 'has no description'
  for (const name of functions[kind] ?? []) {
    if (typeof member(name) !== 'function') return `has no function ${name}`
  }
  const module = member('module')
  if (threaded.includes(kind) && (typeof module !== 'string' || !URL.canParse(module))) {
    return 'has no module, which is import.meta.url of the file that declares it'
  }
  const options = member('options')
  if (typeof options !== 'object' || options === null) return 'has no options: at least {} is wanted'
  for (const [option, declaration] of Object.entries(options)) {
    const fault = optionFault(option, declaration)
    if (fault !== undefined) return fault
  }
  return undefined
}

function optionFault(name: string, declaration: unknown): string | undefined {
  if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) return `declares the option "${name}", which is not written likeThis`
  const { type, help }: { type?: unknown; help?: unknown } = Object(declaration)
  if (!types.includes(type)) return `declares the option ${name} without a type that there is`
  return typeof help === 'string' ? undefined : `declares the option ${name} without help`
}
