/** Blobs as objects. */
import { Failure, isKey, isReadableKey, type Pace, type Range, throwIfAborted } from '@freezer/sdk'
import type { Bucket } from './bucket.ts'
import { digests } from './digests.ts'
import { fromRefusal } from './failures.ts'
import type { Answer } from './http.ts'
import type { Lock } from './lock.ts'
import { putInParts } from './parts.ts'

/** Bytes of the largest object that is stored by one request; Amazon would take 5 GiB so. */
const largestInOne = 64 * 1024 * 1024

/** A bucket, and what the names of its objects begin with. */
export interface Place {
  readonly bucket: Bucket
  readonly prefix: string
  /** What is put is locked by it. */
  readonly lock?: Lock | undefined
}

/** `Storage.put`. The service compares what it received with the digests, and keeps nothing that differs. */
export async function put(
  { bucket, prefix, lock }: Place,
  key: string,
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
  pace?: Pace,
): Promise<void> {
  throwIfAborted(signal)
  const object = nameOf(prefix, key)
  const what = `store ${object} in the bucket ${bucket.name}`
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const type = { 'content-type': 'application/octet-stream' }
  const kept = lock === undefined ? type : { ...type, ...(await lock.headers(bucket, signal)) }
  if (size > largestInOne) {
    return putInParts(bucket, { object, chunks, size, headers: kept, pace, what }, signal)
  }
  const { sha256, md5 } = await digests(chunks, signal)
  const headers = { ...kept, 'content-md5': md5 }
  const answer = await bucket.send({ method: 'PUT', object, headers, body: chunks, sha256, pace }, signal)
  if (answer.status === 200) await answer.discard()
  else await bucket.refuse(answer, what, signal)
}

/** `Storage.get`. */
export async function* get(
  { bucket, prefix }: Place,
  key: string,
  range: Range | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  if (!isReadableKey(key)) throw noKey(key)
  const object = prefix + key
  const what = `read ${object} in the bucket ${bucket.name}`
  if (range?.length === 0) {
    const answer = await bucket.send({ method: 'HEAD', object }, signal)
    if (answer.status === 200) await answer.discard()
    else await bucket.refuse(answer, what, signal)
    return
  }
  const headers = range === undefined ? {} : { range: spellRange(range) }
  let answer = await bucket.send({ method: 'GET', object, headers }, signal)
  if (answer.status === 404) {
    // Swift says so for a moment while something else takes the place of an object.
    await answer.discard()
    answer = await bucket.send({ method: 'GET', object, headers }, signal)
  }
  switch (answer.status) {
    case 200:
      // A service need not know ranges (RFC 9110, 14.2).
      yield* range === undefined ? whole(answer, key) : cut(whole(answer, key), range)
      return
    case 206: {
      const length = range === undefined ? 0 : lengthOf(answer, range)
      if (length === 0) {
        await answer.discard()
        throw notWhole(key)
      }
      yield* whole(answer, key, length)
      return
    }
    case 416:
      // Begins at or beyond the end.
      await answer.discard()
      return
    default:
      await bucket.refuse(answer, what, signal)
  }
}

function spellRange({ offset, length }: Range): string {
  const last = offset + length - 1
  return `bytes=${offset}-${Number.isSafeInteger(last) ? last : ''}`
}

/** Bytes of an answer to `range`, by its own words; 0 when it is another part, or ends before both the range and the blob. */
function lengthOf(answer: Answer, range: Range): number {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.header('content-range') ?? '')
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  const length = last - first + 1
  const isShort = length < range.length && last + 1 !== Number(match?.[3])
  return first === range.offset && length > 0 && length <= range.length && !isShort ? length : 0
}

/** The body of `answer`, which has as many bytes as were announced, and `length` where that is known otherwise. */
async function* whole(answer: Answer, key: string, length?: number): AsyncGenerator<Uint8Array> {
  const announced = length ?? answer.header('content-length')
  if (announced === undefined && answer.header('transfer-encoding') === undefined) {
    // Its end would be wherever the connection ends.
    await answer.discard()
    throw notWhole(key)
  }
  let received = 0
  for await (const chunk of answer.chunks()) {
    received += chunk.length
    yield chunk
  }
  if (announced !== undefined && received !== Number(announced)) throw notWhole(key)
}

/** What of `chunks` lies in `range`. */
async function* cut(
  chunks: AsyncGenerator<Uint8Array>,
  { offset, length }: Range,
): AsyncGenerator<Uint8Array> {
  let at = 0
  for await (const chunk of chunks) {
    const part = chunk.subarray(Math.max(0, offset - at), Math.max(0, offset + length - at))
    at += chunk.length
    if (part.length > 0) yield part
    if (at > offset + length) return
  }
}

function notWhole(key: string): Failure {
  return new Failure('unavailable', `${key} ended before it was whole.`, { remedy: 'Try again later.' })
}

/** `Storage.remove`. */
export async function remove({ bucket, prefix }: Place, key: string, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  const object = nameOf(prefix, key)
  const answer = await bucket.send({ method: 'DELETE', object }, signal)
  if (answer.status === 204 || answer.status === 200) {
    await answer.discard()
    return
  }
  const refusal = await bucket.refusal(answer)
  const what = `remove ${object} in the bucket ${bucket.name}`
  if (refusal.code === 'NoSuchBucket') throw await bucket.missing(what, signal)
  if (refusal.status !== 404) throw fromRefusal(refusal, what)
}

/** @throws Failure `internal` for a key that the storage contract does not permit */
function nameOf(prefix: string, key: string): string {
  if (!isKey(key)) throw noKey(key)
  return prefix + key
}

function noKey(key: string): Failure {
  return new Failure('internal', `"${key}" is not a key.`)
}
