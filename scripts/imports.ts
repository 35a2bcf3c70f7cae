/**
 * Checks the arrows of docs/architecture.md over every tracked TypeScript file: `sdk` imports nothing but `node:`;
 * `lib` imports `sdk` and others of `lib`; plugins import `sdk` and `lib`; `core` imports `sdk` and names no plugin; and each imports only
 * packages that its `package.json` declares. Tests, examples and bench may import anything. Also that what a plugin
 * says it provides is what its built code provides.
 *
 * Usage: node scripts/imports.ts [ROOT]. Prints each violation; exit status 1 when there is one.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

interface Manifest {
  readonly name: string
  readonly exports?: Record<string, string>
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly freezer?: { readonly provides: Record<string, readonly string[]> }
}

interface Package {
  /** From the root: `plugins/mode-fs`. */
  readonly directory: string
  readonly area: 'sdk' | 'lib' | 'plugins' | 'core'
  readonly manifest: Manifest
}

const root = resolve(process.argv[2] ?? '.')
const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((file) => existsSync(join(root, file)))
const packages = tracked.flatMap(packageOf)
const libraries = new Set(packages.filter(({ area }) => area === 'lib').map(({ manifest }) => manifest.name))
const plugins = packages.filter(({ manifest }) => manifest.freezer !== undefined)
const ours = new Set(packages.map(({ manifest }) => manifest.name))
const violations: string[] = []

for (const file of tracked.filter((name) => /\.[cm]?[jt]s$/.test(name))) {
  const owner = packages.find(({ directory }) => file.startsWith(`${directory}/`))
  if (owner === undefined || file.startsWith(`${owner.directory}/test/`)) continue
  const text = readFileSync(join(root, file), 'utf8')
  for (const specifier of imports(text)) {
    const fault = specifier.startsWith('.')
      ? strays(file, specifier, owner)
      : forbidden(file, specifier, owner)
    if (fault !== undefined) violations.push(`${file}: imports "${specifier}", ${fault}`)
  }
  if (owner.area === 'core') {
    for (const { manifest } of plugins) {
      if (text.includes(manifest.name)) violations.push(`${file}: names the plugin ${manifest.name}`)
    }
  }
}
for (const plugin of plugins) violations.push(...(await broken(plugin)))

for (const violation of violations) console.error(violation)
console.error(`${violations.length} violations of the import rules in ${packages.length} packages`)
process.exitCode = violations.length === 0 ? 0 : 1

function packageOf(file: string): Package[] {
  const match = /^((sdk|core)|(lib|plugins)\/[^/]+)\/package\.json$/.exec(file)
  if (match === null) return []
  const area = (match[2] ?? match[3]) as Package['area']
  const manifest = JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest
  return [{ directory: match[1] as string, area, manifest }]
}

/** Every module that `text` imports, types included; comments say nothing. */
function imports(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const forms = [
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import\s*['"]([^'"]+)['"]/gm,
    /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g,
  ]
  return forms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1] as string))
}

/** Why a relative import is wrong, if it is. */
function strays(file: string, specifier: string, owner: Package): string | undefined {
  const target = relative(owner.directory, join(file, '..', specifier))
  return target.startsWith('..') ? `which lies outside of ${owner.directory}` : undefined
}

/** Why the import of a package is wrong, if it is. */
function forbidden(file: string, specifier: string, owner: Package): string | undefined {
  if (specifier.startsWith('node:')) return undefined
  if (builtinModules.includes(specifier)) return `which is written "node:${specifier}"`
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  const { dependencies, peerDependencies, optionalDependencies } = owner.manifest
  const declared = { ...dependencies, ...peerDependencies, ...optionalDependencies }
  if (owner.area === 'sdk') return 'but sdk imports nothing but node:'
  if (
    ours.has(name) &&
    name !== '@freezer/sdk' &&
    !(['plugins', 'lib'].includes(owner.area) && libraries.has(name))
  ) {
    return `but ${owner.area} may not depend on it`
  }
  if (/^(tsyringe|reflect-metadata)$/.test(name) && file !== 'core/src/composition.ts') {
    return 'which belongs into core/src/composition.ts alone'
  }
  return Object.hasOwn(declared, name) ? undefined : `which ${owner.directory}/package.json does not declare`
}

/** Where the `package.json` of a plugin and its built code disagree. */
async function broken({ directory, manifest }: Package): Promise<string[]> {
  const entry = join(root, directory, manifest.exports?.['.'] ?? 'index.js')
  if (!existsSync(entry)) return [`${directory}: is not built, ${relative(root, entry)} is missing`]
  const { default: plugin } = (await import(pathToFileURL(entry).href)) as {
    default?: Record<string, readonly { readonly name: string }[]>
  }
  const promised = manifest.freezer?.provides ?? {}
  return ['mode', 'snapshot', 'engine', 'codec', 'storage', 'notifier'].flatMap((kind) => {
    const says = [...(promised[kind] ?? [])].sort().join(', ') || 'none'
    const has =
      (plugin?.[`${kind}s`] ?? [])
        .map(({ name }) => name)
        .sort()
        .join(', ') || 'none'
    return says === has ? [] : [`${directory}: package.json says ${kind} ${says}, its code has ${has}`]
  })
}
