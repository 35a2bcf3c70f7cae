/** Blocks encoded and decoded on worker threads. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { BlockFacts } from '../contracts/codec.ts'
import { asFailure, type FailureRecord, fromRecord } from '../contracts/failures.ts'
import {
  type CoderDone,
  type CoderJob,
  type CoderOrder,
  type CoderSetup,
  type OpenedCodec,
  openChain,
  runJob,
} from './coder-chain.ts'
import { threadArguments } from './thread-arguments.ts'

/** One thread for each core that this process may use. */
export function defaultWorkers(): number {
  return availableParallelism()
}

/** Blocks lie outside of V8's heap; without a limit the heap of each thread would grow to no use. */
const resourceLimits = { maxYoungGenerationSizeMb: 1 }

/** Up to this many bytes, a block is done faster here than a thread is started. */
const inlineLimit = 256 * 1024

interface Task {
  readonly order: CoderOrder
  readonly resolve: (done: CoderDone) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  task: Task | undefined
}

interface Reply {
  readonly done?: CoderDone
  readonly failure?: FailureRecord
}

export interface Encoded {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** SHA-256 of `bytes`. */
  readonly digest: Uint8Array
}

/**
 * The codecs of one backup, ready to be used. The bytes given to it belong to it from then on, unless their memory
 * is shared: then they are the caller's again when the promise settles.
 */
export interface CoderChain {
  /** @param kept codecs at the beginning of the chain whose work is done already */
  encode(bytes: Uint8Array, facts: BlockFacts, kept?: number): Promise<Encoded>
  /**
   * @param kept codecs at the beginning of the chain whose work is not undone; the size is not compared then
   * @throws Failure `damaged` when the bytes are not those of `digest`, or do not decode to `size` bytes
   */
  decode(
    bytes: Uint8Array<ArrayBuffer>,
    facts: BlockFacts,
    size: number,
    digest: Uint8Array,
    kept?: number,
  ): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Threads are started when the first large block comes, one more for each block that finds all others busy, up to
 * `limit`.
 */
export class Coders implements AsyncDisposable {
  readonly #limit: number
  readonly #threads: Thread[] = []
  readonly #waiting: Task[] = []
  readonly #here = new Map<number, Promise<readonly OpenedCodec[]>>()
  #chains = 0
  #closed = false

  constructor(limit: number) {
    this.#limit = limit
  }

  chain(setup: CoderSetup): CoderChain {
    const chain = this.#chains++
    return {
      encode: async (bytes, facts, kept = 0) => {
        const job: CoderJob = { verb: 'encode', bytes, facts, kept, size: bytes.length, digest: undefined }
        const { digest, ...done } = await this.#run({ chain, setup, job })
        if (digest === undefined) throw new Error('An encoded block has no digest.')
        return { ...done, digest }
      },
      decode: async (bytes, facts, size, digest, kept = 0) => {
        // A view would take the whole buffer behind it along to the thread.
        const job: CoderJob = { verb: 'decode', bytes, facts, kept, size, digest: new Uint8Array(digest) }
        return (await this.#run({ chain, setup, job })).bytes
      },
    }
  }

  async #run(order: CoderOrder): Promise<CoderDone> {
    const { job, chain, setup } = order
    if (this.#threads.length === 0 && Math.max(job.bytes.length, job.size) <= inlineLimit) {
      let opened = this.#here.get(chain)
      if (opened === undefined) this.#here.set(chain, (opened = openChain(setup)))
      return runJob(await opened, job)
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ order, resolve, reject })
      this.#feed()
    })
  }

  #feed(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      let thread = this.#threads.find((t) => t.task === undefined)
      if (thread === undefined) {
        if (this.#threads.length >= this.#limit) return
        thread = this.#start()
      }
      const task = this.#waiting.shift()
      if (task === undefined) return
      thread.task = task
      const { buffer } = task.order.job.bytes
      thread.worker.postMessage(task.order, buffer instanceof ArrayBuffer ? [buffer] : [])
    }
  }

  #start(): Thread {
    const worker = new Worker(new URL('./coder-thread.js', import.meta.url), {
      resourceLimits,
      ...threadArguments(),
    })
    const thread: Thread = { worker, task: undefined }
    this.#threads.push(thread)
    worker.on('message', (reply: Reply) => {
      const task = thread.task
      thread.task = undefined
      this.#feed()
      if (reply.done !== undefined) task?.resolve(reply.done)
      else if (reply.failure !== undefined) task?.reject(fromRecord(reply.failure))
    })
    const lost = (error: unknown): void => {
      this.#threads.splice(this.#threads.indexOf(thread), 1)
      thread.task?.reject(asFailure(error))
      for (const task of this.#waiting.splice(0)) task.reject(asFailure(error))
    }
    worker.on('error', lost)
    worker.on('exit', () => {
      if (!this.#closed && this.#threads.includes(thread))
        lost(new Error('A codec thread ended unexpectedly.'))
    })
    return thread
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const stopped = new Error('The codec threads were stopped.')
    for (const task of this.#waiting.splice(0)) task.reject(asFailure(stopped))
    const threads = this.#threads.splice(0)
    for (const { task } of threads) task?.reject(asFailure(stopped))
    await Promise.all(threads.map(({ worker }) => worker.terminate()))
  }
}
