/** Plugins come, go and are replaced. What cannot be used is refused before it is in its place. */
import { realpath } from 'node:fs/promises'
import type { FailureRecord, PluginManifest } from '@freezer/sdk'
import { Failure, providerKinds, toRecord } from '@freezer/sdk'
import type { Config } from '@oclif/core/interfaces'
import type { Candidate } from '../admission.ts'
import { admit } from '../admission.ts'
import { candidatesOf, load } from '../discovery.ts'
import { candidateIn } from './candidate.ts'
import { delist, enlist, isInstalled, listedPlugins, mendSdk, originOf, settle, stage } from './home.ts'

export interface ChangedPlugin {
  readonly package: string
  readonly version: string
  readonly provides: PluginManifest['provides']
  /** Where it lies now. */
  readonly directory: string
}

export interface UpdatedPlugin {
  readonly package: string
  readonly from: string
  /** The same as `from` where there is nothing newer. */
  readonly to?: string
  /** Why it stays as it is. */
  readonly failure?: FailureRecord
}

/**
 * Installs what `spec` means to npm.
 *
 * @throws Failure `plugin` for a package that this program cannot use, and what `stage` throws
 */
export async function installPlugin(
  config: Config,
  spec: string,
  scripts: boolean,
  signal: AbortSignal,
): Promise<ChangedPlugin> {
  await using staged = await stage(config.dataDir, spec, scripts, signal)
  const candidate = await candidateAt(staged.root, 'installed')
  await prove(config, candidate)
  const settled = await settle(config.dataDir, staged)
  await enlist(config.dataDir, settled)
  return changed(candidate, settled.root)
}

/** @throws Failure `not-found`, `plugin` */
export async function linkPlugin(config: Config, directory: string): Promise<ChangedPlugin> {
  const root = await realpath(directory).catch(() => directory)
  const candidate = await candidateAt(root, 'linked')
  await prove(config, candidate)
  await enlist(config.dataDir, { name: candidate.package, root })
  return changed(candidate, root)
}

/** @returns its name. @throws Failure `not-found`, `refused` */
export async function uninstallPlugin(config: Config, name: string): Promise<string> {
  const listed = await listedPlugins(config.dataDir)
  if (listed.some((plugin) => plugin.name === name)) {
    await delist(config.dataDir, name)
    return name
  }
  if (config.plugins.has(name)) {
    throw new Failure('refused', `${name} is part of ${config.bin}.`, {
      remedy: 'Only what was installed or linked can be taken away.',
    })
  }
  throw unknown(config, name)
}

/**
 * Installs the newest version of what came from the registry; of `names` alone, where there are some.
 *
 * @throws Failure `not-found` for a name that is not installed
 */
export async function updatePlugins(
  config: Config,
  names: readonly string[],
  scripts: boolean,
  signal: AbortSignal,
): Promise<readonly UpdatedPlugin[]> {
  const listed = await listedPlugins(config.dataDir)
  for (const name of names) if (!listed.some((plugin) => plugin.name === name)) throw unknown(config, name)
  const updated: UpdatedPlugin[] = []
  for (const plugin of listed) {
    if (!isInstalled(config.dataDir, plugin.root)) {
      if (!names.includes(plugin.name)) continue
      throw new Failure('usage', `${plugin.name} is used from ${plugin.root}, where it was linked.`, {
        remedy: 'Build its newer version there; there is nothing else to do.',
      })
    }
    if (names.length > 0 && !names.includes(plugin.name)) continue
    await mendSdk(plugin)
    const from = config.plugins.get(plugin.name)?.version ?? 'unknown'
    const one = { package: plugin.name, from }
    if (originOf(config.dataDir, plugin).kind !== 'registry') {
      if (names.length === 0) continue
      throw new Failure('usage', `${plugin.name} did not come from a registry.`, {
        remedy: 'Install its newer version from where you have it.',
      })
    }
    try {
      const { version } = await installPlugin(config, `${plugin.name}@latest`, scripts, signal)
      updated.push({ ...one, to: version })
    } catch (error) {
      updated.push({ ...one, failure: toRecord(error) })
    }
  }
  return updated
}

async function candidateAt(root: string, origin: Candidate['origin']): Promise<Candidate> {
  const candidate = await candidateIn(root, origin)
  if (candidate !== undefined) return candidate
  throw new Failure('not-found', `There is no package in ${root}: it has no package.json.`, {
    remedy: 'Name the directory in which the package.json of the plugin is.',
  })
}

/** Judges and loads a plugin as it will be, beside those that are there. @throws Failure `plugin` */
async function prove(config: Config, candidate: Candidate): Promise<void> {
  const others = candidatesOf(config).filter((one) => one.package !== candidate.package)
  const registry = admit([...others, candidate], load, [])
  const refusal = registry.refusals.find((one) => one.file === candidate.file)
  if (refusal !== undefined) {
    const facts = { package: candidate.package, file: candidate.file }
    throw new Failure('plugin', `${candidate.package} cannot be used: ${refusal.message}`, {
      remedy: refusal.remedy,
      facts,
    })
  }
  const { provides } = candidate.manifest as PluginManifest
  for (const kind of providerKinds) for (const name of provides[kind] ?? []) await registry.get(kind, name)
}

function changed({ package: name, version, manifest }: Candidate, directory: string): ChangedPlugin {
  const { provides } = manifest as PluginManifest
  return { package: name, version, provides, directory }
}

function unknown({ bin }: Config, name: string): Failure {
  return new Failure('not-found', `There is no plugin ${name} that was installed or linked.`, {
    remedy: `See "${bin} plugins list".`,
  })
}
