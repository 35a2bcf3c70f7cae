/** Requests to a service: connections that are kept, patience that ends, certificates that are checked. */
import { Readable } from 'node:stream'
import { lackOf, type Proxies, type Proxy, refusalOf } from '@freezer/proxy'
import { Failure, isFailure, type Pace, throwIfAborted } from '@freezer/sdk'
import { Agent, type Dispatcher, Pool, ProxyAgent, request } from 'undici'
import { readNamed } from './files.ts'

export interface HttpOptions {
  /** Milliseconds that a server may stay silent. */
  readonly timeout: number
  /** File with the certificates of the authorities to trust. */
  readonly cacert: string | undefined
  readonly insecure: boolean
  readonly proxies: Proxies
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  /** Sent in this order; it may be sent again, so it stays as it is until the answer is there. */
  readonly body?: readonly Uint8Array[]
  /** Awaited before each chunk of the body. */
  readonly pace?: Pace | undefined
}

/** What a server answered, whatever its status. The body is read to its end, or given up with `discard`. */
export interface Answer {
  readonly status: number
  /** The value of a header, by its name in small letters. */
  header(name: string): string | undefined
  /**
   * The body in chunks of at most 512 KiB that belong to whoever receives them. One that is shorter than was announced is a
   * failure.
   * @throws Failure `unavailable`, `interrupted`
   */
  chunks(): AsyncGenerator<Uint8Array>
  /** All of the body. @throws Failure `unavailable` also when it has more than `limit` bytes */
  text(limit: number): Promise<string>
  /** Is done with the body. A short one is read, so that the connection can be used again. */
  discard(): Promise<void>
}

const chunkSize = 512 * 1024

/** Milliseconds for a connection to come about. */
const connectTimeout = 15_000

/** What requests go out by. Closed once, when all answers were read. */
export class Http {
  readonly #options: HttpOptions
  readonly #tls: { readonly rejectUnauthorized: boolean; readonly ca?: string }
  /** By the address of a proxy; the empty one is none. */
  readonly #agents = new Map<string, Dispatcher>()

  private constructor(options: HttpOptions, ca: string | undefined) {
    this.#options = options
    this.#tls = { rejectUnauthorized: !options.insecure, ...(ca === undefined ? {} : { ca }) }
  }

  /** @throws Failure `configuration`, or that of the system, when the certificates cannot be read */
  static async create(options: HttpOptions): Promise<Http> {
    const { cacert } = options
    return new Http(options, cacert === undefined ? undefined : await readCertificates(cacert))
  }

  #agent(proxy: Proxy | undefined): Dispatcher {
    const known = this.#agents.get(proxy?.url ?? '')
    if (known !== undefined) return known
    const { timeout } = this.#options
    const patience = { headersTimeout: timeout, bodyTimeout: timeout, allowH2: false } as const
    const tls = { timeout: Math.min(timeout, connectTimeout), ...this.#tls }
    const agent =
      proxy === undefined
        ? new Agent({ ...patience, connect: tls })
        : new ProxyAgent({
            ...patience,
            uri: proxy.url,
            connectTimeout: tls.timeout,
            requestTls: tls,
            proxyTls: tls,
            clientFactory: (origin, options) => new Pool(origin, { ...options, ...patience }),
          })
    this.#agents.set(proxy?.url ?? '', agent)
    return agent
  }

  /**
   * Sends one request, once.
   * @throws Failure `unavailable`, `not-found` for a machine that nobody knows, `untrusted`, `interrupted`
   */
  async send(
    url: string,
    { method, headers = {}, body = [], pace }: HttpRequest,
    signal: AbortSignal,
  ): Promise<Answer> {
    throwIfAborted(signal)
    const length = body.reduce((sum, chunk) => sum + chunk.length, 0)
    const { proxies, timeout } = this.#options
    const proxy = proxies.of(new URL(url))
    try {
      const {
        statusCode,
        headers: received,
        body: content,
      } = await request(url, {
        dispatcher: this.#agent(proxy),
        headersTimeout: timeout,
        bodyTimeout: timeout,
        method,
        headers: {
          'user-agent': 'freezer',
          ...headers,
          ...(length === 0 ? {} : { 'content-length': String(length) }),
        },
        body: length === 0 ? null : Readable.from(pace === undefined ? body : paced(body, pace)),
        highWaterMark: chunkSize,
        // A signal of its own: many requests at once are many listeners on the one that was given.
        signal: AbortSignal.any([signal]),
      })
      return new Received(url, statusCode, received, content, signal)
    } catch (error) {
      throwIfAborted(signal)
      throw (proxy === undefined ? undefined : byProxy(error, proxy, url)) ?? explain(error, url, signal)
    }
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#agents.values(), (agent) => agent.destroy()))
  }
}

async function* paced(body: readonly Uint8Array[], pace: Pace): AsyncGenerator<Uint8Array> {
  for (const chunk of body) {
    await pace(chunk.length)
    yield chunk
  }
}

type Content = Awaited<ReturnType<typeof request>>['body']

class Received implements Answer {
  readonly status: number
  readonly #url: string
  readonly #headers: Readonly<Record<string, string | string[] | undefined>>
  readonly #content: Content
  readonly #signal: AbortSignal

  constructor(
    url: string,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    content: Content,
    signal: AbortSignal,
  ) {
    this.#url = url
    this.status = status
    this.#headers = headers
    this.#content = content
    this.#signal = signal
  }

