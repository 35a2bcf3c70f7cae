/** From the arguments of a command to its options and those of the providers that they choose. */

import type { OptionDeclarations, Options, ProviderKind, ProviderOf } from '@freezer/sdk'
import { spell } from '@freezer/sdk'
import type { Registry } from './admission.ts'
import type { Argument } from './argument.ts'
import { glance, parseArguments } from './command-line.ts'
import type { Contradiction, Sources } from './configuration.ts'
import { refuseUnknownKeys, settings, settle, values } from './configuration.ts'
import type { OptionGroup } from './flags.ts'
import { readIni } from './ini.ts'
import { commonOptions } from './options.ts'

/** A provider that a run uses. */
export interface Choice {
  readonly kind: ProviderKind
  readonly name: string
}

/** What a command takes. */
export interface CommandSpec<S extends OptionDeclarations, D extends OptionDeclarations> {
  /** Options that decide which providers take part. */
  readonly selectors: S
  /** Its other options. */
  readonly options: D
  readonly providers: (selected: Options<S>) => readonly Choice[]
  /** Kinds of providers whose options its help shows. */
  readonly kinds: readonly ProviderKind[]
  readonly contradictions?: readonly Contradiction[]
  readonly argument?: Argument
}

export type AnySpec = CommandSpec<OptionDeclarations, OptionDeclarations>

type Common = typeof commonOptions

/** A command with everything that was said to it. */
export interface Invocation<S extends OptionDeclarations, D extends OptionDeclarations> {
  readonly options: Options<S> & Options<D> & Options<Common>
  readonly registry: Registry
  /** A provider that `spec.providers` chose, with its checked options. */
  provider<K extends ProviderKind>(
    kind: K,
    name: string,
  ): { provider: ProviderOf[K]; options: Options<OptionDeclarations> }
}

export interface Surroundings {
  readonly registry: Registry
  readonly environment: Sources['environment']
  /** What all commands of this program take; asked only to explain a mistake. */
  readonly commands: () => Promise<readonly AnySpec[]>
}

/**
 * Reads the command line, the ini file and the environment for a command and the providers that they choose.
 *
 * @throws Failure `usage`, `configuration`, `plugin`
 */
export async function readInvocation<S extends OptionDeclarations, D extends OptionDeclarations>(
  spec: CommandSpec<S, D>,
  argv: readonly string[],
  { registry, environment, commands }: Surroundings,
): Promise<Invocation<S, D>> {
  const own = { ...commonOptions, ...spec.selectors, ...spec.options }

  // Which providers take part decides which flags there are: so what chooses them is looked for first.
  const early = { commandLine: glance(argv, { ...commonOptions, ...spec.selectors }), environment }
  const { config } = values(commonOptions, settings(commonOptions, { ...early, ini: undefined }))
  const ini = config === undefined ? undefined : readIni(config)
  const selected = values(spec.selectors, settings(spec.selectors, { ...early, ini }))
  const chosen = await Promise.all(
    spec.providers(selected).map(async ({ kind, name }) => {
      const provider = await registry.get(kind, name)
      return { kind, name, provider, title: `${kind} ${name}`, declarations: provider.options }
    }),
  )
  const groups: OptionGroup[] = [{ title: '', declarations: own }, ...chosen]
  const elsewhere = async () => [
    ...(await commands()).map((other) => ({
      title: '',
      declarations: { ...other.selectors, ...other.options },
    })),
    ...(await providerGroups(registry)),
  ]

  const commandLine = await parseArguments(argv, spec.argument, groups, elsewhere)
  const sources = { commandLine, ini, environment }
  const known = Object.assign({}, ...groups.map(({ declarations }) => declarations))
  await refuseUnknownKeys(ini, known, async () =>
    Object.assign({}, ...(await elsewhere()).map(({ declarations }) => declarations)),
  )

  const given = settings(own, sources)
  settle(given, spec.contradictions ?? [])
  const missing = (name: string) =>
    name === spec.argument?.option ? spec.argument.label : `--${spell(name, '-')}`
  const options = values(own, given, missing)
  const configured = chosen.map((choice) => ({
    ...choice,
    options: values(choice.declarations, settings(choice.declarations, sources), missing),
  }))
  return {
    options: options as Options<S> & Options<D> & Options<Common>,
    registry,
    // What is found is of the kind that was asked for.
    provider: (kind, name) => configured.find((one) => one.kind === kind && one.name === name) as never,
  }
}

/** The options of every provider that can be loaded. */
export async function providerGroups(
  registry: Registry,
  kinds: readonly ProviderKind[] = ['mode', 'engine', 'codec', 'storage', 'snapshot'],
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
