/** Small blobs of the repository, read whole. */
import { Failure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'

/** A small blob, whole. @throws Failure `damaged` when it is larger than `limit` bytes */
export async function readBlob(
  storage: Storage,
  key: string,
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of storage.get(key, undefined, signal)) {
    length += chunk.length
    if (length > limit)
      throw new Failure('damaged', `${key} in this container is too large to be what it should.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}

/** Whether there is any blob whose key begins with `prefix`. */
export async function holds(storage: Storage, prefix: string, signal: AbortSignal): Promise<boolean> {
  for await (const _ of storage.list(prefix, signal)) return true
  return false
}
