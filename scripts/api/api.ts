/**
 * Writes the report of the API (`sdk/api.md`, `api.md` of each library) and the reference (`docs/api/`) from the built declarations:
 *
 *     node scripts/api/api.ts [--check]
 *
 * With --check nothing is written; the exit status is 1 when something of it is stale.
 */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { entryPoints } from './exports.ts'
import { reference, report } from './render.ts'

const root = path.resolve(import.meta.dirname, '..', '..')
const entries = entryPoints(root)
const wanted = new Map<string, string>()
for (const [folder, points] of Map.groupBy(entries, (entry) => entry.folder)) {
  wanted.set(path.join(folder, 'api.md'), report(points))
}
for (const entry of entries) {
  const name = entry.specifier.replace('@freezer/', '').replace('/', '-')
  wanted.set(path.join('docs', 'api', `${name}.md`), reference(entry))
}

const stale = [
  ...globSync('docs/api/*.md', { cwd: root }).filter((file) => !wanted.has(file)),
  ...[...wanted].filter(([file, text]) => read(file) !== text).map(([file]) => file),
]
if (!process.argv.includes('--check')) {
  mkdirSync(path.join(root, 'docs', 'api'), { recursive: true })
  for (const file of stale) {
    const text = wanted.get(file)
    if (text === undefined) rmSync(path.join(root, file))
    else writeFileSync(path.join(root, file), text)
    console.log(file)
  }
} else if (stale.length > 0) {
  console.error(
    `The API changed; these are stale: ${stale.join(', ')}. Run "npm run api", and look at the difference.`,
  )
  process.exitCode = 1
}

function read(file: string): string | undefined {
  const whole = path.join(root, file)
  return existsSync(whole) ? readFileSync(whole, 'utf8') : undefined
}
