/**
 * Which plugins may take part. Each is judged alone, by its `package.json`, and loaded only when one of its
 * providers is used; what is refused says why, and all others keep working. A name that a plugin of the program itself
 * provides cannot be taken by another; of two others that provide the same name, neither has it.
 */

import type { Plugin, PluginManifest, ProviderKind, ProviderOf } from '@freezer/sdk'
import { apiVersion, Failure, providerKinds, providers } from '@freezer/sdk'
import { guarded, Hindered } from './loading.ts'
import { misshapen } from './shapes.ts'

/** A package that says it is a plugin. */
export interface Candidate {
  readonly package: string
  readonly version: string
  /** Its `package.json`. */
  readonly file: string
  /** What stands there as `freezer`. */
  readonly manifest: unknown
  /** A dependency of the program, or put there by a person: installed, or linked from where it is worked on. */
  readonly origin: 'bundled' | 'installed' | 'linked'
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

/** What to do about a provider that is not there, one sentence; undefined where nothing is known of it. */
export type Suggest = (kind: ProviderKind, name: string) => string | undefined

/** Why a plugin may not take part, in spite of all that speaks for it. */
export type Veto = (candidate: Candidate) => Pick<Refusal, 'message' | 'remedy'> | undefined

export interface Registry {
  /** Every plugin that was judged, those that were refused too. */
  readonly candidates: readonly Candidate[]
  /** Plugins refused so far: loading one may add to it. */
  readonly refusals: readonly Refusal[]
  /** Names of the providers of `kind`, sorted. */
  names(kind: ProviderKind): readonly string[]
  /** @throws Failure `plugin` when there is none, or it cannot be used */
  get<K extends ProviderKind>(kind: K, name: string): Promise<ProviderOf[K]>
  /** Every provider of `kind` that can be loaded. */
  all<K extends ProviderKind>(kind: K): Promise<readonly ProviderOf[K][]>
  /** The same without the plugins that `veto` speaks against. */
  without(veto: Veto): Registry
}

/** Judges `candidates`; `refusals` are those that could not even be looked at. */
export function admit(
  candidates: readonly Candidate[],
  load: Load,
  refusals: readonly Refusal[],
  suggest: Suggest = () => undefined,
): Registry {
  return new AdmittedPlugins(candidates, load, refusals, suggest)
}

class AdmittedPlugins implements Registry {
  readonly candidates: readonly Candidate[]
  readonly refusals: Refusal[]
  /** Who provides what: `storage local` → one candidate, or several that contradict each other. */
  readonly #owners = new Map<string, Candidate[]>()
  readonly #loaded = new Map<Candidate, Promise<Plugin>>()
  readonly #load: Load
  readonly #unread: readonly Refusal[]
  readonly #suggest: Suggest

  constructor(
    candidates: readonly Candidate[],
    load: Load,
    unread: readonly Refusal[],
    suggest: Suggest,
    veto: Veto = () => undefined,
  ) {
    this.candidates = candidates
    this.#load = load
    this.#unread = unread
    this.#suggest = suggest
    this.refusals = [...unread]
    for (const candidate of candidates) {
      const manifest = this.#judge(candidate, veto)
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
      if (first === undefined || second === undefined) continue
      const own = owners.find(({ origin }) => origin === 'bundled')
      if (own !== undefined) this.#owners.set(key, [own])
      for (const other of owners.filter((one) => one !== (own ?? first))) {
        this.#refuse(other, ...duplicate(key, own ?? first, other))
      }
    }
  }

  without(veto: Veto): Registry {
    return new AdmittedPlugins(this.candidates, this.#load, this.#unread, this.#suggest, veto)
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
      const suggestion = this.#suggest(kind, name)
      throw new Failure('plugin', `There is no ${kind} "${name}".`, {
        remedy: `${suggestion === undefined ? '' : `${suggestion} `}Installed: ${installed}.${refused.join('')}`,
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
    const author = `Report this to the author of ${candidate.package}.`
    try {
      plugin = await guarded(() => this.#load(candidate))
    } catch (error) {
      if (error instanceof Hindered) throw refuse(error.message, author, error)
      const why = error instanceof Error ? error.message : String(error)
      const remedy =
        candidate.origin === 'linked'
          ? 'Build it with "npm run build"; its "exports" must name what is built.'
          : `Install ${candidate.package} anew, or report it.`
      throw refuse(`it cannot be loaded: ${why.replace(/[^.!?]$/, '$&.')}`, remedy, error)
    }
    const missing = undelivered(plugin, candidate.manifest as PluginManifest)
    if (missing !== undefined) {
      throw refuse(`its package.json promises ${missing}, its code does not provide it.`, author)
    }
    const fault = misshapen(plugin as Plugin, candidate.manifest as PluginManifest)
    if (fault !== undefined) throw refuse(`its code breaks the contract: ${fault}.`, author)
    return plugin as Plugin
  }

  #judge(candidate: Candidate, veto: Veto): PluginManifest | undefined {
    const { manifest } = candidate
    const author = `Report this to the author of ${candidate.package}.`
    const fault = malformed(manifest)
    if (fault !== undefined) {
      this.#refuse(candidate, `its "freezer" member is malformed: ${fault}.`, author)
      return undefined
    }
    const { api } = manifest as PluginManifest
    const age = ageOf(api)
    if (age === 'fits') {
      const refused = veto(candidate)
      if (refused === undefined) return manifest as PluginManifest
      this.#refuse(candidate, refused.message, refused.remedy)
      return undefined
    }
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
