/**
 * Which plugins may take part. Each is judged alone, by its `package.json`, and loaded only when one of its
 * providers is used; what is refused says why, and all others keep working.
 */

import type { Plugin, PluginManifest, ProviderKind, ProviderOf } from '@freezer/sdk'
import { apiVersion, Failure, providerKinds, providers } from '@freezer/sdk'

/** A package that says it is a plugin. */
export interface Candidate {
  readonly package: string
  readonly version: string
  /** Its `package.json`. */
  readonly file: string
  /** What stands there as `freezer`. */
  readonly manifest: unknown
}

/** A plugin that may not take part. */
export interface Refusal {
  readonly package: string
  readonly file: string
  readonly message: string
  readonly remedy: string
}

/** Loads a candidate's module and gives its default export. */
export type Load = (candidate: Candidate) => Promise<unknown>

export interface Registry {
  /** Plugins refused so far: loading one may add to it. */
  readonly refusals: readonly Refusal[]
  /** Names of the providers of `kind`, sorted. */
  names(kind: ProviderKind): readonly string[]
  /** @throws Failure `plugin` when there is none, or it cannot be used */
  get<K extends ProviderKind>(kind: K, name: string): Promise<ProviderOf[K]>
  /** Every provider of `kind` that can be loaded. */
  all<K extends ProviderKind>(kind: K): Promise<readonly ProviderOf[K][]>
}

/** Judges `candidates`; `refusals` are those that could not even be looked at. */
export function admit(candidates: readonly Candidate[], load: Load, refusals: readonly Refusal[]): Registry {
  return new AdmittedPlugins(candidates, load, refusals)
}

class AdmittedPlugins implements Registry {
  readonly refusals: Refusal[]
  /** Who provides what: `storage local` → one candidate, or several that contradict each other. */
  readonly #owners = new Map<string, Candidate[]>()
  readonly #loaded = new Map<Candidate, Promise<Plugin>>()
  readonly #load: Load

  constructor(candidates: readonly Candidate[], load: Load, refusals: readonly Refusal[]) {
    this.#load = load
    this.refusals = [...refusals]
    for (const candidate of candidates) {
      const manifest = this.#judge(candidate)
      if (manifest === undefined) continue
      for (const [kind, names] of Object.entries(manifest.provides)) {
        for (const name of names) {
          const key = `${kind} ${name}`
          this.#owners.set(key, [...(this.#owners.get(key) ?? []), candidate])
        }
      }
    }
    for (const [key, owners] of this.#owners) {
      const [first, second] = owners
      if (first !== undefined && second !== undefined) this.#refuse(second, ...duplicate(key, first, second))
    }
  }

  names(kind: ProviderKind): readonly string[] {
    const prefix = `${kind} `
    return [...this.#owners.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
      .sort()
  }

  async get<K extends ProviderKind>(kind: K, name: string): Promise<ProviderOf[K]> {
    const key = `${kind} ${name}`
    const [owner, second] = this.#owners.get(key) ?? []
    if (owner === undefined) {
      const installed = this.names(kind).join(', ') || 'none'
      const refused = this.refusals.map((refusal) => ` ${refusal.package} was refused: ${refusal.message}`)
      throw new Failure('plugin', `There is no ${kind} "${name}".`, {
        remedy: `Installed: ${installed}.${refused.join('')}`,
      })
    }
    if (second !== undefined) {
      const [message, remedy] = duplicate(key, owner, second)
      throw new Failure('plugin', message, { remedy, facts: { package: second.package, file: second.file } })
    }
    const plugin = await this.#plugin(owner)
    return providers(plugin, kind).find((provider) => provider.name === name) as ProviderOf[K]
  }

  async all<K extends ProviderKind>(kind: K): Promise<readonly ProviderOf[K][]> {
    const tries = await Promise.allSettled(this.names(kind).map((name) => this.get(kind, name)))
    return tries.filter((one) => one.status === 'fulfilled').map((one) => one.value)
  }

  #plugin(candidate: Candidate): Promise<Plugin> {
    let plugin = this.#loaded.get(candidate)
    if (plugin === undefined) {
      plugin = this.#import(candidate)
      this.#loaded.set(candidate, plugin)
    }
    return plugin
  }

