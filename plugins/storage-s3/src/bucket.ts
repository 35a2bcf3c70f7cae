import { createHash } from 'node:crypto'
import { Failure, type Pace } from '@freezer/sdk'
import { AwsV4Signer } from 'aws4fetch'
import type { Identity } from './credentials.ts'
import { fromRefusal, noBucket, type Refusal } from './failures.ts'
import type { Answer, Http } from './http.ts'
import { textOf } from './xml.ts'

/** Bytes of what a service says when it refuses. */
const longestReason = 64 * 1024

/** SHA-256 of nothing. */
const nothingHashed = createHash('sha256').digest('hex')

export interface BucketRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** Name of an object; the bucket itself without one. */
  readonly object?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
  readonly pace?: Pace | undefined
  /** SHA-256 of the body, in hexadecimal. */
  readonly sha256?: string
}

export interface BucketSettings {
  readonly name: string
  readonly identity: Identity
  /** Whether the name stands before that of the host. */
  readonly virtual: boolean
  readonly http: Http
}

/** A bucket of a service. */
export class Bucket {
  readonly name: string
  readonly region: string
  readonly #settings: BucketSettings
  /** Keys derived for a day. */
  readonly #derived = new Map<string, ArrayBuffer>()

  constructor(settings: BucketSettings) {
    this.name = settings.name
    this.region = settings.identity.region
    this.#settings = settings
  }

  /** Signs a request, sends it, gives the answer whatever its status. @throws what `Http.send` throws */
  async send(request: BucketRequest, signal: AbortSignal): Promise<Answer> {
    const { method, body = [], sha256 = nothingHashed } = request
    const { credentials, region } = this.#settings.identity
    const { sessionToken } = credentials
    const signer = new AwsV4Signer({
      method,
      url: this.#url(request).href,
      headers: { ...request.headers, 'x-amz-content-sha256': sha256 },
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 's3',
      region,
      cache: this.#derived,
    })
    const { url, headers } = await signer.sign()
    const sent = { 'user-agent': 'freezer', ...Object.fromEntries(headers) }
    return this.#settings.http.send(url, { method, headers: sent, body, pace: request.pace }, signal)
  }

  /** Why the service refuses; reads the body of `answer`. */
  async refusal(answer: Answer): Promise<Refusal> {
    return this.refusalOf(answer, await answer.text(longestReason).catch(() => ''))
  }

  /** The same where `text`, the body, was read. */
  refusalOf(answer: Answer, text: string): Refusal {
    const code = textOf(text, 'Code') ?? ''
    return {
      status: answer.status,
      code: /^[\w.-]{1,80}$/.test(code) ? code : '',
      region: answer.header('x-amz-bucket-region') ?? textOf(text, 'Region'),
      request: answer.header('x-amz-request-id'),
      retryAfter: retryAfter(answer.header('retry-after')),
      location: URL.parse(answer.header('location') ?? '')?.origin,
    }
  }

  /** @throws Failure for what the service refuses; `what` was being done, as in "store a/b in the bucket backups" */
  async refuse(answer: Answer, what: string, signal: AbortSignal): Promise<never> {
    const refusal = await this.refusal(answer)
    throw refusal.code === 'NoSuchBucket' ? await this.missing(what, signal) : fromRefusal(refusal, what)
  }

  /** Why there is said to be no bucket: some services say the same when they cannot look for it now. */
  async missing(what: string, signal: AbortSignal): Promise<Failure> {
    const found = await this.send({ method: 'HEAD' }, signal)
    await found.discard()
    if (found.status === 404) return noBucket(this.name)
    return new Failure('unavailable', `Cannot ${what}: the service cannot look for the bucket now.`, {
      remedy: 'Try again later.',
    })
  }

  #url({ object, query = {} }: BucketRequest): URL {
    const { name, virtual, identity } = this.#settings
    const url = new URL(identity.endpoint)
    const path = object === undefined ? '' : object.split('/').map(encodeURIComponent).join('/')
    const base = url.pathname.replace(/\/$/, '')
    if (virtual) url.hostname = `${name}.${url.hostname}`
    url.pathname = virtual ? `${base}/${path}` : `${base}/${name}/${path}`.replace(/\/$/, '')
    // Not by URLSearchParams, which writes a space as a plus: services differ in how they sign that.
    url.search = Object.entries(query)
      .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
      .join('&')
    return url
  }
}

/** Seconds that a header `Retry-After` asks for (RFC 9110, 10.2.3). */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined
}
