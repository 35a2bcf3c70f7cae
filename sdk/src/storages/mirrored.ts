/** Several storages that hold the same container, as one. */
import { asFailure, Failure, isFailure, isTemporary, throwIfAborted } from '../contracts/failures.ts'
import type { Range, Storage, StoredBlob } from '../contracts/storage.ts'
import { rest } from './retry.ts'

/** One of several storages. */
export interface Mirror {
  /** As people call it, and no other of them. */
  readonly name: string
  readonly storage: Storage
}

/** A storage that failed, and is left alone for the rest of the run. */
export interface LostMirror {
  readonly name: string
  readonly failure: Failure
}

export interface MirrorPolicy {
  /** As soon as fewer are left, every call fails. At least 1. */
  readonly least: number
  /** Those that failed before. */
  readonly lost?: readonly LostMirror[]
  /** Told of each that fails. */
  readonly onLost?: (lost: LostMirror) => void
}

/**
 * Storages with the same container, as one. What is put or removed is put or removed on all of them, at the same
 * time: a call ends when the last of them ended, so the slowest paces, and the memory of chunks is that of one storage. One
 * that fails is called no more. A blob comes from the first that gives it; a listing has what any has.
 *
 * That a listing is of all is right for whoever wants to know what must stay. Whoever wants to know what is everywhere asks
 * `everywhere`; and what is decided for each storage by itself (whether a lease still stands, what a prune removes) is done
 * with `each`.
 */
export class MirroredStorage implements Storage {
  readonly #least: number
  readonly #onLost: MirrorPolicy['onLost']
  readonly #lost: LostMirror[]
  #live: readonly Mirror[]

  /** @throws Failure `usage` for a name that two have */
  constructor(mirrors: readonly Mirror[], { least, lost = [], onLost }: MirrorPolicy) {
    const names = [...mirrors, ...lost].map(({ name }) => name)
    const twice = names.find((name, at) => names.indexOf(name) !== at)
    if (twice !== undefined) throw new Failure('usage', `Two storages are called ${twice}.`)
    this.#live = mirrors
    this.#least = least
    this.#lost = [...lost]
    this.#onLost = onLost
  }

  /** Those that did not fail, in their order. */
  get live(): readonly Mirror[] {
    return this.#live
  }

  get lost(): readonly LostMirror[] {
    return this.#lost
  }

  /** That of the slowest to show what was put. */
  get settle(): number | undefined {
    return largest(this.#live.map(({ storage }) => storage.settle))
  }

  /** That of the one that takes the largest. */
  get segmentSize(): number | undefined {
    return largest(this.#live.map(({ storage }) => storage.segmentSize))
  }

  /** @throws that of a storage when fewer are left than are needed */
  expectEnough(): void {
    if (this.#live.length >= this.#least) return
    const [first] = this.#lost
    const names = this.#lost.map(({ name }) => name).join(', ')
    if (first === undefined) throw new Failure('usage', `That needs ${this.#least} storages.`)
    const { code, message, remedy, facts } = first.failure
    const what =
      this.#live.length === 0 ? 'No storage is left' : `Fewer than ${this.#least} storages are left`
    throw new Failure(code, `${what}: ${names} failed. ${first.name}: ${message}`, {
      remedy,
      facts,
      cause: first.failure,
    })
  }

  /** Leaves a storage alone from now on. @throws its failure when too few are left */
  lose(name: string, error: unknown): void {
    if (!this.#isLive(name)) return
    const lost = { name, failure: asFailure(error) }
    this.#live = this.#live.filter((one) => one.name !== name)
    this.#lost.push(lost)
    this.#onLost?.(lost)
    this.expectEnough()
  }

  /**
   * Does `work` with each storage, at the same time. One for which it fails is lost.
   * @returns what it gave, without that of those
   * @throws Failure `interrupted`; that of a storage when too few are left, after all have ended
   */
  async each<T>(signal: AbortSignal, work: (storage: Storage, name: string) => Promise<T>): Promise<T[]> {
    this.expectEnough()
    // Calls overlap: another may lose one of them meanwhile.
    const asked = this.#live
    const done = await Promise.allSettled(asked.map(async ({ name, storage }) => work(storage, name)))
    const failed = asked.flatMap(({ name }, at) => {
      const one = done[at]
      return one?.status === 'rejected' ? [{ name, error: one.reason as unknown }] : []
    })
    if (failed.length > 0) throwIfAborted(signal)
    let tooFew: unknown
    for (const { name, error } of failed) {
      try {
        this.lose(name, error)
      } catch (failure) {
        tooFew ??= failure
      }
    }
    if (tooFew !== undefined) throw tooFew
    return done.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }

  /** Which keys that begin with `prefix` every storage has. */
  async everywhere(prefix: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const [first = new Set<string>(), ...others] = await this.each(signal, async (storage) => {
      const keys = new Set<string>()
      for await (const { key } of storage.list(prefix, signal)) keys.add(key)
      return keys
    })
    return new Set([...first].filter((key) => others.every((keys) => keys.has(key))))
  }

  async put(key: string, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    await this.each(signal, (storage) => storage.put(key, chunks, signal))
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    await this.each(signal, (storage) => storage.remove(key, signal))
  }

  /** From the first that gives it; where that breaks off, the next goes on. */
  async *get(key: string, range: Range | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.expectEnough()
    let received = 0
    let failure: unknown
    for (const { name, storage } of this.#live) {
      // Another call may have lost it while this one waited.
      if (!this.#isLive(name)) continue
      try {
        for await (const chunk of storage.get(key, rest(range, received), signal)) {
          received += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        throwIfAborted(signal)
        // That one has it not says less than that another cannot give it.
        if (failure === undefined || isNotFound(failure)) failure = error
        if (isTemporary(error)) this.lose(name, error)
      }
    }
    throw failure
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<StoredBlob> {
    const given = new Set<string>()
    const found = await this.each(signal, (storage) => Array.fromAsync(storage.list(prefix, signal)))
    for (const blob of found.flat()) {
      if (given.has(blob.key)) continue
      given.add(blob.key)
      yield blob
    }
  }

  #isLive(name: string): boolean {
    return this.#live.some((one) => one.name === name)
  }
}

/** Why two storages that are one place are refused. */
export function samePlace(one: string, other: string): Failure {
  return new Failure(
    'configuration',
    `The storages ${one} and ${other} are the same place: one copy, not two.`,
    {
      remedy: 'Give each a container of its own, in a section [storage:NAME] of the file of --config.',
    },
  )
}

function isNotFound(error: unknown): boolean {
  return isFailure(error) && error.code === 'not-found'
}

function largest(numbers: readonly (number | undefined)[]): number | undefined {
  const given = numbers.filter((number) => number !== undefined)
  return given.length === 0 ? undefined : Math.max(...given)
}
