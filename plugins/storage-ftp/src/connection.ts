import { Failure, type Pace, throwIfAborted } from '@freezer/sdk'
import type { Client, FTPResponse } from 'basic-ftp'
import { fromConnection, replyOf } from './failures.ts'
import { Transfer } from './transfer.ts'

/** Bytes of the listing of one directory at most. */
const longestListing = 256 * 1024 * 1024

/** The answer to PWD, RFC 959, 5.4. */
const pathCreated = 257

/** The answer of a server that cannot use a data connection, RFC 959, 4.2. */
const noDataConnection = 425

export interface ConnectionSettings {
  /** Logged in, ready to transfer bytes as they are. */
  readonly client: Client
  /** Name of the server, for messages. */
  readonly place: string
  /** Milliseconds that the machine may be silent. */
  readonly timeout: number
  /** Whether it lists directories in the form for programs (RFC 3659, 7). */
  readonly machineListings: boolean
}

/** A session with a server, which does one thing at a time. */
export class Connection {
  readonly #settings: ConnectionSettings

  constructor(settings: ConnectionSettings) {
    this.#settings = settings
  }

  get ended(): boolean {
    return this.#settings.client.closed
  }

  get machineListings(): boolean {
    return this.#settings.machineListings
  }

  close(): void {
    this.#settings.client.close()
  }

  /**
   * The answer to one command.
   * @throws FTPError when the server refuses; Failure `unavailable`, `interrupted`, after both of which it has ended
   */
  async command(text: string, signal: AbortSignal): Promise<FTPResponse> {
    return this.#guarded(() => this.#settings.client.send(text), signal)
  }

  /**
   * The bytes of a file from `offset`. Leaving early keeps the session where the server plays along.
   * @param onBegin gets what the server says before the first byte
   */
  async *download(
    path: string,
    offset: number,
    onBegin: (text: string) => void,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    yield* this.#receive(`RETR ${path}`, offset, onBegin, signal)
  }

  /** Stores `chunks` as the file `path`. What it leaves there when it fails is any part of them. */
  async upload(path: string, chunks: readonly Uint8Array[], signal: AbortSignal, pace?: Pace): Promise<void> {
    const transfer = await this.#begin(`STOR ${path}`, 0, () => {}, signal)
    let complete = false
    try {
      await transfer.send(chunks, pace)
      complete = true
    } finally {
      await this.#finish(transfer, complete, signal)
    }
  }

  /** What the server says is in the current directory, in its own form. */
  async listing(signal: AbortSignal): Promise<string> {
    const chunks: Buffer[] = []
    let size = 0
    const command = this.#settings.machineListings ? 'MLSD' : 'LIST -a'
    for await (const chunk of this.#receive(command, 0, () => {}, signal)) {
      chunks.push(chunk)
      size += chunk.length
      if (size > longestListing) {
        throw new Failure('unavailable', `${this.#settings.place} lists a directory without end.`, {
          remedy: 'Look into that directory.',
        })
      }
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  async *#receive(
    command: string,
    offset: number,
    onBegin: (text: string) => void,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    const transfer = await this.#begin(command, offset, onBegin, signal)
    let complete = false
    try {
      yield* transfer.receive()
      complete = true
    } finally {
      await this.#finish(transfer, complete, signal)
    }
  }

  async #begin(
    command: string,
    offset: number,
    onBegin: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Transfer> {
    const { client, place, timeout } = this.#settings
    await this.#guarded(() => client.prepareTransfer(client.ftp), signal)
    if (offset > 0) await this.command(`REST ${offset}`, signal)
    const socket = client.ftp.dataSocket
    if (socket === undefined) throw fromConnection(new Error('no data connection'), place)
    const outcome: Promise<FTPResponse> = client.ftp.handle(command, (answer, task) => {
      if (answer instanceof Error) {
        task.reject(answer)
        // Where data connections must go on with the TLS session of this one, a session that ran out is of no use any more.
        if (replyOf(answer) === noDataConnection) this.close()
      } else if (answer.code >= 200) task.resolve(answer)
      else {
        // Until the end it has nothing to say here.
        client.ftp.socket.setTimeout(0)
        onBegin(answer.message)
        transfer.begin()
      }
    })
    const transfer: Transfer = new Transfer({ socket, outcome, timeout, place, signal })
    return transfer
  }

  async #finish(transfer: Transfer, complete: boolean, signal: AbortSignal): Promise<void> {
    const { client } = this.#settings
    // Ends the data connection.
    client.ftp.dataSocket = undefined
    if (complete || this.ended) return
    if (!signal.aborted) await transfer.settle()
    if (signal.aborted || !transfer.settled) {
      this.close()
      return
    }
    // Some servers say twice that a transfer was broken off. The second must not be taken for an answer to a later command.
    const answer = await this.command('PWD', signal).catch(() => undefined)
    if (answer?.code !== pathCreated) this.close()
  }

  async #guarded<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    throwIfAborted(signal)
    const abort = () => this.close()
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await work()
    } catch (error) {
      throwIfAborted(signal)
      if (replyOf(error) !== undefined) throw error
      // Whatever it was, what the server says next may be the answer to something else.
      this.close()
      throw fromConnection(error, this.#settings.place)
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
}
