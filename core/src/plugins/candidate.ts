import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, fromSystem } from '@freezer/sdk'
import type { Candidate } from '../admission.ts'

/**
 * A package that nobody has discovered, by its directory; undefined where there is no `package.json`.
 *
 * @throws Failure `plugin` for a package that does not say it is a plugin, `denied`
 */
export async function candidateIn(
  directory: string,
  origin: Candidate['origin'],
): Promise<Candidate | undefined> {
  const file = join(directory, 'package.json')
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw fromSystem(error, `read ${file}`)
  }
  const { name, version, freezer } = parse(file, text)
  if (typeof name !== 'string' || freezer === undefined) {
    throw new Failure(
      'plugin',
      `The package of ${file} is no plugin: it has no ${name ? '"freezer" member' : 'name'}.`,
      {
        remedy: 'Look for another name; "freezer plugins create" shows what a plugin has.',
      },
    )
  }
  return { package: name, version: String(version), file, manifest: freezer, origin }
}

function parse(file: string, text: string): { name?: unknown; version?: unknown; freezer?: unknown } {
  try {
    return Object(JSON.parse(text))
  } catch (error) {
    throw new Failure('plugin', `${file} is not JSON.`, { remedy: 'Mend it.', cause: error })
  }
}
