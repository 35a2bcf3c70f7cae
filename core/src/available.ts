/** Which packages of this project are plugins, as they were when the program was built. No code knows one by name. */
import { readFileSync } from 'node:fs'
import type { PluginManifest, ProviderKind } from '@freezer/sdk'

/** A package that can be installed. */
export interface AvailablePlugin {
  readonly package: string
  readonly description: string
  readonly provides: PluginManifest['provides']
}

/** They are written down by the build, from the `package.json` of each. */
export function availablePlugins(): readonly AvailablePlugin[] {
  const file = new URL('dist/plugins.json', import.meta.resolve('@freezer/core/package.json'))
  return JSON.parse(readFileSync(file, 'utf8'))
}

/** The package to install for a provider that is missing. */
export function suggestPackage(kind: ProviderKind, name: string): string | undefined {
  const owner = availablePlugins().find(({ provides }) => provides[kind]?.includes(name))
  return owner === undefined ? undefined : `Install it with "freezer plugins install ${owner.package}".`
}
