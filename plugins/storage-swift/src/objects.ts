/** Blobs as objects of Swift. */
import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { type Answer, fromStatus } from '@freezer/openstack'
import { Failure, isFailure, isKey, isReadableKey, type Pace, type Range, throwIfAborted } from '@freezer/sdk'
import type { Account } from './account.ts'
import { sendForObject } from './container.ts'
import { type Place, pathOf } from './place.ts'

/** Bytes that are hashed before others have their turn. */
const hashedAtOnce = 4 * 1024 * 1024

/** Room for the sentence with which Swift refuses. */
const longestReason = 4096

/** `Storage.put`. The server compares what it received with the digest, and keeps nothing that differs. */
export async function put(
  account: Account,
  place: Place,
  key: string,
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
  pace?: Pace,
): Promise<void> {
  throwIfAborted(signal)
  const path = pathOfKey(place, key)
  const etag = await digest(chunks, signal)
  const headers = { etag, 'content-type': 'application/octet-stream' }
  const request = { method: 'PUT', headers, body: chunks, pace } as const
  const answer = await sendForObject(account, place.container, path, request, signal)
  if (answer.status < 300) {
    await answer.discard()
    const stored = plainEtag(answer)
    if (stored === undefined || stored === etag) return
    // Whoever keeps something else in spite of the digest keeps what nobody must read.
    await remove(account, place, key, signal).catch(() => {})
    throw new Failure(
      'unavailable',
      `Cannot store ${key}: the server says that it has other bytes than were sent.`,
      {
        remedy: 'Try again; if it stays so, something between here and the server alters what is sent.',
      },
    )
  }
  throw await refusal(answer, place, key)
}

/** MD5, which is what Swift calls an ETag. */
async function digest(chunks: readonly Uint8Array[], signal: AbortSignal): Promise<string> {
  const hash = createHash('md5')
  let hashed = 0
  for (const chunk of chunks) {
    hash.update(chunk)
    hashed += chunk.length
    if (hashed < hashedAtOnce) continue
    hashed = 0
    await turn()
    throwIfAborted(signal)
  }
  return hash.digest('hex')
}

async function refusal(answer: Answer, place: Place, key: string): Promise<Failure> {
  const what = `store ${key} in the container ${place.container}`
  if (answer.status === 404) {
    await answer.discard()
    return new Failure('unavailable', `Cannot ${what}: it is there, and then again it is not.`, {
      remedy: 'Try again later; ask the operator of the cloud.',
      facts: { status: 404 },
    })
  }
  if (answer.status !== 413) {
    await answer.discard()
    return fromStatus(answer, what)
  }
  // One status for two reasons: the quota, and the largest object that the server takes.
  const reason = await answer.text(longestReason).catch(() => '')
  if (/quota/i.test(reason)) return fromStatus(answer, what)
  return new Failure('configuration', `Cannot ${what}: it is larger than the server takes.`, {
    remedy: 'Use a smaller --max-segment-size.',
    facts: { status: 413 },
  })
}

/** `Storage.get`. */
export async function* get(
  account: Account,
  place: Place,
  key: string,
  range: Range | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  if (!isReadableKey(key)) throw noKey(key)
  const path = pathOf(place.container, place.prefix + key)
  if (range?.length === 0) {
    await exists(account, place, path, key, signal)
    return
  }
  const headers = range === undefined ? {} : { range: spellRange(range) }
  const answer = await sendForObject(account, place.container, path, { method: 'GET', headers }, signal)
  const { status } = answer
  // The range begins at the end of the blob, or beyond it.
  if (status === 416 && range !== undefined) return answer.discard()
  if (status === 206 && range !== undefined) {
    yield* exactly(answer, lengthOf(answer, range, key), key)
  } else if (status === 200) {
    const whole = verified(answer, key)
    yield* range === undefined ? whole : cut(whole, range)
  } else {
    await answer.discard()
    throw status === 409 ? broken(key) : fromStatus(answer, `read ${key}`)
  }
}

function spellRange({ offset, length }: Range): string {
  const last = offset + length - 1
  return `bytes=${offset}-${Number.isSafeInteger(last) ? last : ''}`
}

