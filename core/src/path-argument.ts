/** A path inside a backup, as it is given on the command line. */
import { bytePath, Failure } from '@freezer/sdk'

/**
 * A byte string relative to the root of the tree, '' for that root. Slashes and `./` at the beginning, slashes at the
 * end, mean nothing.
 * @throws Failure `usage`
 */
export function parsePath(text: string): string {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) {
    throw new Failure('usage', `"${text}" leads out of where it stands.`, {
      remedy: 'Write the path without "..", relative to the directory that was backed up.',
    })
  }
  return bytePath(parts.join('/'))
}
