/** From the arguments of a command to its options and those of the providers that they choose. */

import type { OptionDeclarations, Options, ProviderKind, ProviderOf, Source } from '@freezer/sdk'
import { providerKinds, spell } from '@freezer/sdk'
import type { Registry } from './admission.ts'
import type { Argument } from './argument.ts'
import { glance, parseArguments } from './command-line.ts'
import type { Contradiction, Sources } from './configuration.ts'
import { refuseUnknownKeys, settings, settle, values } from './configuration.ts'
import type { OptionGroup } from './flags.ts'
import type { Ini } from './ini.ts'
import { readIni } from './ini.ts'
import type { HookOptions, WatchOptions } from './options.ts'
import { commonOptions, containerContradictions, hookOptions, watchOptions } from './options.ts'
import type { Outcome } from './output/reporter.ts'
import { prefixedOptions, type Second, secondsOf, withoutPrefix } from './second.ts'
import type { ConfiguredStorage } from './storages.ts'
import {
  configureStorage,
  nameStorage,
  namingSections,
  refuseSamePlace,
  refuseUnknownSectionKeys,
} from './storages.ts'

/** A provider that a run uses, or several of a kind. */
export interface Choice {
  readonly kind: ProviderKind
  /** Without it, every one of its kind that can be loaded is meant. */
  readonly name?: string | readonly string[]
  /** What its options begin with, where it is the second of its kind. */
  readonly prefix?: string
}

/** What a command takes. */
export interface CommandSpec<S extends OptionDeclarations, D extends OptionDeclarations> {
  /** Options that decide which providers take part. */
  readonly selectors: S
  /** Its other options. */
  readonly options: D
  readonly providers: (selected: Options<S>) => readonly Choice[]
  /** Defaults of selectors that follow the kind of source that the chosen mode gives. */
  readonly defaultsBySource?: Readonly<Partial<Record<keyof S, Readonly<Record<Source['kind'], string>>>>>
  /** Whether it takes the options of a restore, of every mode: which one it is, the backup knows. */
  readonly restores?: boolean
  /** Kinds of providers whose options its help shows. */
  readonly kinds: readonly ProviderKind[]
  readonly second?: Second
  readonly contradictions?: readonly Contradiction[]
  /** In their order; those that may be left out come last. */
  readonly positional?: readonly Argument[]
  /** Whose backups a run is about, for its metrics and notifiers; a command without this has neither. */
  watched?(options: Options<S> & Options<D>): Subject
  /** Whether commands of the person are run around it: for what works long, or changes a container or a tree. */
  readonly hooked?: boolean
}

/** Whose backups a run is about; of every machine, or every name, where nothing is said. */
export interface Subject {
  readonly host?: string | undefined
  readonly name?: string | undefined
}

export type AnySpec = CommandSpec<OptionDeclarations, OptionDeclarations>

type Common = typeof commonOptions

/** The options of what goes on around a run of `spec`: who is told how it ended, and what is run before and after it. */
export function watchOptionsOf({
  watched,
  hooked = false,
}: {
  readonly watched?: unknown
  readonly hooked?: boolean
}): OptionDeclarations {
  return { ...(watched === undefined ? {} : watchOptions), ...(hooked ? hookOptions : {}) }
}

/** A command with everything that was said to it. */
export interface Invocation<S extends OptionDeclarations, D extends OptionDeclarations> {
  readonly options: Options<S> & Options<D> & Options<Common> & WatchOptions & Partial<HookOptions>
  readonly registry: Registry
  /** A provider that `spec.providers` chose. */
  provider<K extends ProviderKind>(kind: K, name: string, prefix?: string): Configured<K>
  /** All of a kind that `spec.providers` chose. */
  providersOf<K extends ProviderKind>(kind: K): readonly Configured<K>[]
  /** The storages that were named, in that order; with a prefix, those of the second container of the command. */
  storages(prefix?: string): readonly ConfiguredStorage[]
  /** What was said of a restore to this mode; undefined when nothing was. */
  restoreOptions(mode: string): Options<OptionDeclarations> | undefined
}

/** A provider with its checked options. */
export interface Configured<K extends ProviderKind> {
  readonly provider: ProviderOf[K]
  readonly options: Options<OptionDeclarations>
}

/** What was said to another program in its own way, in the words of this one. */
export interface Translated {
  /** By the names of options; what means nothing to the run is left alone, as in an ini file. */
  readonly commandLine: Readonly<Record<string, unknown>>
  /** In place of the file of `--config`. */
  readonly ini: Ini
  readonly warnings: readonly string[]
  /** Called with what a command came to, for what that program does beside. */
  finish(outcome: Outcome): Outcome
}

