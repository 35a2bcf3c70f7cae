import type { Storage } from '../src/contracts/storage.ts'

/** A part of a storage that passes for a whole one. */
export interface ConfinedStorage extends Storage {
  /** Removes everything in it, also what no listing shows yet. */
  clear(signal: AbortSignal): Promise<void>
}

/** Removals under way at a time. */
const removalsAtOnce = 8

/**
 * What of `storage` has keys that begin with `prefix`, under keys without it. Nothing else is touched. Closing it leaves
 * `storage` open.
 * @param stop ends every call but those of `clear`
 */
export function confinedStorage(storage: Storage, prefix: string, stop: AbortSignal): ConfinedStorage {
  /** Keys that may be there. */
  const put = new Set<string>()
  const both = (signal: AbortSignal) => AbortSignal.any([signal, stop])

  return {
    settle: storage.settle,
    segmentSize: storage.segmentSize,
    async put(key, chunks, signal) {
      put.add(key)
      await storage.put(prefix + key, chunks, both(signal))
    },
    get: (key, range, signal) => storage.get(prefix + key, range, both(signal)),
    async *list(start, signal) {
      for await (const { key, size } of storage.list(prefix + start, both(signal))) {
        yield { key: key.slice(prefix.length), size }
      }
    },
    remove: (key, signal) => storage.remove(prefix + key, both(signal)),
    async clear(signal) {
      for await (const { key } of storage.list(prefix, signal)) put.add(key.slice(prefix.length))
      const keys = put.values()
      const removers = Array.from({ length: removalsAtOnce }, async () => {
        for (const key of keys) {
          await storage.remove(prefix + key, signal)
          put.delete(key)
        }
      })
      await Promise.all(removers)
    },
  }
}
