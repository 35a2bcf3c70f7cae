/** Writes a package of a plugin: a template that works, under another name. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PluginManifest, ProviderKind } from '@freezer/sdk'
import { apiVersion, Failure, fromSystem } from '@freezer/sdk'
import type { Registry } from '../admission.ts'

export interface CreatedPlugin {
  readonly directory: string
  readonly files: readonly string[]
  /** Commands to go on with. */
  readonly next: readonly string[]
}

/**
 * Writes a package into `directory`, which is made.
 *
 * @throws Failure `usage` for a name that no provider can have, or one of the program's own has, `refused` for a directory that is not empty, `denied`, `no-space`
 */
export async function createPlugin(
  { candidates }: Pick<Registry, 'candidates'>,
  kind: ProviderKind,
  name: string,
  directory: string,
): Promise<CreatedPlugin> {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    throw new Failure('usage', `"${name}" is no name: lower-case letters, digits and - make one.`)
  }
  for (const { origin, package: owner, manifest } of candidates) {
    const { provides }: Partial<PluginManifest> = Object(manifest)
    if (origin !== 'bundled' || !provides?.[kind]?.includes(name)) continue
    throw new Failure('usage', `The ${kind} ${name} is one of Freezer's own, in ${owner}.`, {
      remedy: 'Choose another name: a plugin that provides this one would be refused.',
    })
  }
  const root = new URL(`templates/${kind}/`, import.meta.resolve('@freezer/core/package.json'))
  const template = fileURLToPath(root)
  const sources = await readdir(template, { recursive: true, withFileTypes: true })
  const files = new Map<string, string>([
    ['package.json', await packageJson(kind, name)],
    ['tsconfig.json', `${JSON.stringify(tsconfig, undefined, 2)}\n`],
    ['.gitignore', 'dist/\nnode_modules/\n'],
    ['README.md', readme(kind, name)],
  ])
  for (const entry of sources.filter((one) => one.isFile())) {
    const file = join(entry.parentPath, entry.name)
    const text = await readFile(file, 'utf8')
    files.set(file.slice(template.length), text.replace("name: 'template'", `name: '${name}'`))
  }
  try {
    await mkdir(directory, { recursive: true })
    if ((await readdir(directory)).length > 0) {
      throw new Failure('refused', `${directory} is not empty.`, { remedy: 'Name another one with --dir.' })
    }
    for (const [file, text] of files) {
      await mkdir(dirname(join(directory, file)), { recursive: true })
      await writeFile(join(directory, file), text, { flag: 'wx' })
    }
  } catch (error) {
    throw fromSystem(error, `write to ${directory}`)
  }
  const next = [`cd ${directory}`, 'npm install', 'npm test', 'freezer plugins link .']
  return { directory, files: [...files.keys()].sort(), next }
}

async function packageJson(kind: string, name: string): Promise<string> {
  const { version } = JSON.parse(
    await readFile(new URL(import.meta.resolve('@freezer/sdk/package.json')), 'utf8'),
  )
  const sdk = { '@freezer/sdk': `^${version}` }
  const manifest = {
    name: `freezer-${kind}-${name}`,
    version: '0.1.0',
    description: `Freezer ${kind}: ${name}`,
    type: 'module',
    engines: { node: '>=24.12' },
    exports: { '.': './dist/index.js', './package.json': './package.json' },
    files: ['dist'],
    scripts: { build: 'tsc', test: 'tsc && node --test "test/*.test.ts"', prepack: 'tsc' },
    freezer: { api: apiVersion, provides: { [kind]: [name] } },
    peerDependencies: sdk,
    devDependencies: { ...sdk, '@types/node': '^24.0.0', typescript: '^7.0.2' },
  }
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

const tsconfig = {
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable', 'esnext.array'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    rewriteRelativeImportExtensions: true,
    skipLibCheck: true,
    declaration: true,
    rootDir: 'src',
    outDir: 'dist',
  },
  include: ['src'],
}

function readme(kind: string, name: string): string {
  return `# freezer-${kind}-${name}

A ${kind} for Freezer.

\`\`\`
npm install
npm test
freezer plugins link .
\`\`\`

\`src/index.ts\` declares what the plugin provides; the other files of \`src\` are loaded when it is used. What it must do
stands in the contracts, with comments: \`node_modules/@freezer/sdk/dist/src/contracts/${kind}.d.ts\`.
`
}
