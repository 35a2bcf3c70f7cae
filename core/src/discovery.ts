/**
 * Finds the plugins: those that oclif knows (bundled with core, installed or linked by the person) and whose
 * `package.json` has a `freezer` member. No code of a plugin runs here.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Failure } from '@freezer/sdk'
import type { Config } from '@oclif/core/interfaces'
import type { Candidate, Refusal, Registry } from './admission.ts'
import { admit } from './admission.ts'
import { suggestPackage } from './available.ts'

/** The plugins that `config` knows, judged. */
export function discover(config: Config): Registry {
  return admit(candidatesOf(config), load, missing(config), suggestPackage)
}

/** The packages that `config` knows and that say they are plugins. */
export function candidatesOf(config: Config): Candidate[] {
  const candidates: Candidate[] = []
  for (const plugin of config.plugins.values()) {
    const manifest: unknown = (plugin.pjson as { freezer?: unknown }).freezer
    if (manifest === undefined) continue
    const file = join(plugin.root, 'package.json')
    const installed = plugin.root.startsWith(join(config.dataDir, installedFolder))
    const origin = plugin.type === 'core' ? 'bundled' : installed ? 'installed' : 'linked'
    candidates.push({ package: plugin.name, version: plugin.version, file, manifest, origin })
  }
  return candidates
}

/** Below the directory of the person's plugins: one folder for each that was installed, with all that it needs. */
export const installedFolder = 'installed'

interface PluginList {
  /** Where the list stands. */
  readonly file: string
  readonly plugins: readonly (string | { readonly name: string })[]
}

/** Plugins that are listed, and that oclif could not find or read. */
function missing(config: Config): Refusal[] {
  const lists = [bundled(config), personal(join(config.dataDir, 'package.json'))]
  return lists.flatMap(({ file, plugins }) =>
    plugins
      .map((plugin) => (typeof plugin === 'string' ? plugin : plugin.name))
      .filter((name) => !config.plugins.has(name))
      .map((name) => ({
        package: name,
        file,
        message: 'it is listed there, and its package.json is missing or cannot be read.',
        remedy: `Install ${name} anew, or take it away with "${config.bin} plugins uninstall ${name}".`,
      })),
  )
}

/** The dependencies of this program that it says are plugins. */
function bundled({ root, pjson }: Config): PluginList {
  const patterns = (pjson.oclif.plugins ?? []).map(
    (pattern) => new RegExp(`^${pattern.replaceAll('*', '[^/]*')}$`),
  )
  const names = Object.keys(pjson.dependencies ?? {})
  return {
    file: join(root, 'package.json'),
    plugins: names.filter((name) => patterns.some((pattern) => pattern.test(name))),
  }
}

/** What the person installed, as oclif's plugin commands write it down. */
function personal(file: string): PluginList {
  try {
    const { oclif } = JSON.parse(readFileSync(file, 'utf8'))
    return { file, plugins: oclif?.plugins ?? [] }
  } catch {
    return { file, plugins: [] }
  }
}

/** The default export of a candidate's module. */
export async function load(candidate: Candidate): Promise<unknown> {
  const { exports, main } = JSON.parse(readFileSync(candidate.file, 'utf8'))
  const entry = entryPoint(exports) ?? main ?? 'index.js'
  const url = new URL(entry, pathToFileURL(candidate.file))
  const module = await import(url.href)
  return module.default
}

const conditions = new Set(['import', 'node', 'module-sync', 'default'])

/** What `exports` of a `package.json` says of the package's own name, by the rules of Node for `import`. */
function entryPoint(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return undefined
  if ('.' in exports) return entryPoint(exports['.'])
  const match = Object.entries(exports).find(([condition]) => conditions.has(condition))
  if (match === undefined) throw new Failure('plugin', 'its "exports" has no entry for import')
  return entryPoint(match[1])
}
