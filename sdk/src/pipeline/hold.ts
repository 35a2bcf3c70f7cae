/**
 * How a resource is held still: what was begun is ended on every path, in bounded time, and also when the run was aborted.
 */
import type { Context } from '../contracts/context.ts'
import { asFailure, Failure, isFailure, throwIfAborted } from '../contracts/failures.ts'
import type { Learned, ModeSession, Resource } from '../contracts/mode.ts'

/** Milliseconds that a call may go on after its signal aborted; then it is left behind. */
export const abortGrace = 10_000
/** Milliseconds that letting a resource go may take, before its signal aborts. */
const releaseLimit = 60_000

/**
 * What `work` gives. When it goes on for `grace` milliseconds after `signal` aborted it is left behind.
 * @param what as in "quiescing shop"
 * @throws Failure `interrupted` when `work` was left behind
 */
export async function bounded<T>(
  work: Promise<T>,
  signal: AbortSignal,
  what: string,
  grace = abortGrace,
): Promise<T> {
  const given = Promise.withResolvers<never>()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => {
      given.reject(new Failure('interrupted', `${what} did not end in time and was left behind.`))
    }, grace)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, given.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    clearTimeout(timer)
  }
}

/** One resource, held still for as long as it must be. */
export class Hold {
  readonly #session: ModeSession
  readonly #resource: Resource
  readonly #title: string
  readonly #maxLock: number | undefined
  readonly #overdue = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #began: number | undefined
  #released = false
  #seconds: number | undefined
  #learned: Record<string, unknown> = {}
  /** Aborted when the run is, or when the resource is held for longer than it may be. */
  readonly signal: AbortSignal

  /** @param maxLock seconds that the resource may be held */
  constructor(
    session: ModeSession,
    resource: Resource,
    title: string,
    maxLock: number | undefined,
    { signal }: Context,
  ) {
    this.#session = session
    this.#resource = resource
    this.#title = title
    this.#maxLock = maxLock
    this.signal = AbortSignal.any([signal, this.#overdue.signal])
  }

  /** Seconds from before it was held to after it was let go; undefined where nothing is held. */
  get seconds(): number | undefined {
    return this.#seconds
  }

  /** Facts of the resource, with those that were learned while it was held. */
  get facts(): Readonly<Record<string, unknown>> {
    return { ...this.#resource.facts, ...this.#learned }
  }

  async quiesce(): Promise<void> {
    const { quiesce } = this.#session
    if (quiesce === undefined) return
    this.#began = performance.now()
    if (this.#maxLock !== undefined) {
      // Node takes a longer one for none.
      const limit = Math.min(this.#maxLock * 1000, 2 ** 31 - 1)
      this.#timer = setTimeout(() => this.#overdue.abort(), limit)
    }
    const held = quiesce.call(this.#session, this.#resource, this.signal)
    this.#learn(await bounded(held, this.signal, `Holding ${this.#title} still`))
    // A mode may have held it without a look at its signal.
    throwIfAborted(this.signal)
  }

  /**
   * Lets the resource go, once, if it was ever going to be held.
   * @throws Failure of the mode, which may have lost what it held; `source` when it does not come back
   */
  async release(): Promise<void> {
    if (this.#began === undefined || this.#released) return
    this.#released = true
    clearTimeout(this.#timer)
    const signal = AbortSignal.timeout(releaseLimit)
    try {
      const going = this.#session.release?.(this.#resource, signal) ?? Promise.resolve()
      this.#learn(await bounded(going, signal, `Letting ${this.#title} go on`))
    } catch (error) {
      throw notReleased(this.#title, error)
    } finally {
      this.#seconds = (performance.now() - this.#began) / 1000
    }
  }

  /** `error` of a step, as what it means here: what the limit of time aborted was not interrupted by a person. */
  explain(error: unknown, runSignal: AbortSignal): unknown {
    if (!this.#overdue.signal.aborted || runSignal.aborted) return error
    return new Failure(
      'source',
      `${this.#title} was held still for ${this.#maxLock} seconds, and may be no longer.`,
      {
        remedy: 'Back up from a snapshot, while there is less to do, or permit more time.',
        cause: error,
      },
    )
  }

  #learn(learned: Learned): void {
    this.#learned = { ...this.#learned, ...learned }
  }
}

function notReleased(title: string, error: unknown): Failure {
  const { code, message, remedy } = asFailure(error)
  return new Failure(
    isFailure(error) && code !== 'interrupted' ? code : 'source',
    `${title} could not be let go on, so this is no backup of it: ${message}`,
    { remedy: remedy ?? 'See whether it takes writes, then run the backup again.', cause: error },
  )
}