async function exists(
  account: Account,
  { container }: Place,
  path: string,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = await sendForObject(account, container, path, { method: 'HEAD' }, signal)
  await answer.discard()
  if (answer.status >= 300) throw fromStatus(answer, `read ${key}`)
}

/** Bytes of an answer to `range`, by its own words. */
function lengthOf(answer: Answer, range: Range, key: string): number {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.header('content-range') ?? '')
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  const length = last - first + 1
  const isShort = length < range.length && last + 1 !== Number(match?.[3])
  if (first !== range.offset || !(length > 0) || length > range.length || isShort) {
    throw new Failure(
      'unavailable',
      `Cannot read ${key}: the server gives another part than was asked for.`,
      {
        remedy: 'Try again; if it stays so, something between here and the server alters what it says.',
      },
    )
  }
  return length
}

/** The body of `answer`, which has `length` bytes. */
async function* exactly(answer: Answer, length: number, key: string): AsyncGenerator<Uint8Array> {
  let received = 0
  for await (const chunk of answer.chunks()) {
    received += chunk.length
    if (received > length) break
    yield chunk
  }
  if (received !== length) throw notWhole(key)
}

/** The whole of a blob, compared with its digest where the server has one of all its bytes. */
async function* verified(answer: Answer, key: string): AsyncGenerator<Uint8Array> {
  const announced = answer.header('content-length')
  if (announced === undefined && answer.header('transfer-encoding') === undefined) {
    // Its end would be wherever the connection ends.
    await answer.discard()
    throw notWhole(key)
  }
  const etag = isLarge(answer) ? undefined : plainEtag(answer)
  const hash = etag === undefined ? undefined : createHash('md5')
  let received = 0
  for await (const chunk of answer.chunks()) {
    hash?.update(chunk)
    received += chunk.length
    yield chunk
  }
  if (announced !== undefined && received !== Number(announced)) throw notWhole(key)
  if (hash !== undefined && hash.digest('hex') !== etag) {
    throw new Failure('damaged', `${key} is not what its digest says.`, {
      remedy:
        'Run freezer check; if the container is well, something between here and the server alters what it says.',
    })
  }
}

/** The part of a whole blob that `range` names: a server need not know of ranges. */
async function* cut(whole: AsyncIterable<Uint8Array>, range: Range): AsyncGenerator<Uint8Array> {
  let at = 0
  for await (const chunk of whole) {
    const part = chunk.subarray(Math.max(0, range.offset - at), Math.max(0, range.offset + range.length - at))
    at += chunk.length
    if (part.length > 0) yield part
  }
}

/** A manifest of a large object, static or dynamic: its digest is not that of the bytes. */
export function isLarge(answer: Answer): boolean {
  return (
    answer.header('x-static-large-object') !== undefined || answer.header('x-object-manifest') !== undefined
  )
}

/** The ETag of an answer, where it is an MD5 as of an object in one piece. */
function plainEtag(answer: Answer): string | undefined {
  const etag = answer.header('etag')?.replace(/^"(.*)"$/, '$1')
  return etag !== undefined && /^[0-9a-f]{32}$/.test(etag) ? etag : undefined
}

function notWhole(key: string): Failure {
  return new Failure('unavailable', `${key} ended before it was whole.`, { remedy: 'Try again later.' })
}

function broken(key: string): Failure {
  return new Failure('damaged', `${key} is a large object, and segments of it are missing or were changed.`, {
    remedy: 'Store it anew from another copy of the container.',
    facts: { status: 409 },
  })
}

/** `Storage.remove`. */
export async function remove(
  account: Account,
  place: Place,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  throwIfAborted(signal)
  let answer: Answer
  try {
    const path = pathOfKey(place, key)
    answer = await sendForObject(account, place.container, path, { method: 'DELETE' }, signal)
  } catch (error) {
    // A container that is gone holds nothing.
    if (isFailure(error) && error.code === 'not-found') return
    throw error
  }
  await answer.discard()
  if (answer.status >= 300 && answer.status !== 404) throw fromStatus(answer, `remove ${key}`)
}

/** @throws Failure `internal` for a key that the storage contract does not permit */
function pathOfKey({ container, prefix }: Place, key: string): string {
  if (!isKey(key)) throw noKey(key)
  return pathOf(container, prefix + key)
}

function noKey(key: string): Failure {
  return new Failure('internal', `"${key}" is not a key.`)
}
