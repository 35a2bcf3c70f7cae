import { opendir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { RestoreDestination, TreeTarget } from '@freezer/sdk'
import { Failure, fromSystem } from '@freezer/sdk'

/**
 * A directory to restore into. Makes and changes nothing.
 *
 * @throws Failure `refused` for a directory that is not empty, unless it may be overwritten; `usage`, `denied`
 */
export async function prepareTarget({
  destination,
  overwrite,
  remove,
  purpose,
}: RestoreDestination): Promise<TreeTarget> {
  const path = resolve(destination)
  if (remove && (overwrite === false || overwrite === 'never')) {
    throw new Failure('usage', 'Deleting what the backup does not hold means overwriting.', {
      remedy: 'Add --overwrite or --overwrite=if-changed to --delete.',
    })
  }
  if (!(await isEmpty(path)) && overwrite === false) {
    throw new Failure('refused', `${path} is not empty.`, {
      remedy: 'Restore into an empty or new directory, or add --overwrite.',
    })
  }
  return { kind: 'tree', path, overwrite, remove, ...(purpose === undefined ? {} : { purpose }) }
}

/** A directory to compare with what was backed up. */
export function comparedTree(destination: string, facts: Readonly<Record<string, unknown>>): TreeTarget {
  const { exclude } = facts
  const leftOut = Array.isArray(exclude) ? exclude.filter((pattern) => typeof pattern === 'string') : []
  return {
    kind: 'tree',
    path: resolve(destination),
    overwrite: false,
    remove: true,
    purpose: 'verify',
    leftOut,
  }
}

/** Whether nothing is there, or a directory without entries. */
async function isEmpty(path: string): Promise<boolean> {
  try {
    await using directory = await opendir(path)
    return (await directory.read()) === null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return true
    if (code !== 'ENOTDIR') throw fromSystem(error, `read ${path}`)
    throw new Failure('refused', `${path} is not a directory.`, {
      remedy: 'Name a directory to restore into.',
      cause: error,
    })
  }
}
