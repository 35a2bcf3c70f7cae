import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { Failure, type Pace, throwIfAborted } from '@freezer/sdk'
import type { FTPResponse } from 'basic-ftp'
import { fromConnection, replyOf } from './failures.ts'

/** Bytes received ahead of whoever reads them. */
const aheadBytes = 512 * 1024

/** Bytes written at once: what may take as long as the patience is. */
const pieceSize = 256 * 1024

/** Milliseconds in which a server tells why it broke a data connection. */
const explanationTime = 2000

/** A disk that is busy may take longer than the machine may be silent. */
const patienceFactor = 10

/** What a transfer goes over, and what ends it. */
export interface TransferSettings {
  /** The data connection. */
  readonly socket: Socket
  /** What the server says at the end, on the other connection. */
  readonly outcome: Promise<FTPResponse>
  /** Milliseconds without a byte. */
  readonly timeout: number
  /** Name of the server, for messages. */
  readonly place: string
  readonly signal: AbortSignal
}

/**
 * Bytes over a data connection, and what the server says of them on the control connection. Only both together make a
 * transfer: a data connection that ends says nothing, and one that breaks is explained on the other.
 */
export class Transfer {
  readonly #settings: TransferSettings
  #received: Buffer[] = []
  #ahead = 0
  #ended = false
  #broken: Error | undefined
  #answer: FTPResponse | undefined
  #failure: unknown
  #begun = false
  /** The handshake of TLS is over, where there is to be one. */
  #secured: boolean
  #wake: (() => void) | undefined

  constructor(settings: TransferSettings) {
    this.#settings = settings
    const { socket, outcome } = settings
    const wake = () => this.#wake?.()
    this.#secured = !(socket instanceof TLSSocket)
    // basic-ftp would take an error of this connection for one of the session, and miss the explanation.
    for (const event of ['error', 'close', 'timeout']) socket.removeAllListeners(event)
    socket.on('error', (error) => {
      this.#broken = error
      wake()
    })
    socket.on('close', () => {
      this.#ended = true
      wake()
    })
    socket.on('end', () => {
      this.#ended = true
      wake()
    })
    socket.on('secureConnect', () => {
      this.#secured = true
      wake()
    })
    socket.on('drain', wake)
    socket.on('finish', wake)
    outcome.then(
      (answer) => {
        this.#answer = answer
        wake()
      },
      (error: unknown) => {
        this.#failure = error
        wake()
      },
    )
  }

  /** To be called when the server says that it begins. */
  begin(): void {
    this.#begun = true
    this.#wake?.()
  }

  get settled(): boolean {
    return this.#answer !== undefined || this.#failure !== undefined
  }

  /** Waits until the server said how it went, for a while. */
  async settle(): Promise<void> {
    await this.#until(() => this.settled, explanationTime).catch(() => {})
  }

  /** What arrives, to the end. @throws FTPError for what the server refuses; Failure `unavailable`, `interrupted` */
  async *receive(): AsyncGenerator<Buffer> {
    const { socket } = this.#settings
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#ahead += chunk.length
      if (this.#ahead >= aheadBytes) socket.pause()
      this.#wake?.()
    })
    for (;;) {
      await this.#wait(() => this.#received.length > 0 || this.#ended)
      const chunk = this.#received.shift()
      if (chunk === undefined) break
      this.#ahead -= chunk.length
      if (this.#ahead < aheadBytes) socket.resume()
      yield owned(chunk)
      throwIfAborted(this.#settings.signal)
    }
    await this.#end()
  }

  /** Sends `chunks`. @throws FTPError for what the server refuses; Failure `unavailable`, `interrupted` */
  async send(chunks: readonly Uint8Array[], pace: Pace | undefined): Promise<void> {
    const { socket } = this.#settings
    // A connection that is closed while something in it is unread is reset, and TLS sends tickets.
    socket.resume()
    await this.#wait(() => this.#begun && this.#secured)
    // The end of the handshake goes out first, also when there is nothing to send: else it is an error to the server.
    await turn()
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += pieceSize) {
        const piece = chunk.subarray(at, at + pieceSize)
        if (pace !== undefined) {
          await pace(piece.length)
          this.#throwIfFailed()
        }
        const flows = socket.write(piece)
        if (!flows) await this.#wait(() => !socket.writableNeedDrain)
      }
    }
    socket.end()
    await this.#wait(() => socket.writableFinished)
    await this.#end()
  }

  /** Waits for the server to say that it has, or gave, all. */
  async #end(): Promise<void> {
    // That the data connection breaks now, when all has passed, means nothing: it is the answer that counts.
    await this.#until(() => this.settled, this.#settings.timeout * patienceFactor)
    this.#throwIfFailed()
    const { code } = this.#answer ?? { code: 0 }
    if (code >= 300) throw this.#lost(new Error(`unexpected answer ${code}`))
  }

  async #wait(done: () => boolean): Promise<void> {
    const over = () => done() || this.#broken !== undefined || this.#failure !== undefined
    await this.#until(over, this.#settings.timeout)
    if (this.#broken !== undefined && !this.settled) await this.settle()
    this.#throwIfFailed()
    if (this.#broken !== undefined) throw this.#lost(this.#broken)
  }

  #throwIfFailed(): void {
    if (this.#failure === undefined) return
    throw replyOf(this.#failure) === undefined ? this.#lost(this.#failure) : this.#failure
  }

  async #until(done: () => boolean, patience: number): Promise<void> {
    const { signal } = this.#settings
    const waiting = Promise.withResolvers<boolean>()
    const check = () => {
      if (signal.aborted || done()) waiting.resolve(true)
    }
    const timer = setTimeout(() => waiting.resolve(false), patience)
    signal.addEventListener('abort', check)
    this.#wake = check
    check()
    const woken = await waiting.promise
    this.#wake = undefined
    signal.removeEventListener('abort', check)
    clearTimeout(timer)
    throwIfAborted(signal)
    if (!woken) throw this.#lost(Object.assign(new Error('silent'), { code: 'ETIMEDOUT' }))
  }

  #lost(cause: unknown): Failure {
    return fromConnection(cause, this.#settings.place)
  }
}

/** `chunk` in memory that is nobody else's: the receiver may transfer it to a thread. */
function owned(chunk: Buffer): Buffer {
  if (chunk.length === chunk.buffer.byteLength) return chunk
  const copy = Buffer.allocUnsafeSlow(chunk.length)
  chunk.copy(copy)
  return copy
}
