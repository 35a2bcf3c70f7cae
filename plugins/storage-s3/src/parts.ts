/** Large blobs, in parts (multipart upload): none of it is to be seen before the upload is completed. */
import { Failure, type Pace, throwIfAborted } from '@freezer/sdk'
import type { Bucket } from './bucket.ts'
import { digests } from './digests.ts'
import { fromRefusal } from './failures.ts'
import { contentsOf, textOf } from './xml.ts'

/** Bytes of a part, unless there would be too many. Amazon takes none below 5 MiB but the last. */
const usualPart = 16 * 1024 * 1024

/** Swift takes no more unless its operator says so, Amazon 10 000. */
const mostParts = 1000

const partsAtOnce = 4

/** Bytes of what a service says about an upload. */
const longestAnswer = 64 * 1024

/** Milliseconds that giving up an upload may take. */
const patience = 10_000

export interface LargeObject {
  readonly object: string
  readonly chunks: readonly Uint8Array[]
  /** Bytes. */
  readonly size: number
  /** Those of the object. */
  readonly headers: Readonly<Record<string, string>>
  readonly pace: Pace | undefined
  /** As in "store a/b in the bucket backups". */
  readonly what: string
}

/**
 * Stores `large`, a few parts at a time. An upload that fails, or is aborted, is given up, and the service drops its parts.
 * @throws Failure as `Storage.put`
 */
export async function putInParts(bucket: Bucket, large: LargeObject, signal: AbortSignal): Promise<void> {
  const id = await begin(bucket, large, signal)
  let etags: readonly string[]
  try {
    etags = await sendParts(bucket, large, id, signal)
  } catch (error) {
    await abandon(bucket, large.object, id)
    throw error
  }
  await complete(bucket, large, id, etags, signal)
}

async function begin(
  bucket: Bucket,
  { object, headers, what }: LargeObject,
  signal: AbortSignal,
): Promise<string> {
  const answer = await bucket.send({ method: 'POST', object, query: { uploads: '' }, headers }, signal)
  if (answer.status !== 200) return bucket.refuse(answer, what, signal)
  const id = textOf(await answer.text(longestAnswer), 'UploadId')
  if (id === undefined || id === '') throw notUnderstood(what)
  return id
}

/** The ETags of all parts, in order. All requests have ended when it returns or throws. */
async function sendParts(
  bucket: Bucket,
  large: LargeObject,
  id: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const size = Math.max(usualPart, Math.ceil(large.size / mostParts))
  const parts = partsOf(large.chunks, size)
  const failed = new AbortController()
  const stop = AbortSignal.any([signal, failed.signal])
  const etags: string[] = []
  const sendSome = async () => {
    // One generator for all of them: each takes the next part.
    for (const part of parts) etags[part.number - 1] = await sendPart(bucket, large, id, part, stop)
  }
  const streams = Array.from({ length: partsAtOnce }, () =>
    sendSome().catch((error: unknown) => {
      failed.abort(error)
      throw error
    }),
  )
  const outcomes = await Promise.allSettled(streams)
  throwIfAborted(signal)
  // What the others ended with is only that they were stopped.
  if (outcomes.some(({ status }) => status === 'rejected')) throw failed.signal.reason
  return etags
}

interface Part {
  /** Counted from 1. */
  readonly number: number
  readonly body: readonly Uint8Array[]
}

/** `chunks` in parts of `size` bytes, without copying; the last is what is left. */
function* partsOf(chunks: readonly Uint8Array[], size: number): Generator<Part> {
  let number = 1
  let body: Uint8Array[] = []
  let room = size
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + room)
      body.push(piece)
      at += piece.length
      room -= piece.length
      if (room > 0) continue
      yield { number, body }
      number++
      body = []
      room = size
    }
  }
  if (body.length > 0) yield { number, body }
}

async function sendPart(
  bucket: Bucket,
  { object, pace, what }: LargeObject,
  id: string,
  { number, body }: Part,
  signal: AbortSignal,
): Promise<string> {
  throwIfAborted(signal)
  const { sha256, md5 } = await digests(body, signal)
  const query = { partNumber: String(number), uploadId: id }
  const headers = { 'content-md5': md5 }
  const answer = await bucket.send({ method: 'PUT', object, query, headers, body, sha256, pace }, signal)
  if (answer.status !== 200) return bucket.refuse(answer, what, signal)
  const etag = answer.header('etag')
  await answer.discard()
  if (etag === undefined || etag === '') throw notUnderstood(what)
  return etag
}

/**
 * Makes the parts an object. When it is not known what became of it, the upload is left alone: the object may be there
 * then, and giving the upload up would take the parts away from beneath it (so it is with Swift).
 */
async function complete(
  bucket: Bucket,
  { object, what }: LargeObject,
  id: string,
  etags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const parts = etags.map(
    (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeText(etag)}</ETag></Part>`,
  )
  const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`
  const body = [Buffer.from(xml)]
  const { sha256, md5 } = await digests(body, signal)
  const headers = { 'content-type': 'application/xml', 'content-md5': md5 }
  const answer = await bucket.send(
    { method: 'POST', object, query: { uploadId: id }, headers, body, sha256 },
    signal,
  )
  if (answer.status !== 200) {
    try {
      return await bucket.refuse(answer, what, signal)
    } finally {
      // Then it is known: there is no object, and there will be none.
      if (answer.status < 500 && answer.status !== 404) await abandon(bucket, object, id)
    }
  }
  // A service that takes long says 200 first, and only then how it went.
  const text = await answer.text(longestAnswer)
  if (contentsOf(text, 'CompleteMultipartUploadResult').length > 0) return
  if (contentsOf(text, 'Error').length === 0) throw notUnderstood(what)
  throw fromRefusal(bucket.refusalOf(answer, text), what)
}

/** Also for who was told to stop, so not by that signal. What cannot be given up now is a leftover (leftovers.ts). */
async function abandon(bucket: Bucket, object: string, id: string): Promise<void> {
  const signal = AbortSignal.timeout(patience)
  await bucket
    .send({ method: 'DELETE', object, query: { uploadId: id } }, signal)
    .then((answer) => answer.discard())
    .catch(() => {})
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function notUnderstood(what: string): Failure {
  return new Failure('unavailable', `Cannot ${what}: the answer about its parts is none.`, {
    remedy: 'Try again; if it stays so, use a --max-segment-size of at most 64M.',
  })
}
