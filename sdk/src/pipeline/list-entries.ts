/** What a backup holds at a path. */
import { displayPath, type Entry, entryPath } from '../contracts/entry.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import type { LostPage } from '../repository/tree-index.ts'
import type { OpenBackup } from './open-backup.ts'

export interface ListRequest {
  /** Byte string, relative to the root of the tree; '' is that root. */
  readonly path?: string | undefined
  /** With everything that is in subdirectories. */
  readonly recursive?: boolean | undefined
  /** Told of a page of the index that is damaged, and so of entries that are missing; without it that is a failure. */
  readonly lost?: LostPage | undefined
}

/**
 * What is in the directory at a path, without itself, in walk order; anything but a directory gives itself.
 * @throws Failure `not-found` when the backup has no such path, `damaged`
 */
export async function* listEntries(
  { index }: Pick<OpenBackup, 'index'>,
  { path = '', recursive = false, lost }: ListRequest,
): AsyncGenerator<Entry> {
  let unknown: unknown
  const own =
    path === ''
      ? undefined
      : await index.find(path).catch((error: unknown) => {
          // What is in it may lie on other pages.
          if (lost === undefined || !isFailure(error) || error.code !== 'damaged') throw error
          unknown = error
          return undefined
        })
  if (own !== undefined && own.type !== 'directory') {
    yield own
    return
  }
  let empty = true
  if (recursive) {
    for await (const entries of index.subtree(path, lost)) {
      for (const entry of entries) {
        if (entryPath(entry) === path) continue
        empty = false
        yield entry
      }
    }
  } else {
    for await (const entry of index.children(path, lost)) {
      empty = false
      yield entry
    }
  }
  // Archives of other programs need not name a directory that has something in it.
  if (own === undefined && empty && path !== '') throw unknown ?? noSuchPath(path)
}

/** For a path that a backup does not have. */
export function noSuchPath(path: string): Failure {
  return new Failure('not-found', `The backup has no "${displayPath(path)}".`, {
    remedy:
      'Paths are relative to the directory that was backed up; "freezer ls" and "freezer find" show them.',
  })
}
