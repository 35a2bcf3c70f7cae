import { Failure, throwIfAborted } from '../src/contracts/failures.ts'
import { isKey, isReadableKey, type Storage } from '../src/contracts/storage.ts'

export const storageMethods = ['put', 'get', 'list', 'remove'] as const
export type StorageMethod = (typeof storageMethods)[number]

/** A storage in memory that lets a test look inside and count. */
export interface MemoryStorage extends Storage {
  /** What is stored. A test may change it, to play a storage that loses or damages blobs. */
  readonly blobs: Map<string, Uint8Array>
  /** Calls so far; a `get` or `list` counts when its iteration begins. */
  readonly calls: Record<StorageMethod, number>
  /** Bytes handed out by `get` so far. */
  readonly bytesRead: number
}

const chunkSize = 256 * 1024

/** A storage that forgets everything with the process. Refuses keys that the contract does not permit. */
export function memoryStorage(): MemoryStorage {
  const blobs = new Map<string, Uint8Array>()
  const calls = { put: 0, get: 0, list: 0, remove: 0 }
  let bytesRead = 0

  function begin(method: StorageMethod, signal: AbortSignal, key?: string): void {
    calls[method]++
    throwIfAborted(signal)
    const isFit = method === 'get' ? isReadableKey : isKey
    if (key !== undefined && !isFit(key)) throw new Failure('internal', `"${key}" is not a key.`)
  }

  return {
    blobs,
    calls,
    get bytesRead() {
      return bytesRead
    },
    async put(key, chunks, signal) {
      begin('put', signal, key)
      blobs.set(key, new Uint8Array(Buffer.concat(chunks)))
    },
    async *get(key, range, signal) {
      begin('get', signal, key)
      const blob = blobs.get(key)
      if (blob === undefined) throw new Failure('not-found', `There is no ${key}.`)
      const end = range === undefined ? blob.length : Math.min(blob.length, range.offset + range.length)
      for (let at = range?.offset ?? 0; at < end; at += chunkSize) {
        throwIfAborted(signal)
        const chunk = blob.slice(at, Math.min(at + chunkSize, end))
        bytesRead += chunk.length
        yield chunk
      }
    },
    async *list(prefix, signal) {
      begin('list', signal)
      // A copy, so that a blob removed and put again meanwhile does not come twice.
      for (const [key, { length: size }] of Array.from(blobs)) {
        throwIfAborted(signal)
        if (key.startsWith(prefix)) yield { key, size }
      }
    },
    async remove(key, signal) {
      begin('remove', signal, key)
      blobs.delete(key)
    },
  }
}
