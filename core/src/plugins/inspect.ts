import { dirname } from 'node:path'
import type { PluginManifest } from '@freezer/sdk'
import { apiVersion, Failure } from '@freezer/sdk'
import type { Config } from '@oclif/core/interfaces'
import type { Candidate, Refusal, Registry } from '../admission.ts'
import { digestOf } from './digest.ts'
import type { Origin } from './home.ts'
import { originOf } from './home.ts'

/** All that is known of a plugin without running it. */
export interface PluginDetails {
  readonly package: string
  readonly version: string
  readonly directory: string
  readonly origin: Origin
  /** As `plugins lock` writes it. */
  readonly digest: string
  /** Of the contracts it was made for, as it says. */
  readonly api: string | undefined
  /** Of the contracts of this program. */
  readonly hostApi: string
  readonly provides: PluginManifest['provides']
  readonly refused?: Pick<Refusal, 'message' | 'remedy'>
}

/** @throws Failure `not-found` */
export function inspectPlugin(config: Config, registry: Registry, name: string): PluginDetails {
  const candidate = registry.candidates.find((one) => one.package === name)
  if (candidate === undefined) {
    throw new Failure('not-found', `There is no plugin ${name}.`, {
      remedy: `There are ${registry.candidates.map((one) => one.package).join(', ')}.`,
    })
  }
  const directory = dirname(candidate.file)
  const refusal = registry.refusals.find(({ file }) => file === candidate.file)
  const { api, provides }: Partial<PluginManifest> = Object(candidate.manifest)
  return {
    package: name,
    version: candidate.version,
    directory,
    origin: whence(config, candidate, directory),
    digest: digestOf(directory),
    api,
    hostApi: apiVersion,
    provides: Object(provides),
    ...(refusal === undefined ? {} : { refused: { message: refusal.message, remedy: refusal.remedy } }),
  }
}

function whence(config: Config, { package: name, origin }: Candidate, root: string): Origin {
  return origin === 'bundled'
    ? { kind: 'bundled', from: config.root }
    : originOf(config.dataDir, { name, root })
}