export interface Surroundings {
  readonly registry: Registry
  readonly environment: Sources['environment']
  /** What all commands of this program take; asked only to explain a mistake. */
  readonly commands: () => Promise<readonly AnySpec[]>
  readonly translated?: Pick<Translated, 'commandLine' | 'ini'> | undefined
}

/**
 * Reads the command line, the ini file and the environment for a command and the providers that they choose.
 *
 * @throws Failure `usage`, `configuration`, `plugin`
 */
export async function readInvocation<S extends OptionDeclarations, D extends OptionDeclarations>(
  spec: CommandSpec<S, D>,
  argv: readonly string[],
  { registry: every, environment, commands, translated }: Surroundings,
): Promise<Invocation<S, D>> {
  const watch = watchOptionsOf(spec)
  // Which providers take part decides which flags there are: so what chooses them is looked for first.
  const glanced = glance(argv, { ...spec.selectors, ...watch })
  const early = { commandLine: { ...translated?.commandLine, ...glanced }, environment }
  const { ini: file, pluginLock } = earlyOptions(argv, environment, translated)
  const ini = file && namingSections(file)
  const registry = await underLock(every, pluginLock)
  const usual = values(spec.selectors, settings(spec.selectors, { ...early, ini }))
  const selectors = await selectorsFor(spec, usual, registry)
  const own = { ...commonOptions, ...selectors, ...watch, ...spec.options }
  const selected = values(selectors, settings(selectors, { ...early, ini }))
  const { notify = [] }: WatchOptions = values(watch, settings(watch, { ...early, ini }))
  const notifiers = [...new Set(notify)].map((name): Choice => ({ kind: 'notifier', name }))
  const choices = (
    await Promise.all([...spec.providers(selected), ...notifiers].map((one) => namesOf(one, registry)))
  ).flat()
  const chosen = await Promise.all(
    choices.map(async ({ kind, name, prefix }) => {
      const storage = kind === 'storage' ? await nameStorage(name, file, registry) : undefined
      const provider = storage?.driver ?? (await registry.get(kind, name))
      const declarations: OptionDeclarations =
        prefix === undefined ? provider.options : prefixedOptions(prefix, provider.options)
      return { kind, name, prefix, provider, storage, title: `${kind} ${provider.name}`, declarations }
    }),
  )
  const restoring = spec.restores === true ? await restoreGroups(registry) : []
  const groups: OptionGroup[] = [{ title: '', declarations: own }, ...chosen, ...restoring]
  const elsewhere = async () => {
    const specs = await commands()
    const seconds = secondsOf(specs).map((second) => secondGroups(registry, second))
    return [
      ...specs.map((other) => ({
        title: '',
        declarations: { ...other.selectors, ...watchOptionsOf(other), ...other.options },
      })),
      ...(await providerGroups(registry)),
      ...(await restoreGroups(registry)),
      ...(await Promise.all(seconds)).flat(),
    ]
  }

  const parsed = await parseArguments(argv, spec.positional, groups, elsewhere)
  const commandLine = { ...translated?.commandLine, ...parsed }
  const sources = { commandLine, ini, environment }
  const known = Object.assign({}, ...groups.map(({ declarations }) => declarations))
  await refuseUnknownKeys(ini, known, async () =>
    Object.assign({}, ...(await elsewhere()).map(({ declarations }) => declarations)),
  )
  await refuseUnknownSectionKeys(
    file,
    chosen.flatMap(({ storage }) => storage ?? []),
    registry,
  )

  const given = settings(own, sources)
  settle(given, [...containerContradictions, ...(spec.contradictions ?? [])])
  const missing = (name: string) =>
    spec.positional?.find(({ option }) => option === name)?.label ?? `--${spell(name, '-')}`
  const options = values(own, given, missing)
  const wanted = (declarations: OptionDeclarations) => (name: string) =>
    declarations[name]?.secret === true ? secretPlaces(name) : missing(name)
  const storages = chosen.flatMap(({ storage, prefix, declarations }) => {
    if (storage === undefined) return []
    const several = chosen.filter((one) => one.kind === 'storage' && one.prefix === prefix).length > 1
    return {
      prefix,
      ...configureStorage(storage, { sources, prefix, several, missing: wanted(declarations) }),
    }
  })
  for (const alike of Map.groupBy(storages, ({ prefix }) => prefix).values()) await refuseSamePlace(alike)
  const configured = chosen
    .filter(({ kind }) => kind !== 'storage')
    .map((choice) => {
      const { declarations, prefix, provider } = choice
      const checked = values(declarations, settings(declarations, sources), wanted(declarations))
      return {
        ...choice,
        options: prefix === undefined ? checked : withoutPrefix(prefix, provider.options, checked),
      }
    })
  return {
    options: options as Invocation<S, D>['options'],
    registry,
    restoreOptions: (mode) => {
      const declarations = restoring.find((one) => one.mode === mode)?.declarations ?? {}
      const said = settings(declarations, sources)
      return said.size === 0 ? undefined : values(declarations, said)
    },
    // What is found is of the kind that was asked for.
    provider: (kind, name, prefix) =>
      configured.find((one) => one.kind === kind && one.name === name && one.prefix === prefix) as never,
    providersOf: (kind) => configured.filter((one) => one.kind === kind) as never,
    storages: (prefix) => storages.filter((one) => one.prefix === prefix),
  }
}

