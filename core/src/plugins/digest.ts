/** What a plugin's code is, in one line: a digest over its files and those of the packages that it needs. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fromSystem } from '@freezer/sdk'

/** Folders of a package that are not its content. Packages that it needs are looked for one by one. */
const skipped = new Set(['node_modules', '.git'])

/** The framework belongs to the program, not to a plugin. */
const framework = '@freezer/sdk'

/**
 * `sha256-` and a digest (base64) over lines `PACKAGE/PATH DIGEST`, sorted: each file of the package at `root` and of
 * its dependencies, as Node would find them from there. Symbolic links count by where they point.
 *
 * @throws Failure `denied`, `not-found`
 */
export function digestOf(root: string): string {
  const lines: string[] = []
  const seen = new Set<string>()
  const add = (directory: string): void => {
    if (seen.has(directory)) return
    seen.add(directory)
    const { name, dependencies, optionalDependencies, peerDependencies } = manifestOf(directory)
    for (const [path, digest] of filesOf(directory, '')) lines.push(`${name}/${path} ${digest}\n`)
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      const found = needed === framework ? undefined : find(needed, directory)
      if (found !== undefined) add(found)
    }
  }
  try {
    add(root)
  } catch (error) {
    throw fromSystem(error, `read ${root}`)
  }
  const hash = createHash('sha256')
  for (const line of lines.sort()) hash.update(line)
  return `sha256-${hash.digest('base64')}`
}

function manifestOf(directory: string): Record<string, object | undefined> {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
}

function* filesOf(root: string, below: string): Generator<[path: string, digest: string]> {
  for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
    const path = join(below, entry.name)
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) yield* filesOf(root, path)
    } else if (entry.isSymbolicLink()) yield [path, `-> ${readlinkSync(join(root, path))}`]
    else if (entry.isFile()) {
      yield [
        path,
        createHash('sha256')
          .update(readFileSync(join(root, path)))
          .digest('base64'),
      ]
    }
  }
}

/** The folder of a package that is needed by the one in `directory`; undefined where it is not installed. */
function find(name: string, directory: string): string | undefined {
  for (let at = directory; ; at = dirname(at)) {
    const found = join(at, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return found
    if (dirname(at) === at) return undefined
  }
}
