/** A source that is a stream, on the thread of the engine: the host fills memory that the engine asks it to fill. */
import { Failure } from '../contracts/failures.ts'
import type { FromEngine } from './engine-messages.ts'

type Post = (message: FromEngine) => void

/** Bytes that the host fills at a time, and how often: what is read ahead of the engine. */
const fillSize = 512 * 1024
const fills = 4

export class ThreadStream {
  readonly #post: Post
  readonly #filled: Uint8Array<SharedArrayBuffer>[] = []
  #opened = false
  #waiting: PromiseWithResolvers<void> | undefined
  #failure: Failure | undefined

  constructor(post: Post) {
    this.#post = post
  }

  /** @throws Failure `plugin` when it was opened before */
  async *open(): AsyncGenerator<Uint8Array> {
    if (this.#opened) throw new Failure('plugin', 'An engine opens a stream once.')
    this.#opened = true
    for (let asked = 0; asked < fills; asked++) this.#ask(new SharedArrayBuffer(fillSize))
    for (;;) {
      const bytes = await this.#next()
      if (bytes.length > 0) yield bytes
      if (bytes.length < fillSize) return
      this.#ask(bytes.buffer)
    }
  }

  arrived(bytes: Uint8Array<SharedArrayBuffer>): void {
    this.#filled.push(bytes)
    this.#waiting?.resolve()
  }

  fail(failure: Failure): void {
    this.#failure = failure
    this.#waiting?.reject(failure)
  }

  async #next(): Promise<Uint8Array<SharedArrayBuffer>> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const bytes = this.#filled.shift()
      if (bytes !== undefined) return bytes
      this.#waiting = Promise.withResolvers<void>()
      await this.#waiting.promise
    }
  }

  #ask(buffer: SharedArrayBuffer): void {
    this.#post({ type: 'fill', bytes: new Uint8Array(buffer) })
  }
}
