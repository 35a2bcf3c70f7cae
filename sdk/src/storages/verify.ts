/** Reading back what was stored. */

import type { Context } from '../contracts/context.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'

/** How often a blob is put before a storage that keeps other bytes is given up. */
const attempts = 3

/** Milliseconds that removing a blob that must not stay may take. */
const removalTime = 30_000

/**
 * `storage`, not believed: each blob is read back once it was put, whole, and compared byte by byte with what was to be stored. One
 * that differs, or is not there, is put again; in the end it is removed, and that is the failure `damaged`. It costs one
 * more transfer of everything that is put, in the other direction, and no memory.
 *
 * Beneath it belongs what tries again: a reading that fails for another reason fails the put.
 */
export function verifying(storage: Storage, context: Context): Storage {
  /** The last put of each key that is under way: what another put of this process replaced is no difference. */
  const underWay = new Map<string, Promise<void>>()

  return {
    settle: storage.settle,
    segmentSize: storage.segmentSize,
    async put(key, chunks, signal) {
      const before = underWay.get(key)
      const { promise, resolve } = Promise.withResolvers<void>()
      const mine = Promise.all([before, promise]).then(() => {})
      underWay.set(key, mine)
      try {
        await before
        await putVerified(key, chunks, signal)
      } finally {
        resolve()
        if (underWay.get(key) === mine) underWay.delete(key)
      }
    },
    get: (key, range, signal) => storage.get(key, range, signal),
    list: (prefix, signal) => storage.list(prefix, signal),
    remove: (key, signal) => storage.remove(key, signal),
    close: async () => storage.close?.(),
  }

  async function putVerified(key: string, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await storage.put(key, chunks, signal)
      const difference = await differenceOf(storage, key, chunks, signal)
      if (difference === undefined) return
      const message = `${key} was read back after it was stored, and ${difference}.`
      if (attempt === attempts) {
        await storage.remove(key, AbortSignal.timeout(removalTime)).catch(() => {})
        throw new Failure('damaged', message, {
          remedy:
            'Check the disks, the memory and the network of the storage: it does not keep what it is given.',
          facts: { key, attempts },
        })
      }
      context.report({ type: 'log', level: 'warn', message: `${message} It is stored again.` })
    }
  }
}

/** In which way the blob `key` is not `chunks`, as the end of a sentence; undefined when it is. */
async function differenceOf(
  storage: Storage,
  key: string,
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const expected = new Cursor(chunks)
  let received = 0
  try {
    for await (const chunk of storage.get(key, undefined, signal)) {
      if (received + chunk.length > size) return `had more than its ${size} bytes`
      if (!expected.follows(chunk)) return `had other bytes than were sent`
      received += chunk.length
    }
  } catch (error) {
    if (isFailure(error) && error.code === 'not-found') return 'was not there'
    if (isFailure(error) && error.code === 'damaged') return 'was damaged'
    throw error
  }
  return received === size ? undefined : `had ${received} of its ${size} bytes`
}

/** The bytes of `chunks`, one after the other. */
class Cursor {
  readonly #chunks: readonly Uint8Array[]
  #chunk = 0
  #at = 0

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks
  }

  /** Whether `bytes` come next; goes beyond them. */
  follows(bytes: Uint8Array): boolean {
    for (let compared = 0; compared < bytes.length; ) {
      const chunk = this.#chunks[this.#chunk]
      if (chunk === undefined) return false
      const count = Math.min(chunk.length - this.#at, bytes.length - compared)
      const [mine, theirs] = [
        chunk.subarray(this.#at, this.#at + count),
        bytes.subarray(compared, compared + count),
      ]
      if (Buffer.compare(mine, theirs) !== 0) return false
      compared += count
      this.#at += count
      if (this.#at < chunk.length) continue
      this.#chunk++
      this.#at = 0
    }
    return true
  }
}
