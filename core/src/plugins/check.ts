/** The contracts as checks, put to the providers of a package where it runs. */
import { resolve } from 'node:path'
import type {
  Context,
  Mode,
  OptionDeclaration,
  OptionDeclarations,
  Options,
  PluginManifest,
  ProviderKind,
  ProviderOf,
  Storage,
  StorageDriver,
} from '@freezer/sdk'
import { Failure, isFailure, providerKinds, sourcesOf, spell, throwIfAborted } from '@freezer/sdk'
import type { Check } from '@freezer/sdk/testing'
import {
  codecContract,
  engineContract,
  modeContract,
  storageContract,
  streamEngineContract,
} from '@freezer/sdk/testing'
import type { Candidate, Registry } from '../admission.ts'
import { admit } from '../admission.ts'
import type { Sources } from '../configuration.ts'
import { settings, values } from '../configuration.ts'
import { load } from '../discovery.ts'
import { candidateIn } from './candidate.ts'

type Values = Options<OptionDeclarations>
type Kit<K extends ProviderKind> = (
  provider: ProviderOf[K],
  options: Values,
  context: Context,
) => Iterable<Check> | AsyncIterable<Check>

/**
 * The checks of each kind that can be put through some by itself. Those of a snapshot provider or a notifier need eyes of
 * their own on what it does, which its author's tests have.
 */
const kits: { readonly [K in ProviderKind]?: Kit<K> } = {
  storage: storageChecks,
  codec: (codec, options) => codecContract({ codec, options }),
  engine: (engine, options) => {
    const bySource = { tree: engineContract, stream: streamEngineContract }
    return sourcesOf(engine).flatMap((kind) => bySource[kind]({ engine, options }))
  },
  mode: modeChecks,
}

/** What became of one check of one provider. */
export interface Checked {
  readonly kind: ProviderKind
  readonly name: string
  readonly check: string
  /** What is wrong; undefined for a check that passed. */
  readonly fault?: string | undefined
}

/** Lines NAME=VALUE, and where else options are taken from. */
export interface CheckSources extends Pick<Sources, 'ini' | 'environment'> {
  readonly set: readonly string[]
}

/**
 * Runs the checks of everything that a plugin provides, or of those `names`, one after the other.
 *
 * @param wanted the name of a plugin of `registry`, or the directory of any
 * @throws Failure `not-found`, `plugin`, `usage`, `configuration`, `refused`, `interrupted`
 */
export async function* checkPlugin(
  registry: Registry,
  wanted: { readonly package: string; readonly names: readonly string[] },
  sources: CheckSources,
  context: Context,
): AsyncGenerator<Checked> {
  const [known, candidate] = await find(registry, wanted.package)
  const { provides } = manifestOf(known, candidate)
  const chosen = []
  for (const kind of providerKinds) {
    for (const name of provides[kind] ?? []) {
      if (wanted.names.length > 0 && !wanted.names.includes(name)) continue
      chosen.push({ kind, name, provider: await known.get(kind, name) })
    }
  }
  refuseStrays(
    sources.set,
    chosen.map(({ provider }) => provider.options),
  )
  if (chosen.length === 0) {
    throw new Failure('usage', `${candidate.package} provides nothing of that name.`, {
      remedy: `It provides ${Object.values(provides).flat().join(', ')}.`,
    })
  }
  // All options are looked at before anything is touched.
  const ready = chosen.map((one) => ({ ...one, options: optionsFor(one.provider.options, sources) }))
  for (const { kind, name, provider, options } of ready) {
    yield { kind, name, check: 'is admitted, loads and has the form of its contract' }
    for await (const { name: check, run } of checksFor(kind, provider, options, context) ?? []) {
      throwIfAborted(context.signal)
      const fault = await run().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      yield { kind, name, check, fault }
    }
  }
}

/** The plugin of that name, or in that directory, with the registry that loads it. */
async function find(registry: Registry, wanted: string): Promise<[Registry, Candidate]> {
  const installed = registry.candidates.find((candidate) => candidate.package === wanted)
  if (installed !== undefined) return [registry, installed]
  const candidate = await candidateIn(resolve(wanted), 'linked')
  if (candidate !== undefined) return [admit([candidate], load, []), candidate]
  throw new Failure(
    'not-found',
    `${wanted} is neither a plugin that is there nor the directory of a package.`,
    {
      remedy: 'See "freezer plugins list".',
    },
  )
}

