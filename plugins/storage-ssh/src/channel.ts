import { Failure, throwIfAborted } from '@freezer/sdk'
import type { SFTPWrapper } from 'ssh2'
import { abortable } from './abortable.ts'
import { status } from './failures.ts'

type Done<T> = (error: Error | null | undefined, value: T) => void

/**
 * An SFTP session. The server answers the requests of one in their order, so the pieces of a file may be asked for
 * ahead, and what is asked last, like closing the file, is done last. Disposing it gives it back to its connection.
 */
export class Channel implements Disposable {
  readonly #sftp: SFTPWrapper
  /** Milliseconds that a request may take. */
  readonly #patience: number
  readonly #pending = new Set<(failure: Failure) => void>()
  readonly #release: () => void
  #ended: Failure | undefined

  constructor(sftp: SFTPWrapper, patience: number, release: () => void) {
    this.#sftp = sftp
    this.#patience = patience
    this.#release = release
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Fails every request, those to come as well. */
  end(failure: Failure): void {
    this.#ended ??= failure
    for (const fail of this.#pending) fail(this.#ended)
    this.#pending.clear()
  }

  /**
   * The answer to one request.
   * @param abandoned gets the answer when it comes after `signal` was aborted
   * @throws Error of ssh2 with a numeric `code`, a status of the server; Failure `unavailable` when none will come
   */
  async request<T>(
    start: (sftp: SFTPWrapper, done: Done<T>) => void,
    signal: AbortSignal,
    abandoned?: (value: T) => unknown,
  ): Promise<T> {
    throwIfAborted(signal)
    const answer = this.#ask(start)
    try {
      return await abortable(answer, signal)
    } catch (error) {
      if (abandoned !== undefined) answer.then(abandoned, () => {})
      throw error
    }
  }

  #ask<T>(start: (sftp: SFTPWrapper, done: Done<T>) => void): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#pending.add(reject)
    const timer = setTimeout(() => {
      this.end(
        new Failure('unavailable', 'The server takes too long to answer.', { remedy: 'Try again later.' }),
      )
      this.#sftp.end()
    }, this.#patience)
    const settled = () => {
      clearTimeout(timer)
      this.#pending.delete(reject)
    }
    promise.then(settled, settled)
    try {
      start(this.#sftp, (error, value) => {
        if (error === null || error === undefined) resolve(value)
        else if (typeof (error as NodeJS.ErrnoException & { code: unknown }).code === 'number') reject(error)
        // The channel is gone; why, its connection knows in a moment.
        else setImmediate(() => reject(this.#ended ?? lost(error)))
      })
    } catch (error) {
      // ssh2 throws for an extension that the server does not have.
      reject(Object.assign(new Error('unsupported', { cause: error }), { code: status.unsupported }))
    }
    return promise
  }

  [Symbol.dispose](): void {
    this.#release()
  }
}

function lost(cause: Error): Failure {
  return new Failure('unavailable', 'The server ended the SFTP session.', {
    remedy: 'Try again later.',
    cause,
  })
}
