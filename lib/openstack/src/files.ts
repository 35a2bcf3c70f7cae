import { readFile } from 'node:fs/promises'
import { Failure } from '@freezer/sdk'

/**
 * The text of a file that the configuration names.
 * @param what it is, as in "the password file"
 * @throws Failure `configuration`
 */
export async function readNamed(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error'
    throw new Failure('configuration', `${what} ${file} cannot be read: ${code}.`, {
      remedy: 'Check its name, and that it can be read.',
    })
  }
}
