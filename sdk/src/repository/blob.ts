/** Small blobs, read whole. */
import { Failure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'

/** @throws Failure `damaged` when it is larger than `limit` bytes, and whatever the storage throws */
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
