/** Requests to a service: connections that are kept, patience that ends, certificates that are checked. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { lackOf, type Proxies, type Proxy, refusalOf } from '@freezer/proxy'
import { Failure, type Pace, throwIfAborted } from '@freezer/sdk'
import { fromConnection } from './failures.ts'

/** Bytes written at once: what may take as long as the patience is. */
const pieceSize = 256 * 1024

/** Bytes of an answer that is read only so that its connection can be used again. */
const mostDiscarded = 64 * 1024

export interface HttpOptions {
  /** Milliseconds that a server may stay silent. */
  readonly timeout: number
  /** File with the certificates of the authorities to trust. */
  readonly cacert: string | undefined
  readonly insecure: boolean
  readonly proxies: Proxies
}

export interface HttpRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent in this order; it may be sent again, so it stays as it is until the answer is there. */
  readonly body: readonly Uint8Array[]
  /** Awaited before each piece of the body. */
  readonly pace?: Pace | undefined
}

interface Agents {
  readonly http: http.Agent
  readonly https: https.Agent
}

/** What requests go out by. Closed once, when all answers were read. */
export class Http {
  readonly #tls: https.AgentOptions
  readonly #timeout: number
  readonly #proxies: Proxies
  /** By the address of a proxy; the empty one is none. */
  readonly #agents = new Map<string, Agents>()

  private constructor({ timeout, insecure, proxies }: HttpOptions, ca: string | undefined) {
    this.#tls = { rejectUnauthorized: !insecure, ...(ca === undefined ? {} : { ca }) }
    this.#timeout = timeout
    this.#proxies = proxies
  }

  /** @throws Failure `configuration` when the certificates cannot be read */
  static async create(options: HttpOptions): Promise<Http> {
    const { cacert } = options
    return new Http(options, cacert === undefined ? undefined : await readCertificates(cacert))
  }

  #agentsOf(proxy: Proxy | undefined): Agents {
    const known = this.#agents.get(proxy?.url ?? '')
    if (known !== undefined) return known
    const by = proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url } }
    const common = { keepAlive: true, maxFreeSockets: 16, ...by }
    const agents = { http: new http.Agent(common), https: new https.Agent({ ...common, ...this.#tls }) }
    this.#agents.set(proxy?.url ?? '', agents)
    return agents
  }

  /**
   * Sends one request. Once more when a connection that was kept turns out to have been ended by then.
   * @throws Failure `unavailable`, `not-found` for a machine that nobody knows, `untrusted`, `interrupted`
   */
  async send(url: URL, request: HttpRequest, signal: AbortSignal): Promise<Answer> {
    const proxy = this.#proxies.of(url)
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(signal)
      const outgoing = this.#open(url, request, this.#agentsOf(proxy))
      const abort = () => outgoing.destroy()
      signal.addEventListener('abort', abort, { once: true })
      try {
        const message = await exchange(outgoing, request)
        if (proxy !== undefined && message.statusCode === 407) throw refusalOf(proxy, 407, url)
        return new Answer(url, message, this.#timeout, signal)
      } catch (error) {
        outgoing.destroy()
        throwIfAborted(signal)
        const { code } = error as NodeJS.ErrnoException
        const stale = outgoing.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE')
        if (stale && attempt <= 2) continue
        throw (proxy === undefined ? undefined : byProxy(error, proxy, url)) ?? fromConnection(error, url)
      } finally {
        signal.removeEventListener('abort', abort)
      }
    }
  }

  #open(url: URL, { method, headers, body }: HttpRequest, agents: Agents): http.ClientRequest {
    const length = body.reduce((sum, chunk) => sum + chunk.length, 0)
    const withBody = length > 0 || method === 'PUT' || method === 'POST'
    const options = {
      method,
      headers: { ...headers, ...(withBody ? { 'content-length': String(length) } : {}) },
      timeout: this.#timeout,
    }
    const outgoing =
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: agents.https })
        : http.request(url, { ...options, agent: agents.http })
    outgoing.on('timeout', () => {
      outgoing.destroy(Object.assign(new Error('silent'), { code: 'ETIMEDOUT' }))
    })
    return outgoing
  }

  close(): void {
    for (const agents of this.#agents.values()) {
      agents.http.destroy()
      agents.https.destroy()
    }
  }
}

