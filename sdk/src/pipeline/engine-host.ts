/** The thread of an engine, and the serving of what the engine asks for. */
import { Worker } from 'node:worker_threads'
import type { Warning } from '../contracts/context.ts'
import type { Engine } from '../contracts/engine.ts'
import { asFailure, Failure, fromRecord, throwIfAborted } from '../contracts/failures.ts'
import type { Page } from '../repository/entries.ts'
import type { Manifest } from '../repository/manifest.ts'
import type {
  ActionCounts,
  EngineStart,
  EngineTask,
  FromEngine,
  Lot,
  SentBlock,
  ToEngine,
  Told,
  TreeSize,
} from './engine-messages.ts'
import { threadArguments } from './thread-arguments.ts'

/** How long an engine may take to end by itself after an abort, in milliseconds. */
const abortGrace = 5_000

/** Entries die young: a small nursery is swept often and stays in the cache. */
const resourceLimits = { maxYoungGenerationSizeMb: 3 }

type Send = (message: ToEngine) => void

/** What a run serves; those that its verb never asks for are left out. A rejection ends the run. */
export interface EngineHandlers {
  /** Takes a block of the archive, in shared memory that the engine fills again when this resolves. */
  readonly block?: (bytes: Uint8Array) => Promise<void>
  /** Fills `bytes`, shared memory, with what comes next of a stream; fewer than it holds, or none, only at its end. */
  readonly fill?: ((bytes: Uint8Array) => Promise<number>) | undefined
  /** The engine is done, or the run failed: nothing is filled any more. */
  readonly unfilled?: () => void
  readonly page?: (page: Page) => Promise<void>
  readonly more?: () => Promise<Uint8Array<ArrayBuffer> | undefined>
  readonly plan?: (places: Float64Array<ArrayBuffer>, send: (block: SentBlock) => void) => Promise<void>
  readonly need?: (
    level: number,
    offset: number,
    seen: number,
    send: (block: SentBlock) => void,
  ) => Promise<void>
  readonly taken?: (blocks: number, send: (block: SentBlock) => void) => Promise<void>
  /** Takes entries for an `EntryTarget`; `leave` says that no more content of the entry of a number is wanted. */
  readonly lot?: (lot: Lot, leave: (entry: number) => void) => Promise<void>
  readonly told?: (counts: ActionCounts, told: readonly Told[]) => void
  readonly warning: (warning: Warning) => void
  readonly cut?: (failure: Failure) => void
  readonly count: (entries: number, bytes: number) => void
}

/**
 * The thread of an engine. It starts and loads the engine at once, so that this goes on while its host still finds
 * out what there is to do. One run, then disposed.
 */
export class EngineThread implements AsyncDisposable {
  readonly #worker: Worker
  readonly #ended = Promise.withResolvers<void>()
  #fail: (error: unknown) => void = () => {}

