import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Failure, type RestoreDestination, type TreeTarget } from '@freezer/sdk'

/** A backup of this mode is a directory with one file, so it is restored like any directory. */
export async function directory(named: RestoreDestination): Promise<TreeTarget> {
  const { overwrite, remove, purpose } = named
  const path = resolve(named.destination)
  const there = await readdir(path).catch(() => [])
  if (overwrite === false && purpose !== 'verify' && there.length > 0) {
    throw new Failure('refused', `${path} is not empty.`, {
      remedy: 'Name a new directory, or add --overwrite.',
    })
  }
  return { kind: 'tree', path, overwrite, remove, ...(purpose === undefined ? {} : { purpose }) }
}
