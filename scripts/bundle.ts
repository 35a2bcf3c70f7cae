// Packs the program with oclif into a few files. From separate ones, finding and reading some 150 modules takes a
// third of the time and a tenth of the memory of a run with little to do. The sdk and the plugins stay outside: theirs
// must be one copy, whoever loads them. Then writes down for oclif what commands there are, so that a start loads the
// one that it is for.
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Plugin } from '@oclif/core'
import { build } from 'esbuild'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const core = path.join(root, 'core')

// What the packages of this project provide, for who lacks one of them.
const manifests = globSync('plugins/*/package.json', { cwd: root })
  .sort()
  .map((file) => JSON.parse(readFileSync(path.join(root, file), 'utf8')))
const available = manifests
  .filter(({ freezer }) => freezer !== undefined)
  .map(({ name, description, freezer }) => ({ package: name, description, provides: freezer.provides }))
writeFileSync(path.join(core, 'dist', 'plugins.json'), `${JSON.stringify(available, undefined, 2)}\n`)

const { metafile } = await build({
  entryPoints: [
    ...['main', 'agent/main', 'help', 'hooks/command-not-found'].map((name) =>
      path.join(core, 'dist', 'src', `${name}.js`),
    ),
    ...globSync(path.join(core, 'dist', 'src', 'commands', '*.js')),
  ],
  outdir: path.join(core, 'dist', 'bundle'),
  bundle: true,
  metafile: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: ['@freezer/*'],
  // Its build for Node declares what the banner does; what that has beyond this one is not used.
  alias: { fflate: 'fflate/browser' },
  // Parts of oclif are CommonJS and expect what that has.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url); const __dirname = import.meta.dirname;",
  },
  logLevel: 'warning',
})

// What an earlier build left would be packed too.
const outputs = new Set(Object.keys(metafile.outputs).map((file) => path.resolve(file)))
for (const file of globSync('dist/bundle/**/*.js', { cwd: core })) {
  if (!outputs.has(path.join(core, file))) rmSync(path.join(core, file))
}

const pjson = JSON.parse(readFileSync(path.join(core, 'package.json'), 'utf8'))
const list = { strategy: 'explicit', target: './dist/bundle/commands/index.js', identifier: 'commands' }
const listed = new Plugin({
  root: core,
  isRoot: true,
  pjson: { ...pjson, oclif: { ...pjson.oclif, commands: list } },
  ignoreManifest: true,
  errorOnManifestCreate: true,
})
await listed.load()
const commands = Object.entries(listed.manifest.commands).map(([id, command]) => {
  const relativePath = ['dist', 'bundle', 'commands', `${id.replaceAll(':', '-')}.js`]
  if (!existsSync(path.join(core, ...relativePath)))
    throw new Error(`The command ${id} is not in a file of its name.`)
  return [id, { ...command, isESM: true, relativePath }]
})
const manifest = { version: pjson.version, commands: Object.fromEntries(commands) }
writeFileSync(path.join(core, 'oclif.manifest.json'), JSON.stringify(manifest))
