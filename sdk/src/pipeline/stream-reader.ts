/** A source that is a stream, on the side of the host: its chunks become full blocks of memory, one after the other. */
import type { StreamSource } from '../contracts/engine.ts'
import { Failure, isFailure } from '../contracts/failures.ts'

/** How long a source may take to let go of what it holds, in milliseconds. */
const closing = 15_000

const nothing = new Uint8Array(0)

/** @throws Failure `usage` for a name that no file can have */
export function checkStreamName(name: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes > 0 && bytes <= 255 && name !== '.' && name !== '..' && !/[\0/]/.test(name)) return
  throw new Failure('usage', `${JSON.stringify(name)} is no name for a stream.`, {
    remedy: 'Give it the name of a file, without directories.',
  })
}

export class StreamReader implements AsyncDisposable {
  readonly #source: StreamSource
  readonly #signal: AbortSignal
  readonly #stop = new AbortController()
  /** What the source is waited for with. A race with one promise for all would hold every chunk for as long as that. */
  #arrival: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined
  readonly #onAbort = (): void => this.stop(new Failure('interrupted', 'Interrupted.'))
  #iterator: AsyncIterator<Uint8Array> | undefined
  /** What is left of the chunk at hand. */
  #chunk: Uint8Array = nothing
  #turn: Promise<unknown> = Promise.resolve()
  #ended = false
  /** Bytes that came of the source, and that were given on. */
  #received = 0
  #given = 0

  constructor(source: StreamSource, signal: AbortSignal) {
    this.#source = source
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort)
    if (signal.aborted) this.#onAbort()
  }

  /** Bytes of the whole stream; undefined while it was not given on to its end. */
  get size(): number | undefined {
    return this.#ended ? this.#given : undefined
  }

  /** Nobody wants more of it: what waits for the source ends with `failure`. */
  stop(failure: Failure): void {
    if (this.#ended) return
    this.#stop.abort(failure)
    this.#arrival?.reject(failure)
  }

  /**
   * Fills `bytes` with what comes next; calls are answered one after the other.
   * @returns how many there are: fewer than `bytes` holds, or none, only at the end
   * @throws Failure of the source, `source` for anything else that it throws and for a size that is not the promised one
   */
  fill(bytes: Uint8Array): Promise<number> {
    const filling = this.#turn.then(() => this.#fill(bytes))
    this.#turn = filling.catch(() => {})
    return filling
  }

  async #fill(bytes: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < bytes.length && !this.#ended) {
      if (this.#chunk.length === 0) {
        await this.#next()
        continue
      }
      const part = this.#chunk.subarray(0, bytes.length - filled)
      bytes.set(part, filled)
      filled += part.length
      this.#chunk = this.#chunk.subarray(part.length)
    }
    this.#given += filled
    return filled
  }

  async #next(): Promise<void> {
    const { signal } = this.#stop
    signal.throwIfAborted()
    let result: IteratorResult<Uint8Array>
    try {
      this.#iterator ??= this.#source.open(signal)[Symbol.asyncIterator]()
      this.#arrival = Promise.withResolvers()
      this.#iterator.next().then(this.#arrival.resolve, this.#arrival.reject)
      result = await this.#arrival.promise
    } catch (error) {
      throw signal.aborted ? signal.reason : this.#failure(error)
    }
    const { name, size = this.#received } = this.#source
    if (result.done === true) {
      if (this.#received < size) {
        throw new Failure('source', `The stream "${name}" ended after ${this.#received} bytes of ${size}.`)
      }
      this.#ended = true
      return
    }
    if (!(result.value instanceof Uint8Array)) {
      throw new Failure('plugin', `The stream "${name}" gives something other than bytes.`)
    }
    this.#chunk = result.value
    this.#received += result.value.length
    if (this.#source.size !== undefined && this.#received > size) {
      throw new Failure('source', `The stream "${name}" went on after the ${size} bytes it was to have.`)
    }
  }

  #failure(error: unknown): Failure {
    if (isFailure(error)) return error
    const message = error instanceof Error ? error.message : String(error)
    return new Failure('source', `The stream "${this.#source.name}" failed: ${message}`, { cause: error })
  }

  /** Lets the source go, wherever it is. What it throws now is of no more interest. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.stop(new Failure('interrupted', 'Nobody reads the stream any more.'))
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, closing)
    const left = Promise.resolve(this.#iterator?.return?.()).catch(() => {})
    await Promise.race([left, late.promise])
    clearTimeout(timer)
  }
}
