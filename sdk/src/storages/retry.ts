/** Trying again what a storage calls temporary. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from '../contracts/context.ts'
import { asFailure, isTemporary, throwIfAborted } from '../contracts/failures.ts'
import type { Range, Storage, StoredBlob } from '../contracts/storage.ts'

export interface RetryPolicy {
  /** How often a call is tried again at most; the count begins anew whenever bytes or keys arrive. */
  readonly retries: number
  /** Milliseconds before the first retry; twice as long before each further one, up to `longest`. */
  readonly wait: number
  readonly longest: number
}

/** About two minutes in all, which a server needs to start again. */
export const retryDefaults: RetryPolicy = { retries: 7, wait: 500, longest: 30_000 }

/**
 * `storage`, patient: failures of the temporary kind are tried again after a pause that grows and is never quite the
 * same, so that many clients of a server that came back do not all call at once. A `get` goes on where it broke off,
 * a `list` leaves out what it gave already. A failure with the fact `retryAfter`, seconds, is given that time, up to the
 * longest pause. Each retry is told in the log.
 */
export function retrying(storage: Storage, context: Context, policy: RetryPolicy = retryDefaults): Storage {
  const { pause, again } = patience(context, policy, 'info')

  return {
    settle: storage.settle,
    segmentSize: storage.segmentSize,
    put: (key, chunks, signal) => again(`put ${key}`, signal, () => storage.put(key, chunks, signal)),
    remove: (key, signal) => again(`remove ${key}`, signal, () => storage.remove(key, signal)),

    close: async () => storage.close?.(),

    async *get(key, range, signal): AsyncGenerator<Uint8Array> {
      let received = 0
      for (let tried = 0; ; tried++) {
        try {
          for await (const chunk of storage.get(key, rest(range, received), signal)) {
            received += chunk.length
            tried = -1
            yield chunk
          }
          return
        } catch (error) {
          await pause(error, Math.max(0, tried), `get ${key}`, signal)
        }
      }
    },

    async *list(prefix, signal): AsyncGenerator<StoredBlob> {
      // Whoever lists again must know what was given, in whatever order it comes then: about 100 bytes a key, as long as the
      // listing goes on. A million segments are 4 TiB of backups.
      const given = new Set<string>()
      for (let tried = 0; ; tried++) {
        try {
          for await (const blob of storage.list(prefix, signal)) {
            if (given.has(blob.key)) continue
            given.add(blob.key)
            tried = -1
            yield blob
          }
          return
        } catch (error) {
          await pause(error, Math.max(0, tried), `list ${prefix}`, signal)
        }
      }
    },
  }
}

/**
 * What `open` opens, tried again like the calls of a storage. Somebody is likely to wait for it, so each retry is told as a
 * warning: a port that is wrong says the same as a server that is not up yet.
 */
export function retryingOpen<T>(
  open: () => Promise<T>,
  context: Context,
  policy: RetryPolicy = retryDefaults,
): Promise<T> {
  return patience(context, policy, 'warn').again('Opening the storage', context.signal, open)
}

function patience(context: Context, policy: RetryPolicy, level: 'info' | 'warn') {
  /** Waits before the next try, or throws `error` when there is to be none. */
  async function pause(error: unknown, tried: number, what: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (!isTemporary(error) || tried >= policy.retries) throw error
    const { message, facts } = asFailure(error)
    const longest = Math.min(policy.longest, policy.wait * 2 ** tried)
    const asked = Math.min(policy.longest, (Number(facts['retryAfter']) || 0) * 1000)
    const time = Math.max(asked, longest * (0.5 + Math.random() / 2))
    const after = `${(time / 1000).toFixed(1)} s`
    context.report({ type: 'log', level, message: `${what}: ${message} Trying again in ${after}.` })
    await sleep(time, undefined, { signal }).catch(() => throwIfAborted(signal))
  }

  async function again<T>(what: string, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    for (let tried = 0; ; tried++) {
      try {
        return await call()
      } catch (error) {
        await pause(error, tried, what, signal)
      }
    }
  }

  return { pause, again }
}

/** What is left of `range` after `received` bytes of it. */
export function rest(range: Range | undefined, received: number): Range | undefined {
  if (received === 0) return range
  const { offset, length } = range ?? { offset: 0, length: Number.MAX_SAFE_INTEGER }
  return { offset: offset + received, length: length - received }
}