  async #import(candidate: Candidate): Promise<Plugin> {
    const refuse = (message: string, remedy: string, cause?: unknown) => {
      this.#refuse(candidate, message, remedy)
      const facts = { package: candidate.package, file: candidate.file }
      return new Failure('plugin', `${candidate.package}: ${message}`, { remedy, facts, cause })
    }
    let plugin: unknown
    try {
      plugin = await this.#load(candidate)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw refuse(`it cannot be loaded: ${why}`, `Install ${candidate.package} anew, or report it.`, error)
    }
    const missing = undelivered(plugin, candidate.manifest as PluginManifest)
    if (missing !== undefined) {
      throw refuse(
        `its package.json promises ${missing}, its code does not provide it.`,
        `Report this to the author of ${candidate.package}.`,
      )
    }
    return plugin as Plugin
  }

  #judge(candidate: Candidate): PluginManifest | undefined {
    const { manifest } = candidate
    const author = `Report this to the author of ${candidate.package}.`
    const fault = malformed(manifest)
    if (fault !== undefined) {
      this.#refuse(candidate, `its "freezer" member is malformed: ${fault}.`, author)
      return undefined
    }
    const { api } = manifest as PluginManifest
    const age = ageOf(api)
    if (age === 'fits') return manifest as PluginManifest
    const message = `it was made for API ${api}, this Freezer has ${apiVersion}.`
    const older = `Install a newer ${candidate.package}.`
    const newer = `Update Freezer, or install an older ${candidate.package}.`
    this.#refuse(candidate, message, age === 'older' ? older : newer)
    return undefined
  }

  #refuse(candidate: Candidate, message: string, remedy: string): void {
    this.refusals.push({ package: candidate.package, file: candidate.file, message, remedy })
  }
}

function duplicate(key: string, first: Candidate, second: Candidate): [message: string, remedy: string] {
  return [
    `The ${key} is provided by both ${first.package} (${first.file}) and ${second.package} (${second.file}).`,
    `Uninstall one of them.`,
  ]
}

/** How an API version stands to that of this host: of the same major, every minor up to it fits. */
function ageOf(api: string): 'older' | 'fits' | 'newer' {
  const [major, minor] = api.split('.').map(Number) as [number, number]
  const [hostMajor, hostMinor] = apiVersion.split('.').map(Number) as [number, number]
  if (major < hostMajor) return 'older'
  return major === hostMajor && minor <= hostMinor ? 'fits' : 'newer'
}

/** What is wrong with the form of a manifest. */
function malformed(manifest: unknown): string | undefined {
  if (!isRecord(manifest)) return 'it is not an object'
  const { api, provides } = manifest
  if (typeof api !== 'string' || !/^\d{1,9}\.\d{1,9}$/.test(api)) return '"api" is not a version like "1.0"'
  if (!isRecord(provides)) return '"provides" is not an object'
  // Kinds that this host does not know may stand in a manifest of another API, which is refused for that.
  const known: readonly string[] = providerKinds
  const fits = ageOf(api) === 'fits'
  for (const [kind, names] of Object.entries(provides)) {
    if (!known.includes(kind) && fits) return `"provides" names the unknown kind "${kind}"`
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string' && nameForm.test(name))) {
      return `"provides.${kind}" is not a list of names`
    }
    if (new Set(names).size !== names.length) return `"provides.${kind}" names one twice`
  }
  return undefined
}

const nameForm = /^[a-z0-9][a-z0-9._-]*$/

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The first provider that `manifest` promises and `plugin` lacks. */
function undelivered(plugin: unknown, manifest: PluginManifest): string | undefined {
  if (!isRecord(plugin)) return 'a plugin as its default export'
  for (const kind of providerKinds) {
    const delivered = providers(plugin as Plugin, kind)
    for (const name of manifest.provides[kind] ?? []) {
      if (!Array.isArray(delivered) || !delivered.some((provider) => provider.name === name)) {
        return `the ${kind} "${name}"`
      }
    }
  }
  return undefined
}