/** Each of the providers that a choice names, once. */
async function namesOf(
  { kind, name, prefix }: Choice,
  registry: Registry,
): Promise<(Choice & { readonly name: string })[]> {
  const loaded = name === undefined ? (await registry.all(kind)).map((provider) => provider.name) : name
  const names = typeof loaded === 'string' ? [loaded] : [...new Set(loaded)]
  return names.map((one) => ({ kind, name: one, ...(prefix === undefined ? {} : { prefix }) }))
}

/** What must be known before the plugins are. @throws Failure `usage`, `configuration` */
export function earlyOptions(
  argv: readonly string[],
  environment: Sources['environment'],
  translated?: Pick<Translated, 'commandLine' | 'ini'>,
): { readonly ini: Ini | undefined; readonly pluginLock: string | undefined } {
  const commandLine = { ...translated?.commandLine, ...glance(argv, commonOptions) }
  const early = { commandLine, environment }
  const { config } = values(commonOptions, settings(commonOptions, { ...early, ini: undefined }))
  const ini = translated?.ini ?? (config === undefined ? undefined : readIni(config))
  const { pluginLock } = values(commonOptions, settings(commonOptions, { ...early, ini }))
  return { ini, pluginLock }
}

/** What of `registry` a lock allows. Its code is loaded only where there is one. */
export async function underLock(registry: Registry, file: string | undefined): Promise<Registry> {
  if (file === undefined) return registry
  const { locked } = await import('./plugins/lock.ts')
  return locked(registry, file)
}

/** Where a secret option can be written, for who did not. */
function secretPlaces(name: string): string {
  const key = spell(name, '_')
  return `${key} (in the file of --config, or FREEZER_${key.toUpperCase()})`
}

/** Selectors with the defaults that fit what the chosen mode gives. */
async function selectorsFor<S extends OptionDeclarations, D extends OptionDeclarations>(
  { selectors, defaultsBySource, providers }: CommandSpec<S, D>,
  usual: Options<S>,
  registry: Registry,
): Promise<S> {
  const mode = providers(usual).find((choice) => choice.kind === 'mode')?.name
  if (typeof mode !== 'string') return selectors
  const { sources: [kind = 'tree'] = [] } = await registry.get('mode', mode)
  const fitting = Object.entries<Readonly<Record<Source['kind'], string>> | undefined>(
    defaultsBySource ?? {},
  ).map(([name, defaults]) => [name, { ...selectors[name], default: defaults?.[kind] }])
  return { ...selectors, ...Object.fromEntries(fitting) }
}

/** What a restore can be told for each mode. */
export async function restoreGroups(
  registry: Registry,
): Promise<(OptionGroup & { readonly mode: string })[]> {
  return (await registry.all('mode')).flatMap(({ name, restoreOptions }) =>
    restoreOptions === undefined ? [] : [{ mode: name, title: `mode ${name}`, declarations: restoreOptions }],
  )
}

/** The options of every provider that can be loaded. */
export async function providerGroups(
  registry: Registry,
  kinds: readonly ProviderKind[] = providerKinds,
): Promise<OptionGroup[]> {
  const groups = await Promise.all(
    kinds.map(async (kind) =>
      (await registry.all(kind)).map(({ name, options }) => ({
        title: `${kind} ${name}`,
        declarations: options,
      })),
    ),
  )
  return groups.flat()
}

/** The same of a second provider of a kind, as its options are called then. */
export async function secondGroups(registry: Registry, { prefix, kinds }: Second): Promise<OptionGroup[]> {
  return (await providerGroups(registry, kinds)).map(({ title, declarations }) => ({
    title: `${prefix} ${title}`,
    declarations: prefixedOptions(prefix, declarations),
  }))
}
