import { readProxies } from '@freezer/proxy'
import { Failure, isTemporary, throwIfAborted } from '@freezer/sdk'
import { type Answer, Http, type HttpRequest } from './http.ts'
import { readIdentity } from './identity.ts'
import { type Grant, logIn } from './keystone.ts'
import type { OpenstackOptions } from './options.ts'

/** Who is logged in to a cloud, and stays so: the token is renewed before it expires, and when it is refused. */
export class Session {
  readonly #http: Http
  readonly #logIn: (signal: AbortSignal) => Promise<Grant>
  readonly #closing = new AbortController()
  #grant: Grant
  #renewal: Promise<void> | undefined

  private constructor(http: Http, how: (signal: AbortSignal) => Promise<Grant>, grant: Grant) {
    this.#http = http
    this.#logIn = how
    this.#grant = grant
  }

  /**
   * Logs in.
   * @throws Failure `configuration`, `denied`, `not-found`, `untrusted`, `unavailable`
   */
  static async open(
    options: OpenstackOptions,
    environment: Readonly<Record<string, string | undefined>>,
    signal: AbortSignal,
  ): Promise<Session> {
    const identity = await readIdentity(options, environment)
    const { cacert, insecure } = identity
    const proxies = readProxies(options, environment)
    const http = await Http.create({ timeout: options.osTimeout, cacert, insecure, proxies })
    try {
      const how = (stop: AbortSignal) => logIn(http, identity, stop)
      return new Session(http, how, await how(signal))
    } catch (error) {
      await http.close()
      throw error
    }
  }

  /** The address of a service, without a slash at its end. @throws Failure `not-found`, `configuration` */
  endpoint(types: readonly string[]): string {
    return this.#grant.endpoint(types)
  }

  /**
   * Sends a request with a token that is good; when it is refused all the same, once more with a new one.
   * @throws Failure `unavailable`, `untrusted`, `denied`, `interrupted`
   */
  async send(url: string, request: HttpRequest, signal: AbortSignal): Promise<Answer> {
    throwIfAborted(signal)
    await this.#renewEarly(signal)
    const used = this.#grant
    const answer = await this.#sendWith(used, url, request, signal)
    if (answer.status !== 401) return answer
    await answer.discard()
    await this.#renew(used, signal)
    return this.#sendWith(this.#grant, url, request, signal)
  }

  /** Ends connections. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#renewal?.catch(() => {})
    await this.#http.close()
  }

  /** Renews a token that is about to expire. It is still good: when logging in is not possible now, it is used. */
  async #renewEarly(signal: AbortSignal): Promise<void> {
    const { renewAt } = this.#grant
    if (renewAt === undefined || performance.now() < renewAt) return
    try {
      await this.#renew(this.#grant, signal)
    } catch (error) {
      if (!isTemporary(error)) throw error
    }
  }

  #sendWith({ token }: Grant, url: string, request: HttpRequest, signal: AbortSignal): Promise<Answer> {
    return this.#http.send(
      url,
      { ...request, headers: { ...request.headers, 'x-auth-token': token } },
      signal,
    )
  }

  /** Sees to it that another grant than `used` is there; all who want that wait for one login. */
  async #renew(used: Grant, signal: AbortSignal): Promise<void> {
    if (this.#grant !== used) return
    this.#renewal ??= this.#logIn(this.#closing.signal)
      .then((grant) => {
        this.#grant = grant
      })
      .finally(() => {
        this.#renewal = undefined
      })
    const renewal = this.#renewal
    // The login goes on for the others when one of them is interrupted.
    const { promise: interrupted, reject } = Promise.withResolvers<never>()
    const interrupt = () => reject(new Failure('interrupted', 'Interrupted.', { cause: signal.reason }))
    const stop = AbortSignal.any([signal])
    stop.addEventListener('abort', interrupt, { once: true })
    try {
      await Promise.race([renewal, interrupted])
    } finally {
      stop.removeEventListener('abort', interrupt)
    }
  }
}
