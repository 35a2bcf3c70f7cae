/** The storage contract, put to a storage that is in use. */
import { randomBytes } from 'node:crypto'
import type { Context } from '../src/contracts/context.ts'
import { Failure, isFailure, throwIfAborted } from '../src/contracts/failures.ts'
import type { Storage } from '../src/contracts/storage.ts'
import { type ConfinedStorage, confinedStorage } from './confined-storage.ts'
import { noise } from './contract.ts'
import { storageContract } from './storage-contract.ts'

export interface StorageTestRequest {
  readonly storage: Storage
  /** Bytes that are put and got to see how long it takes. 32 MiB unless said. */
  readonly bytes?: number | undefined
  /** How many keys a long listing has; more than one page of the service's listing. 1050 unless said. */
  readonly many?: number | undefined
}

export interface StorageCheck {
  readonly name: string
  readonly passed: boolean
  readonly seconds: number
  /** Why it did not pass. */
  readonly why?: string
  /** The failure of the storage that it did not pass because of. */
  readonly failure?: Failure
}

/** How long `bytes` took. */
export interface Speed {
  readonly bytes: number
  readonly seconds: number
}

export interface StorageTestReport {
  readonly checks: readonly StorageCheck[]
  /** Missing where it could not be measured: then that is among the checks. */
  readonly put: Speed | undefined
  readonly get: Speed | undefined
}

/** What everything that a test stores begins with. Freezer keeps nothing else there. */
export const testPrefix = 'freezer-test/'

const blobSize = 4 * 2 ** 20
const underWay = 2
/** Milliseconds in which what was stored must be removed at the end, also of a test that is interrupted. */
const removalTime = 120_000
/** Milliseconds after which a test whose blobs are still there was killed. */
const staleAfter = 24 * 60 * 60 * 1000

/**
 * Puts `storage` to every check of the contract, and measures how fast it is. What that stores lies under one key of its own
 * and is removed again, also after a failure or an interruption; that of a test that was killed, by the next test a day
 * later. No other key is touched.
 * @throws Failure `interrupted`; `unavailable`, `denied` when what was stored cannot be removed
 */
export async function testStorage(
  { storage, bytes = 32 * 2 ** 20, many = 1050 }: StorageTestRequest,
  context: Context,
): Promise<StorageTestReport> {
  const { signal } = context
  const prefix = `${testPrefix}${context.now()}-${randomBytes(4).toString('hex')}/`
  const checks: StorageCheck[] = []
  const stored: ConfinedStorage[] = []

  /** A storage that is empty. */
  function part(): ConfinedStorage {
    const confined = confinedStorage(storage, `${prefix}${stored.length}/`, signal)
    stored.push(confined)
    return confined
  }

  /** Runs one check; what it stored is removed before the next one. */
  async function check(name: string, run: () => Promise<void>): Promise<void> {
    throwIfAborted(signal)
    const started = performance.now()
    let outcome: Pick<StorageCheck, 'passed' | 'why' | 'failure'> = { passed: true }
    try {
      await run()
      await stored.at(-1)?.clear(signal)
    } catch (error) {
      throwIfAborted(signal)
      const why = error instanceof Error ? error.message : String(error)
      outcome = { passed: false, why, ...(isFailure(error) ? { failure: error } : {}) }
    }
    checks.push({ name, ...outcome, seconds: (performance.now() - started) / 1000 })
    context.report({
      type: 'progress',
      progress: { phase: 'test', entries: checks.length, bytes: 0, stored: 0 },
    })
  }

  try {
    await check('lists what is there', () => removeStale(storage, context))
    // Two digits are more than enough for the number of a part.
    const longestKey = 900 - prefix.length - 3
    for (const { name, run } of storageContract(async () => part(), { many, longestKey }))
      await check(name, run)
    let put: Speed | undefined
    let get: Speed | undefined
    await check('puts and gets at a speed', async () => {
      const confined = part()
      const blobs = Array.from({ length: Math.ceil(bytes / blobSize) }, (_, at) => ({
        key: `blob${at}`,
        size: Math.min(blobSize, bytes - at * blobSize),
      }))
      const content = noise(blobSize)
      put = await timed(bytes, blobs, ({ key, size }) =>
        confined.put(key, [content.subarray(0, size)], signal),
      )
      get = await timed(bytes, blobs, async ({ key, size }) => {
        let received = 0
        for await (const chunk of confined.get(key, undefined, signal)) received += chunk.length
        if (received !== size) throw new Error(`${received} bytes came back of ${size}`)
      })
    })
    return { checks, put, get }
  } finally {
    await removeAll(stored)
  }
}

async function removeAll(stored: readonly ConfinedStorage[]): Promise<void> {
  const limit = AbortSignal.timeout(removalTime)
  for (const part of stored) {
    try {
      await part.clear(limit)
    } catch (error) {
      const known = isFailure(error) && error.code !== 'interrupted'
      throw new Failure(
        known ? error.code : 'unavailable',
        `What the test stored cannot be removed now: ${error}`,
        {
          remedy: `Everything below ${testPrefix} in the container may be removed.`,
          cause: error,
        },
      )
    }
  }
}

/** Removes what tests left that were killed long ago. */
async function removeStale(storage: Storage, { signal, now }: Context): Promise<void> {
  const stale: string[] = []
  for await (const { key } of storage.list(testPrefix, signal)) {
    const begun = Number(/^\d+(?=-)/.exec(key.slice(testPrefix.length))?.[0] ?? Number.NaN)
    if (begun < now() - staleAfter) stale.push(key)
  }
  for (const key of stale) await storage.remove(key, signal)
}

async function timed<T>(
  bytes: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<Speed> {
  const started = performance.now()
  const rest = items.values()
  await Promise.all(
    Array.from({ length: underWay }, async () => {
      for (const item of rest) await work(item)
    }),
  )
  return { bytes, seconds: (performance.now() - started) / 1000 }
}
