import { createHash } from 'node:crypto'
import { readProxies } from '@freezer/proxy'
import { asFailure, type Context, type Options, type Storage, throwIfAborted } from '@freezer/sdk'
import { Bucket } from './bucket.ts'
import { identify } from './credentials.ts'
import { fromRefusal, noBucket } from './failures.ts'
import { Http } from './http.ts'
import { dropLeftovers } from './leftovers.ts'
import { list, parsePage } from './listing.ts'
import { lockOf } from './lock.ts'
import { get, type Place, put, remove } from './objects.ts'
import type { s3Options } from './options.ts'
import { parsePlace } from './place.ts'

/** Bytes of a segment: every blob costs a request, which is paid for in many places. */
const segmentSize = 16 * 2 ** 20

/** The region that needs no word where a bucket is made. */
const usualRegion = 'us-east-1'

/** Bytes of a listing that has nothing to list. */
const longestAnswer = 64 * 1024

/**
 * Opens the bucket that `options` name.
 * @throws Failure `usage`, `configuration`, `key`, `untrusted`, `not-found`, `denied`, `unavailable`
 */
export async function openStorage(
  options: Options<typeof s3Options>,
  context: Context,
  create: boolean,
): Promise<Storage> {
  const lock = lockOf(options, context)
  const { bucket: name, prefix } = parsePlace(options.container)
  const identity = await identify(options, process.env)
  const { s3Cacert: cacert, insecure, s3Timeout: timeout } = options
  const proxies = readProxies(options, process.env)
  const http = await Http.create({ timeout, cacert, insecure, proxies })
  const virtual = isVirtual(options.s3Addressing, identity.endpoint, name)
  const place = { bucket: new Bucket({ name, identity, virtual, http }), prefix, lock }
  try {
    await check(place, create, context.signal)
    if (create) await prepare(place, context)
  } catch (error) {
    http.close()
    throw error
  }
  return {
    segmentSize,
    put: (key, chunks, stop, pace) => put(place, key, chunks, stop, pace),
    get: (key, range, stop) => get(place, key, range, stop),
    list: (start, stop) => list(place, start, stop),
    remove: (key, stop) => remove(place, key, stop),
    close: () => {
      http.close()
      return Promise.resolve()
    },
  }
}

function isVirtual(addressing: string, endpoint: string, bucket: string): boolean {
  if (addressing !== 'auto') return addressing === 'virtual'
  // A name with a dot fits no certificate.
  return /\.amazonaws\.com(?:\.cn)?$/.test(new URL(endpoint).hostname) && /^[a-z0-9-]+$/.test(bucket)
}

/**
 * Lists, for it to fail here if it fails at all: an answer to HEAD says no more than a number. No key begins with a dot, so
 * there is nothing to list.
 */
async function check({ bucket, prefix, lock }: Place, create: boolean, signal: AbortSignal): Promise<void> {
  const query = { 'list-type': '2', 'max-keys': '1', prefix: `${prefix}.` }
  const answer = await bucket.send({ method: 'GET', query }, signal)
  if (answer.status === 200) {
    parsePage(await answer.text(longestAnswer), bucket.name)
    return
  }
  const refusal = await bucket.refusal(answer)
  if (refusal.status !== 404) throw fromRefusal(refusal, `open the bucket ${bucket.name}`)
  if (!create) throw noBucket(bucket.name)
  await make(bucket, lock !== undefined, signal)
}

/** What is done before anything is written: a bucket that does not lock fails early, and what killed runs left is dropped. */
async function prepare(place: Place, { signal, now, report }: Context): Promise<void> {
  await place.lock?.headers(place.bucket, signal)
  try {
    await dropLeftovers(place, now(), signal)
  } catch (error) {
    throwIfAborted(signal)
    const { message } = asFailure(error)
    report({ type: 'log', level: 'debug', message: `Uploads that were left behind stay: ${message}` })
  }
}

/** Makes the bucket, also when another process made it just now. */
async function make(bucket: Bucket, locks: boolean, signal: AbortSignal): Promise<void> {
  const xml =
    bucket.region === usualRegion
      ? ''
      : `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${bucket.region}</LocationConstraint></CreateBucketConfiguration>`
  const sha256 = createHash('sha256').update(xml).digest('hex')
  const headers = locks ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {}
  const body = [Buffer.from(xml)]
  const answer = await bucket.send({ method: 'PUT', headers, body, sha256 }, signal)
  if (answer.status === 200) {
    await answer.discard()
    return
  }
  const refusal = await bucket.refusal(answer)
  if (refusal.code !== 'BucketAlreadyOwnedByYou') throw fromRefusal(refusal, `make the bucket ${bucket.name}`)
}
