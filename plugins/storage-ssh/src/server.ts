import { throwIfAborted } from '@freezer/sdk'
import { abortable } from './abortable.ts'
import type { Channel } from './channel.ts'
import type { Connection } from './connection.ts'

/** A server that is connected to when it is needed, and again after a connection was lost. */
export class Server {
  readonly #connect: (signal: AbortSignal) => Promise<Connection>
  #connection: Promise<Connection> | undefined
  /** Aborted when the storage is closed. */
  readonly #closing = new AbortController()

  constructor(connect: (signal: AbortSignal) => Promise<Connection>) {
    this.#connect = connect
  }

  /** An SFTP session; dispose it after use. @throws whatever connecting throws */
  async channel(signal: AbortSignal): Promise<Channel> {
    throwIfAborted(signal)
    const current = this.#connected()
    const connection = await abortable(current, signal)
    if (!connection.ended) return connection.channel(signal)
    if (this.#connection === current) this.#connection = undefined
    return (await abortable(this.#connected(), signal)).channel(signal)
  }

  #connected(): Promise<Connection> {
    if (this.#connection === undefined) {
      const attempt = this.#connect(this.#closing.signal)
      this.#connection = attempt
      attempt.catch(() => {
        if (this.#connection === attempt) this.#connection = undefined
      })
    }
    return this.#connection
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const connection = await this.#connection?.catch(() => undefined)
    await connection?.close()
  }
}
