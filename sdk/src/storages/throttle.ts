/** Keeping a storage within a bandwidth. */
import { setTimeout as sleep } from 'node:timers/promises'
import { throwIfAborted } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'

/** Milliseconds after which a waiting call looks whether the rate was changed. */
const longestWait = 250

/** A rate that calls share. What was not used is not saved up: after a pause there is no burst. */
export class Bandwidth {
  /** Bytes a second; undefined for no limit. May be changed at any time, also while calls wait. */
  rate: number | undefined
  #owed = 0
  #paid = 0
  #at = performance.now()

  constructor(rate: number | undefined) {
    this.rate = rate
  }

  /** Waits until `bytes` that were moved, and all that others moved before, fit the rate. */
  async pay(bytes: number, signal: AbortSignal): Promise<void> {
    this.#settle()
    this.#owed += bytes
    const mine = this.#owed
    for (;;) {
      this.#settle()
      if (this.#paid >= mine || this.rate === undefined) return
      const time = Math.min(longestWait, ((mine - this.#paid) / this.rate) * 1000)
      await sleep(time, undefined, { signal }).catch(() => throwIfAborted(signal))
    }
  }

  #settle(): void {
    const now = performance.now()
    const allowed = this.rate === undefined ? this.#owed : this.#paid + (this.rate * (now - this.#at)) / 1000
    this.#paid = Math.min(this.#owed, allowed)
    this.#at = now
  }
}

/**
 * `storage`, no faster than `upload` and `download`. A call ends when its bytes fit the rate: over any time longer than
 * a call, the rate holds. Listings are not counted.
 */
export function throttled(storage: Storage, upload: Bandwidth, download: Bandwidth): Storage {
  return {
    settle: storage.settle,
    async put(key, chunks, signal) {
      await storage.put(key, chunks, signal)
      await upload.pay(
        chunks.reduce((sum, chunk) => sum + chunk.length, 0),
        signal,
      )
    },
    async *get(key, range, signal) {
      for await (const chunk of storage.get(key, range, signal)) {
        await download.pay(chunk.length, signal)
        yield chunk
      }
    },
    list: (prefix, signal) => storage.list(prefix, signal),
    remove: (key, signal) => storage.remove(key, signal),
    close: async () => storage.close?.(),
  }
}
