/** A second provider of the same kind in one command: its options are those of the first, with a prefix. */
import type { OptionDeclarations, Options, ProviderKind } from '@freezer/sdk'
import type { AnySpec, Invocation } from './invocation.ts'
import type { ContainerOptions } from './options.ts'

/** Which providers a command may have a second time, and what the names of their options begin with. */
export interface Second {
  readonly prefix: string
  readonly kinds: readonly ProviderKind[]
}

/** `container` → `toContainer`, which is `--to-container`, `to_container` and `FREEZER_TO_CONTAINER`. */
export type Prefixed<P extends string, D extends OptionDeclarations> = {
  readonly [K in keyof D & string as `${P}${Capitalize<K>}`]: D[K]
}

export function prefixedName(prefix: string, name: string): string {
  return `${prefix}${name.charAt(0).toUpperCase()}${name.slice(1)}`
}

/** Declarations under names with a prefix. One-letter flags stay with the first provider. */
export function prefixedOptions<P extends string, D extends OptionDeclarations>(
  prefix: P,
  declarations: D,
): Prefixed<P, D> {
  const named = Object.entries(declarations).map(([name, { short: _short, ...declaration }]) => [
    prefixedName(prefix, name),
    declaration,
  ])
  return Object.fromEntries(named) as Prefixed<P, D>
}

/** Values of prefixed options under the names that the provider knows. */
export function withoutPrefix(
  prefix: string,
  declarations: OptionDeclarations,
  values: Readonly<Record<string, unknown>>,
): Options<OptionDeclarations> {
  const named = Object.keys(declarations).map((name) => [name, values[prefixedName(prefix, name)]])
  return Object.freeze(Object.fromEntries(named)) as Options<OptionDeclarations>
}

/** What was said to a command of the second container, as if that were its only one. */
export function secondOf(
  invocation: Invocation<ContainerOptions, OptionDeclarations>,
  prefix: string,
  containerOptions: OptionDeclarations,
): Invocation<ContainerOptions, OptionDeclarations> {
  const { options, registry, provider, providersOf, storages } = invocation
  return {
    options: { ...options, ...withoutPrefix(prefix, containerOptions, options) } as typeof options,
    registry,
    restoreOptions: invocation.restoreOptions,
    provider: (kind, name) => provider(kind, name, prefix),
    providersOf,
    storages: () => storages(prefix),
  }
}

/** The second providers of every command. */
export function secondsOf(specs: readonly AnySpec[]): readonly Second[] {
  return specs.flatMap(({ second }) => (second === undefined ? [] : [second]))
}
