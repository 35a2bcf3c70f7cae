// Packs the program with oclif into a few files. From separate ones, finding and reading some 150 modules takes a
// third of the time and a tenth of the memory of a run with little to do. The sdk and the plugins stay outside: theirs
// must be one copy, whoever loads them.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const core = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'core')

await build({
  entryPoints: ['main', 'agent/main', 'help', 'commands/index', 'hooks/command-not-found'].map((name) =>
    path.join(core, 'dist', 'src', `${name}.js`),
  ),
  outdir: path.join(core, 'dist', 'bundle'),
  bundle: true,
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
