import { Failure, isFailure, throwIfAborted } from '@freezer/sdk'
import type { Connection } from './connection.ts'

/** Milliseconds after which a connection is asked whether it is still there. */
const idleTime = 15_000

type Waiter = (connection: Connection | undefined) => void

/** A connection that nobody else uses before it is disposed. */
export interface Lease extends Disposable {
  readonly connection: Connection
}

/** A server that is connected to when it is needed, as often as is permitted. */
export class Server {
  readonly #connect: (signal: AbortSignal) => Promise<Connection>
  readonly #now: () => number
  /** Connections at a time; less when the server does not permit as many. */
  #most: number
  #count = 0
  readonly #idle: { readonly connection: Connection; readonly since: number }[] = []
  readonly #waiting: Waiter[] = []
  /** Aborted when the storage is closed. */
  readonly #closing = new AbortController()

  /** @param now milliseconds since 1970 */
  constructor(connect: (signal: AbortSignal) => Promise<Connection>, most: number, now: () => number) {
    this.#connect = connect
    this.#most = most
    this.#now = now
  }

  /** Does `work` with a connection. @throws whatever connecting throws, and `work` */
  async use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    using lease = await this.lease(signal)
    return await work(lease.connection)
  }

  /** A connection, as soon as there is one. @throws whatever connecting throws */
  async lease(signal: AbortSignal): Promise<Lease> {
    const connection = await this.#take(signal)
    let released = false
    return {
      connection,
      [Symbol.dispose]: () => {
        if (released) return
        released = true
        this.#release(connection)
      },
    }
  }

  async #take(signal: AbortSignal): Promise<Connection> {
    for (;;) {
      throwIfAborted(signal)
      if (this.#closing.signal.aborted) throw closed()
      const idle = this.#idle.pop()
      if (idle !== undefined) {
        if (await this.#isAlive(idle.connection, idle.since, signal)) return idle.connection
        this.#forget()
        continue
      }
      if (this.#count < this.#most) {
        const opened = await this.#open(signal)
        if (opened !== undefined) return opened
        continue
      }
      const given = await this.#turn(signal)
      if (given !== undefined) return given
    }
  }

  /** A new connection; undefined when the server permits no more than there are. */
  async #open(signal: AbortSignal): Promise<Connection | undefined> {
    this.#count++
    try {
      return await this.#connect(AbortSignal.any([signal, this.#closing.signal]))
    } catch (error) {
      this.#forget()
      throwIfAborted(signal)
      if (this.#closing.signal.aborted) throw closed()
      const refused = isFailure(error) && (error.code === 'denied' || error.code === 'unavailable')
      if (this.#count === 0 || !refused) throw error
      this.#most = this.#count
      return undefined
    }
  }

  /** Servers end sessions that do nothing. */
  async #isAlive(connection: Connection, since: number, signal: AbortSignal): Promise<boolean> {
    if (!connection.ended && this.#now() - since > idleTime) {
      await connection.command('NOOP', signal).catch(() => connection.close())
    }
    return !connection.ended
  }

  /** Waits until a connection is given back; undefined when there may be room for a new one. */
  async #turn(signal: AbortSignal): Promise<Connection | undefined> {
    const { promise, resolve } = Promise.withResolvers<Connection | undefined>()
    this.#waiting.push(resolve)
    const abort = () => {
      const at = this.#waiting.indexOf(resolve)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      resolve(undefined)
    }
    signal.addEventListener('abort', abort, { once: true })
    const given = await promise
    signal.removeEventListener('abort', abort)
    if (given === undefined || !signal.aborted) return given
    this.#release(given)
    return undefined
  }

  #release(connection: Connection): void {
    if (connection.ended || this.#closing.signal.aborted) {
      connection.close()
      this.#forget()
      return
    }
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push({ connection, since: this.#now() })
    else next(connection)
  }

  /** One connection less: whoever waits longest may open one. */
  #forget(): void {
    this.#count--
    this.#waiting.shift()?.(undefined)
  }

  close(): Promise<void> {
    this.#closing.abort()
    for (const { connection } of this.#idle.splice(0)) connection.close()
    for (const waiter of this.#waiting.splice(0)) waiter(undefined)
    return Promise.resolve()
  }
}

function closed(): Failure {
  return new Failure('unavailable', 'The storage is closed.')
}
