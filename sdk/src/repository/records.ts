/** Small JSON objects on the storage that say what is going on: leases, notes of removals, pins. */
import { isFailure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { readBlob } from './blobs.ts'

export interface StoredRecord {
  readonly format: string
  readonly version: number
  readonly [member: string]: string | number
}

/** No honest record is larger, in bytes. */
const recordLimit = 64 * 1024
/** Small blobs read at a time. */
const readsAtOnce = 16

export function putRecord(
  storage: Storage,
  key: string,
  record: StoredRecord,
  signal: AbortSignal,
): Promise<void> {
  return storage.put(key, [Buffer.from(`${JSON.stringify(record)}\n`)], signal)
}

/**
 * A record with whatever members it has; empty when it cannot be understood; undefined when it is not there.
 */
export async function readRecord(
  storage: Storage,
  key: string,
  format: string,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readBlob(storage, key, recordLimit, signal)
  } catch (error) {
    if (isFailure(error) && error.code === 'not-found') return undefined
    if (isFailure(error) && error.code === 'damaged') return {}
    throw error
  }
  try {
    const record: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof record === 'object' && record !== null && 'format' in record && record.format === format) {
      return record as Record<string, unknown>
    }
  } catch {
    // Falls through: whatever it is, it says nothing.
  }
  return {}
}

/** A member of a record that is text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Milliseconds since 1970 of a member that is a time. */
export function timeOf(value: unknown): number | undefined {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

/** `read` of each item, several at a time, in order. */
export async function readEach<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++
      results[at] = await read(items[at] as T)
    }
  }
  await Promise.all(Array.from({ length: Math.min(readsAtOnce, items.length) }, work))
  return results
}