/** Why a request does not get through `proxy`; undefined when it is not for that. */
function byProxy(error: unknown, proxy: Proxy, url: URL): Failure | undefined {
  if (!(error instanceof Error)) return undefined
  const { code = '', statusCode } = error as NodeJS.ErrnoException & { readonly statusCode?: number }
  if (code === 'ERR_PROXY_TUNNEL') {
    if (statusCode !== undefined && statusCode >= 300) return refusalOf(proxy, statusCode, url)
    return lackOf(proxy, /timed out/.test(error.message) ? 'ETIMEDOUT' : code)
  }
  return /^(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/.test(code)
    ? lackOf(proxy, code)
    : undefined
}

/** Sends the body, and waits for the beginning of the answer, which may come before all was sent. */
async function exchange(outgoing: http.ClientRequest, { body, pace }: HttpRequest): Promise<IncomingMessage> {
  const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const settled = new AbortController()
  outgoing.on('response', (message) => {
    resolve(message)
    settled.abort()
  })
  // Also after the answer has come: then it is the answer that counts.
  for (const event of ['error', 'close']) {
    outgoing.on(event, (error: unknown = Object.assign(new Error('closed'), { code: 'ECONNRESET' })) => {
      reject(error)
      settled.abort()
    })
  }
  answered.catch(() => {})
  for (const piece of pieces(body)) {
    // Ends with the request at the latest: whoever is interrupted destroys it.
    await pace?.(piece.length)
    if (settled.signal.aborted) {
      const message = await answered
      // The rest of the body would be expected on this connection, where the next request must not be.
      message.once('close', () => outgoing.destroy())
      return message
    }
    if (!outgoing.write(piece)) await once(outgoing, 'drain', { signal: settled.signal }).catch(() => {})
  }
  outgoing.end()
  return answered
}

function* pieces(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += pieceSize) yield chunk.subarray(at, at + pieceSize)
  }
}

/** What a server answered, whatever its status. The body is read to its end, or given up with `discard`. */
export class Answer {
  readonly status: number
  readonly #url: URL
  readonly #message: IncomingMessage
  readonly #timeout: number
  readonly #signal: AbortSignal

  constructor(url: URL, message: IncomingMessage, timeout: number, signal: AbortSignal) {
    this.status = message.statusCode ?? 0
    this.#url = url
    this.#message = message
    this.#timeout = timeout
    this.#signal = signal
    // From here on, silence counts only while somebody waits.
    message.socket.setTimeout(0)
    message.on('error', () => {})
  }

  /** The value of a header, by its name in small letters. */
  header(name: string): string | undefined {
    const value = this.#message.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /**
   * The body in chunks that belong to whoever receives them. One that is shorter than was announced is a failure.
   * @throws Failure `unavailable`, `interrupted`
   */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const message = this.#message
    const abort = () => message.destroy()
    this.#signal.addEventListener('abort', abort, { once: true })
    try {
      const iterator = message[Symbol.asyncIterator]() as AsyncIterator<Buffer>
      for (;;) {
        throwIfAborted(this.#signal)
        const next = await this.#patiently(iterator.next())
        throwIfAborted(this.#signal)
        if (next.done === true) break
        yield owned(next.value)
      }
      if (!message.complete) throw Object.assign(new Error('cut'), { code: 'ECONNRESET' })
    } catch (error) {
      throwIfAborted(this.#signal)
      throw fromConnection(error, this.#url)
    } finally {
      this.#signal.removeEventListener('abort', abort)
      if (!message.complete) message.destroy()
    }
  }

  /** All of the body. @throws Failure `unavailable` also when it has more than `limit` bytes */
  async text(limit: number): Promise<string> {
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of this.chunks()) {
      size += chunk.length
      if (size > limit) {
        throw new Failure('unavailable', `${this.#url.host} gave an answer without end.`, {
          remedy: 'Check the address of the service.',
        })
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  /** Is done with the body. A short one is read, so that the connection can be used again. */
  async discard(): Promise<void> {
    const length = Number(this.header('content-length') ?? 0)
    if (length > mostDiscarded) this.#message.destroy()
    // The status is what counted, and is known.
    else await this.text(mostDiscarded).catch(() => throwIfAborted(this.#signal))
  }

  async #patiently<T>(promise: Promise<T>): Promise<T> {
    const silent = () => this.#message.destroy(Object.assign(new Error('silent'), { code: 'ETIMEDOUT' }))
    const timer = setTimeout(silent, this.#timeout)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }
}

/** `chunk` in memory that is nobody else's: the receiver may transfer it to a thread. */
function owned(chunk: Buffer): Buffer {
  if (chunk.length === chunk.buffer.byteLength) return chunk
  const copy = Buffer.allocUnsafeSlow(chunk.length)
  chunk.copy(copy)
  return copy
}

async function readCertificates(file: string): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new Failure('configuration', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`, {
      remedy: 'Check the path, and that you may read the file.',
      cause: error,
    })
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new Failure('configuration', `${file} holds no certificates.`, {
    remedy: '--s3-cacert names a file in the form PEM.',
  })
}
