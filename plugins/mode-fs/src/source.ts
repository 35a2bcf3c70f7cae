import { lstat, realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Failure, fromSystem } from '@freezer/sdk'

/**
 * The absolute path of a file or directory to back up. A symbolic link that the person named is followed: what it
 * points to is meant, not the link.
 *
 * @throws Failure `not-found`, `denied`; `source` for what is neither a file nor a directory
 */
export async function findSource(path: string): Promise<string> {
  const named = resolve(path)
  const found = await look(named)
  const source = found.isSymbolicLink() ? await realpath(named).catch(unreadable(named)) : named
  const is = found.isSymbolicLink() ? await look(source) : found
  if (is.isFile() || is.isDirectory()) return source
  throw new Failure('source', `${named} is neither a file nor a directory.`, {
    remedy: 'Name a file or a directory to back up.',
  })
}

function look(path: string) {
  return lstat(path).catch(unreadable(path))
}

function unreadable(path: string) {
  return (error: unknown): never => {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw fromSystem(error, `read ${path}`)
    throw new Failure('not-found', `There is no file or directory ${path}.`, {
      remedy: 'Check the path of what is to be backed up.',
      cause: error,
    })
  }
}
