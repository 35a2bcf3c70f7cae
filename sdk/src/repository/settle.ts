import { setTimeout as sleep } from 'node:timers/promises'
import type { Storage } from '../contracts/storage.ts'

/** Waits until listings show all that was put and removed before; `times` as long where others' listings count too. */
export async function settle(storage: Storage, signal: AbortSignal, times = 1): Promise<void> {
  if (storage.settle !== undefined) await sleep(times * storage.settle, undefined, { signal })
}