  header(name: string): string | undefined {
    const value = this.#headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    let chunk: Buffer | undefined
    let filled = 0
    try {
      for await (const piece of this.#content as AsyncIterable<Buffer>) {
        throwIfAborted(this.#signal)
        for (let at = 0; at < piece.length; ) {
          chunk ??= Buffer.allocUnsafeSlow(chunkSize)
          const copied = piece.copy(chunk, filled, at)
          at += copied
          filled += copied
          if (filled < chunk.length) continue
          const full = chunk
          chunk = undefined
          filled = 0
          yield full
          throwIfAborted(this.#signal)
        }
      }
      if (chunk !== undefined && filled > 0) yield chunk.subarray(0, filled)
    } catch (error) {
      throw explain(error, this.#url, this.#signal)
    } finally {
      this.#content.destroy()
    }
  }

  async text(limit: number): Promise<string> {
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of this.chunks()) {
      size += chunk.length
      if (size > limit) {
        throw new Failure('unavailable', `${place(this.#url)} gave an answer without end.`, {
          remedy: 'Check the address; ask the operator of the cloud.',
        })
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  async discard(): Promise<void> {
    try {
      await this.#content.dump({ limit: 65_536 })
    } catch (error) {
      throwIfAborted(this.#signal)
      if (!(error instanceof Error)) throw error
      // The status is what counted, and is known.
    }
  }
}

async function readCertificates(file: string): Promise<string> {
  const text = await readNamed(file, 'The file of certificates')
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new Failure('configuration', `${file} holds no certificates.`, {
    remedy: 'OS_CACERT or --os-cacert names a file in the form PEM.',
  })
}

/** Which machine and port: no path, which may name an account. */
function place(url: string): string {
  return new URL(url).host
}

/** Why a request does not get through `proxy`; undefined when it is not for that. */
function byProxy(error: unknown, proxy: Proxy, url: string): Failure | undefined {
  const message = error instanceof Error ? error.message : ''
  // All that undici says of a proxy that refuses is in these words.
  const status = /^Proxy (?:response|Authentication Required) \((\d+)\)/.exec(message)?.[1]
  if (status !== undefined) return refusalOf(proxy, Number(status), new URL(url))
  const code = codeOf(error)
  const cannotConnect =
    /^(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/
  // Behind a tunnel it is the proxy that speaks something else, most likely.
  const isNone =
    code === 'UND_ERR_PRX_CONN' ||
    code === 'UND_ERR_PRX_TLS' ||
    (url.startsWith('https:') && error instanceof Error && error.name === 'HTTPParserError')
  return cannotConnect.test(code) || isNone ? lackOf(proxy, code) : undefined
}

/** The code of an error, or of what caused it. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return ''
  const code: unknown = 'code' in error ? error.code : undefined
  if (typeof code === 'string') return code
  return error.cause === undefined ? '' : codeOf(error.cause)
}

const certificateCodes =
  /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH/

function remedyOfCertificate(code: string): string {
  if (/EXPIRED|NOT_YET_VALID/.test(code)) return 'Have it renewed there; check the clock of this machine.'
  if (/ALTNAME|HOSTNAME/.test(code)) {
    return 'Use a name that stands in it; what answers there may not be the machine that you mean.'
  }
  return 'Name the certificate of the authority that signed it with --os-cacert or OS_CACERT.'
}

/** Why there is no answer, or no end of it. Nothing of the request is in it, for that holds secrets. */
function explain(error: unknown, url: string, signal: AbortSignal): Failure {
  throwIfAborted(signal)
  if (isFailure(error)) return error
  const where = place(url)
  const code = codeOf(error)
  const facts = { system: code }
  const unavailable = (
    message: string,
    remedy = 'Check that it is up and can be reached; try again later.',
  ) => new Failure('unavailable', message, { remedy, facts })
  if (code === 'UND_ERR_INVALID_ARG') {
    return new Failure(
      'configuration',
      'What you log in with has characters that no header of HTTP can carry.',
      {
        remedy: 'Check the user, the key or the token: line ends and control characters are none of it.',
      },
    )
  }
  if (code === 'ENOTFOUND') {
    return new Failure('not-found', `There is no machine called ${new URL(url).hostname}.`, {
      remedy: 'Check OS_AUTH_URL; an address of the catalogue is corrected by the operator of the cloud.',
      facts,
    })
  }
  if (code === 'EAI_AGAIN') return unavailable(`The name ${new URL(url).hostname} cannot be looked up now.`)
  if (code === 'ECONNREFUSED') {
    return unavailable(`${where} refuses the connection.`, 'Check the address, and that a server runs there.')
  }
  if (/TIMEOUT/.test(code)) return unavailable(`${where} does not answer.`)
  if (certificateCodes.test(code)) {
    return new Failure('untrusted', `The certificate of ${where} is not to be trusted: ${code}.`, {
      remedy: remedyOfCertificate(code),
      facts,
    })
  }
  if (/SSL|EPROTO/.test(code)) {
    return unavailable(
      `${where} does not speak TLS.`,
      'Check whether the address begins with http: or https:.',
    )
  }
  if (error instanceof Error && error.name === 'HTTPParserError') {
    return unavailable(
      `${where} does not speak HTTP.`,
      'Check the address, and whether it begins with https:.',
    )
  }
  if (code !== '') return unavailable(`The connection to ${where} was lost: ${code}.`)
  return new Failure('internal', `The request to ${where} failed.`, {
    cause: error,
    remedy: 'This is a defect: please report it.',
  })
}
