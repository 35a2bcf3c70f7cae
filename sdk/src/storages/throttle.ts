/** Keeping a storage within a bandwidth. */
import { setTimeout as sleep } from 'node:timers/promises'
import { throwIfAborted } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'

/** Milliseconds after which a waiting call looks whether the rate was changed. */
const longestWait = 250

/** Where time comes from and passes; a test may give its own. */
export interface Clock {
  /** Milliseconds, from any start. */
  now(): number
  /** Ends early, with any error, when `signal` is aborted. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<unknown>
}

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
}

/** Seconds whose bytes may be saved up: calls do not follow one another without a gap. */
const saved = 1

/** A rate that calls share. Next to nothing is saved up: after a pause there is no burst. */
export class Bandwidth {
  /** Bytes a second; undefined for no limit. May be changed at any time, also while calls wait. */
  rate: number | undefined
  readonly #clock: Clock
  #owed = 0
  #paid = 0
  /** When it was counted last. */
  #at: number | undefined

  constructor(rate: number | undefined, clock: Clock = systemClock) {
    this.rate = rate
    this.#clock = clock
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
      await this.#clock.sleep(time, signal).catch(() => throwIfAborted(signal))
    }
  }

  #settle(): void {
    const now = this.#clock.now()
    const seconds = (now - (this.#at ?? now)) / 1000
    this.#at = now
    if (this.rate === undefined) this.#paid = this.#owed
    else this.#paid = Math.min(this.#paid + this.rate * seconds, this.#owed + this.rate * saved)
  }
}

/** Seconds that a part of a put takes, and the bytes that it has at least and at most. */
const part = { seconds: 0.25, least: 1024, most: 256 * 1024 }

/**
 * `storage`, no faster than `upload` and `download`. A storage that asks for its pace sends evenly; a put of another ends
 * when its bytes fit the rate, so that over any time longer than a call the rate holds. Listings are not counted.
 */
export function throttled(storage: Storage, upload: Bandwidth, download: Bandwidth): Storage {
  return {
    settle: storage.settle,
    segmentSize: storage.segmentSize,
    async put(key, chunks, signal) {
      let left = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      await storage.put(key, parts(chunks, upload.rate), signal, (bytes) => {
        left -= bytes
        return upload.pay(bytes, signal)
      })
      if (left > 0) await upload.pay(left, signal)
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

/** `chunks` as views so small that none of them takes long at `rate`. */
function parts(chunks: readonly Uint8Array[], rate: number | undefined): readonly Uint8Array[] {
  if (rate === undefined) return chunks
  const size = Math.round(Math.min(part.most, Math.max(part.least, rate * part.seconds)))
  return chunks.flatMap((chunk) =>
    chunk.length <= size
      ? [chunk]
      : Array.from({ length: Math.ceil(chunk.length / size) }, (_, at) =>
          chunk.subarray(at * size, (at + 1) * size),
        ),
  )
}
