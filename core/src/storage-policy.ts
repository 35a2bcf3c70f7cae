import { Failure } from '@freezer/sdk'

/** How many of several storages a run needs. */
export interface StoragePolicy {
  /** As soon as fewer are left, it stops. */
  readonly least: number
  /** So many must hold what was done, for success. */
  readonly wanted: number
}

/**
 * `all`, `any` or a number.
 * @param storages how many there are
 * @throws Failure `usage`
 */
export function parseStoragePolicy(text: string, storages: number): StoragePolicy {
  if (text === 'all') return { least: 1, wanted: storages }
  const number = text === 'any' ? 1 : /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (number === 0)
    throw new Failure('usage', `--storage-policy: "${text}" is neither all, any nor a number.`)
  if (number > storages) {
    throw new Failure('usage', `--storage-policy: there are ${storages} storages, and it asks for ${number}.`)
  }
  return { least: number, wanted: number }
}