/** @throws Failure `plugin` for a plugin that was refused */
function manifestOf({ refusals }: Registry, { package: name, file, manifest }: Candidate): PluginManifest {
  const refusal = refusals.find((one) => one.file === file)
  if (refusal === undefined) return manifest as PluginManifest
  throw new Failure('plugin', `${name} was refused: ${refusal.message}`, {
    remedy: refusal.remedy,
    facts: { package: name, file },
  })
}

/** The checks for a provider; undefined for a kind that has none. */
function checksFor<K extends ProviderKind>(
  kind: K,
  provider: ProviderOf[K],
  options: Values,
  context: Context,
): Iterable<Check> | AsyncIterable<Check> | undefined {
  return kits[kind]?.(provider, options, context)
}

/**
 * The options of a provider, from lines NAME=VALUE, the ini file and the environment.
 *
 * @throws Failure `usage`, `configuration`
 */
function optionsFor(declarations: OptionDeclarations, { set, ini, environment }: CheckSources): Values {
  const commandLine: Record<string, unknown> = {}
  for (const line of set) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(line) ?? []
    const name = Object.keys(declarations).find((one) => spell(one, '_') === key.replaceAll('-', '_'))
    if (name === undefined) continue
    commandLine[name] = append(declarations[name], commandLine[name], value)
  }
  const given = settings(declarations, { commandLine, ini, environment })
  return values(declarations, given, (name) => `--set ${spell(name, '-')}=VALUE`)
}

/** @throws Failure `usage` for a line that no option is meant by, or that gives a secret away */
function refuseStrays(lines: readonly string[], all: readonly OptionDeclarations[]): void {
  const known = new Map(
    all.flatMap((one) => Object.entries(one).map(([name, its]) => [spell(name, '_'), its])),
  )
  for (const line of lines) {
    const [, key] = /^([^=]+)=/.exec(line) ?? []
    const declaration = key === undefined ? undefined : known.get(key.replaceAll('-', '_'))
    if (declaration === undefined) {
      throw new Failure('usage', `--set ${key ?? line}: there is no such option.`, {
        remedy: `It is written NAME=VALUE; there are ${[...known.keys()].join(', ') || 'none here'}.`,
      })
    }
    if (declaration.secret !== true) continue
    throw new Failure('usage', `${key} is a secret, and others can read a command line.`, {
      remedy: `Write it into the file of --config, or set FREEZER_${key?.replaceAll('-', '_').toUpperCase()}.`,
    })
  }
}

function append(declaration: OptionDeclaration | undefined, before: unknown, value: string): unknown {
  return declaration?.type === 'list' ? [...(Array.isArray(before) ? before : []), value] : value
}

/** @throws Failure that the mode has for options with which there is nothing to back up: they are no fault of it */
async function* modeChecks(mode: Mode, options: Values, context: Context): AsyncGenerator<Check> {
  try {
    const session = await mode.open(options, context)
    await session[Symbol.asyncDispose]()
  } catch (error) {
    // All else is for the checks to tell.
    if (isFailure(error)) throw error
  }
  // What a backup of a mode is restored into only its author knows.
  yield* modeContract({ mode, options, restoresTo: 'nothing' })
}

/** What is in the storage is taken away before each check, and after the last; so it must have been empty before the first. */
async function* storageChecks(
  driver: StorageDriver,
  options: Values,
  context: Context,
): AsyncGenerator<Check> {
  const { signal } = context
  const open = (): Promise<Storage> => driver.open(options, context, { create: true })
  const first = await open()
  try {
    for await (const { key } of first.list('', signal)) {
      throw new Failure('refused', `The storage is not empty: ${key} is in it.`, {
        remedy: 'Name a container that is empty or not there yet: the checks remove all that is in it.',
      })
    }
  } finally {
    await first.close?.()
  }
  const openEmpty = async () => {
    const storage = await open()
    try {
      const keys = await Array.fromAsync(storage.list('', signal), ({ key }) => key)
      for (const key of keys) await storage.remove(key, signal)
      return storage
    } catch (error) {
      await storage.close?.()
      throw error
    }
  }
  yield* storageContract(openEmpty)
  // A storage that cannot be emptied failed its checks.
  const last = await openEmpty().catch(() => undefined)
  await last?.close?.()
}
