/** Listings of a bucket, page by page (ListObjectsV2). */
import { Failure, isReadableKey, type StoredBlob, throwIfAborted } from '@freezer/sdk'
import type { Bucket } from './bucket.ts'
import { fromRefusal, noBucket } from './failures.ts'
import type { Answer } from './http.ts'
import type { Place } from './objects.ts'
import { contentsOf, textOf } from './xml.ts'

/** A page has 1000 names of 1024 bytes, some of which take several letters each. */
const longestPage = 64 * 1024 * 1024

interface Page {
  readonly blobs: readonly StoredBlob[]
  /** Where the next page begins; undefined after the last. */
  readonly next: string | undefined
}

/** `Storage.list`. */
export async function* list(place: Place, prefix: string, signal: AbortSignal): AsyncGenerator<StoredBlob> {
  let token: string | undefined
  do {
    throwIfAborted(signal)
    const { blobs, next } = await readPage(place, prefix, token, signal)
    for (const { key, size } of blobs) {
      throwIfAborted(signal)
      const own = key.slice(place.prefix.length)
      if (key.startsWith(place.prefix + prefix) && isReadableKey(own)) yield { key: own, size }
    }
    // A service that begins anew would have no last page.
    if (next !== undefined && next === token) throw notAListing(place.bucket.name)
    token = next
  } while (token !== undefined)
}

async function readPage(
  { bucket, prefix: own }: Place,
  prefix: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Page> {
  const query = {
    ...(token === undefined ? {} : { 'continuation-token': token }),
    'encoding-type': 'url',
    'list-type': '2',
    ...(own + prefix === '' ? {} : { prefix: own + prefix }),
  }
  const answer = await bucket.send({ method: 'GET', query }, signal)
  return parsePage(await textOfListing(bucket, answer), bucket.name)
}

async function textOfListing(bucket: Bucket, answer: Answer): Promise<string> {
  if (answer.status === 200) return answer.text(longestPage)
  const refusal = await bucket.refusal(answer)
  if (refusal.code === 'NoSuchBucket' || (refusal.status === 404 && refusal.code === '')) {
    throw noBucket(bucket.name)
  }
  throw fromRefusal(refusal, `list the bucket ${bucket.name}`)
}

/** @throws Failure `unavailable` for what is not the whole of a page */
export function parsePage(xml: string, bucket: string): Page {
  const [result] = contentsOf(xml, 'ListBucketResult')
  if (result === undefined) throw notAListing(bucket)
  const decode = textOf(result, 'EncodingType') === 'url' ? decodeName : (name: string) => name
  const blobs = contentsOf(result, 'Contents').map((content) => {
    const [key, size] = [textOf(content, 'Key'), textOf(content, 'Size')]
    if (key === undefined || size === undefined || !/^\d+$/.test(size)) throw notAListing(bucket)
    return { key: decode(key), size: Number(size) }
  })
  const truncated = textOf(result, 'IsTruncated')
  const next = textOf(result, 'NextContinuationToken')
  const count = textOf(result, 'KeyCount')
  if (count !== undefined && Number(count) !== blobs.length) throw notAListing(bucket)
  if (truncated === 'false') return { blobs, next: undefined }
  if (truncated !== 'true' || next === undefined || next === '') throw notAListing(bucket)
  return { blobs, next }
}

/** Names are written as in a form: a plus is a space. */
export function decodeName(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}

function notAListing(bucket: string): Failure {
  return new Failure('unavailable', `What the service gives as listing of the bucket ${bucket} is none.`, {
    remedy: 'Try again; if it stays so, check --endpoint.',
  })
}
