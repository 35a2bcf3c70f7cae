/** An archive that comes as a stream: cut into blocks, handed on, and given to an engine that lists it. */
import { asFailure, Failure, isFailure, toRecord } from '../contracts/failures.ts'
import type { SentBlock } from '../pipeline/engine-messages.ts'

/** Blocks handed on and not yet taken. */
const underWay = 4
/** Blocks that the engine may ask for again. */
const kept = 2

interface Block {
  readonly start: number
  readonly bytes: Uint8Array<SharedArrayBuffer>
}

export class ArchiveIntake implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #blockSize: number
  readonly #take: (block: Uint8Array) => Promise<void>
  readonly #taking = new Set<Promise<void>>()
  readonly #blocks: Block[] = []
  #rest: Uint8Array = new Uint8Array(0)
  #length = 0
  #ended = false
  #turn: Promise<unknown> = Promise.resolve()
  /** Why the archive ends where it does, when that is not its end. */
  failure: Failure | undefined

  /** @param take gets every block in shared memory, which it may keep */
  constructor(
    chunks: AsyncIterable<Uint8Array>,
    blockSize: number,
    take: (block: Uint8Array) => Promise<void>,
  ) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#blockSize = blockSize
    this.#take = take
  }

  /** Answers an engine that asks for the block at `offset`, which must not lie far behind what it asked for before. */
  need(level: number, offset: number, send: (block: SentBlock) => void): Promise<void> {
    return this.#inTurn(async () => {
      while (offset >= this.#length && !this.#ended) await this.#next()
      const block = this.#blocks.find(({ start, bytes }) => offset >= start && offset < start + bytes.length)
      const failure =
        block === undefined && offset < this.#length
          ? new Failure('internal', 'An engine went back too far in an archive that it lists.')
          : this.failure
      const answer = { type: 'block', level, answers: offset } as const
      if (block === undefined) {
        const record = failure && toRecord(failure)
        send({ ...answer, start: offset, size: 0, bytes: undefined, failure: record })
      } else {
        const bytes = new Uint8Array(block.bytes.length)
        bytes.set(block.bytes)
        send({ ...answer, start: block.start, size: bytes.length, bytes, failure: undefined })
      }
    })
  }

  /** Takes what is left, and waits until all was taken. */
  async drain(): Promise<void> {
    await this.#inTurn(async () => {
      while (!this.#ended) await this.#next()
    })
    await Promise.all(this.#taking)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.#turn, ...this.#taking])
    await this.#chunks.return?.()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  /** Reads the next block, or finds the end. @throws Failure for anything but damage */
  async #next(): Promise<void> {
    const bytes = new Uint8Array(new SharedArrayBuffer(this.#blockSize))
    let filled = 0
    try {
      while (filled < bytes.length) {
        if (this.#rest.length === 0) {
          const { done, value } = await this.#chunks.next()
          if (done === true) {
            this.#ended = true
            break
          }
          this.#rest = value
        }
        const part = this.#rest.subarray(0, bytes.length - filled)
        bytes.set(part, filled)
        filled += part.length
        this.#rest = this.#rest.subarray(part.length)
      }
    } catch (error) {
      if (!isFailure(error) || error.code !== 'damaged') throw asFailure(error)
      this.#ended = true
      this.failure = error
    }
    if (filled === 0) return
    const block = { start: this.#length, bytes: bytes.subarray(0, filled) }
    this.#length += filled
    this.#blocks.push(block)
    if (this.#blocks.length > kept) this.#blocks.shift()
    while (this.#taking.size >= underWay) await Promise.race(this.#taking)
    const taking = this.#take(block.bytes).finally(() => this.#taking.delete(taking))
    taking.catch(() => {})
    this.#taking.add(taking)
  }
}
