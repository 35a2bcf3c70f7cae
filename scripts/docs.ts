// Writes docs/commands.md and the pages of the manual from the declarations of the options; with --check, says whether they
// are as they would be written. Plugins that somebody installed for himself are not in it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

// Before oclif reads it.
const nobody = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-docs-'))
process.env.XDG_DATA_HOME = nobody
process.on('exit', () => fs.rmSync(nobody, { recursive: true, force: true }))

const root = path.dirname(import.meta.dirname)
const core = path.join(root, 'core')
const { Config } = await import('@oclif/core/config')
const { discover } = await import('../core/src/discovery.ts')
const { manual } = await import('../core/src/manual.ts')
const { commandsMarkdown, manualPages } = await import('./docs-pages.ts')

const pages = await manual(discover(await Config.load(core)))
const files: Record<string, string> = {
  'docs/commands.md': commandsMarkdown(pages),
  ...Object.fromEntries(manualPages(pages).map(({ name, text }) => [`core/man/${name}`, text])),
}
const stale: string[] = []
for (const [name, text] of Object.entries(files)) {
  const file = path.join(root, name)
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) continue
  stale.push(name)
  if (process.argv.includes('--check')) continue
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, text)
}
if (process.argv.includes('--check') && stale.length > 0) {
  console.error(`${stale.join(', ')}: not what the options say. Run "npm run docs".`)
  process.exitCode = 1
} else console.log(`${stale.length} pages of the manual were stale, of ${Object.keys(files).length}`)
