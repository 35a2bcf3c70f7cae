/**
 * Bundles app.ts with all of Freezer that it uses: `node examples/bundled/build.ts DIRECTORY`, then
 * `node DIRECTORY/app.js`. Only koffi, which is native, has to be installed where it runs.
 *
 * The threads of the sdk and the plugins that they load are files of their own, all in one directory: four in all.
 */
import path from 'node:path'
import { build } from 'esbuild'

const [directory] = process.argv.slice(2)
if (!directory) throw new Error('usage: build.ts DIRECTORY')

await build({
  entryPoints: {
    app: path.join(import.meta.dirname, 'app.ts'),
    plugins: path.join(import.meta.dirname, 'plugins.ts'),
    'engine-thread': '@freezer/sdk/engine-thread',
    'coder-thread': '@freezer/sdk/coder-thread',
  },
  outdir: directory,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: ['koffi'],
  logLevel: 'warning',
})