  constructor(engine: Engine) {
    const start: EngineStart = { module: engine.module, engine: engine.name }
    this.#worker = new Worker(new URL('./engine-thread.js', import.meta.url), {
      workerData: start,
      resourceLimits,
      ...threadArguments(),
      // Engines open files by calls of the C library and close them by Node's, which then would complain.
      trackUnmanagedFds: false,
    })
    this.#worker.on('error', (error) => this.#fail(asFailure(error)))
    this.#worker.on('exit', () => {
      this.#fail(new Failure('internal', 'The thread of the engine ended unexpectedly.'))
      this.#ended.resolve()
    })
  }

  /**
   * Resolves when the engine is done and everything it handed over was taken.
   * @throws Failure of the engine, of a handler, or `interrupted`; the engine has ended by then
   */
  async run(task: EngineTask, handlers: EngineHandlers, signal: AbortSignal): Promise<TreeSize> {
    throwIfAborted(signal)
    const worker = this.#worker
    const result = Promise.withResolvers<TreeSize>()
    const running = new Set<Promise<unknown>>()
    const failures: unknown[] = []
    let stopping = false

    const stop = (error: unknown): void => {
      if (stopping) return
      stopping = true
      result.reject(error)
      handlers.unfilled?.()
      send({ type: 'abort' })
      const timer = setTimeout(() => void worker.terminate(), abortGrace)
      void this.#ended.promise.then(() => clearTimeout(timer))
    }
    const send: Send = (message) => {
      const bytes = 'bytes' in message ? message.bytes : undefined
      worker.postMessage(message, bytes?.buffer instanceof ArrayBuffer ? [bytes.buffer] : [])
    }
    const leave = (entry: number): void => send({ type: 'left', entry })
    const serve = (work: Promise<unknown> | undefined): void => {
      if (work === undefined) throw new Error('The engine asked for what this run does not serve.')
      const failed = (error: unknown): void => {
        failures.push(error)
        stop(error)
      }
      const watched = work.catch(failed).finally(() => running.delete(watched))
      running.add(watched)
    }
    const take = (message: FromEngine): void => {
      switch (message.type) {
        case 'block':
          return serve(
            handlers.block?.(message.bytes).then(() => send({ type: 'space', bytes: message.bytes })),
          )
        case 'fill':
          return serve(
            handlers
              .fill?.(message.bytes)
              .then((length) => send({ type: 'filled', bytes: message.bytes.subarray(0, length) })),
          )
        case 'page':
          return serve(handlers.page?.(message.page))
        case 'more':
          return serve(handlers.more?.().then((bytes) => send({ type: 'page', bytes })))
        case 'plan':
          return serve(handlers.plan?.(message.places, send))
        case 'need':
          return serve(handlers.need?.(message.level, message.offset, message.seen, send))
        case 'taken':
          return serve(handlers.taken?.(message.blocks, send))
        case 'lot':
          return serve(handlers.lot?.(message.lot, leave).then(() => send({ type: 'lot taken' })))
        case 'told':
          return handlers.told?.(message.counts, message.told)
        case 'warning':
          return handlers.warning(message.warning)
        case 'cut':
          return handlers.cut?.(fromRecord(message.failure))
        case 'count':
          return handlers.count(message.entries, message.bytes)
        case 'done':
          handlers.unfilled?.()
          return result.resolve(message.tree)
        case 'failure':
          return stop(fromRecord(message.failure))
      }
    }
    worker.on('message', (message: FromEngine) => {
      try {
        take(message)
      } catch (error) {
        stop(error)
      }
    })
    this.#fail = stop
    const onAbort = (): void => stop(interrupted(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    send({ type: 'task', task })
    try {
      const tree = await result.promise
      while (running.size > 0) await Promise.all(running)
      // The engine was done, but what it handed over was not all taken.
      if (failures.length > 0) throw failures[0]
      return tree
    } finally {
      signal.removeEventListener('abort', onAbort)
      stopping = true
      await this.#ended.promise
      // Nothing of this run goes on behind the caller's back.
      await Promise.all(running)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A thread that is ended while it loads a native library can take the whole process along: let it end by itself.
    this.#worker.postMessage({ type: 'abort' } satisfies ToEngine, [])
    const timer = setTimeout(() => void this.#worker.terminate(), abortGrace)
    await this.#ended.promise
    clearTimeout(timer)
  }
}

/** The engine that a backup needs. @throws Failure `plugin` when it is not among `engines` */
export function engineOf({ engine: { name } }: Manifest, engines: readonly Engine[]): Engine {
  const engine = engines.find((one) => one.name === name)
  if (engine !== undefined) return engine
  throw new Failure('plugin', `This backup needs the engine "${name}", which is not installed.`, {
    remedy: 'Install the plugin that provides it.',
  })
}

function interrupted(signal: AbortSignal): Failure {
  return new Failure('interrupted', 'Interrupted.', { cause: signal.reason })
}
