/**
 * A storage keeps named blobs. That is all: it knows no backup, level, manifest or codec, never retries,
 * sleeps or logs. What every storage needs beyond that (retry, bandwidth limits, verification, several at
 * once) is a wrapper with this same interface. When a server says how long it wants to be left alone, that is the fact
 * `retryAfter` of the failure `unavailable`, in seconds.
 *
 * What the service behind it must provide
 * - A blob that was put is there for every later `get`, whole, also after a crash of either side.
 * - A `put` that failed, or whose program was killed, leaves either no blob under that key or a whole one.
 * - A blob that was listed can be read.
 *
 * Keys are made of `A-Z a-z 0-9 . _ - %` and `/` between parts; no part is empty, `.` or `..`; at most 900 characters.
 * A key whose part begins with a dot is the storage's own: it is never given by callers and never listed.
 *
 * What lies in a container may have been put by another program, under keys that hold more (`isReadableKey`). Those are
 * listed and can be read, and never put or removed.
 */
import type { Context } from './context.ts'
import type { OptionDeclarations, Options } from './options.ts'

/** Whether `key` is one that a caller may give. A storage that makes paths of keys asks this first. */
export function isKey(key: string): boolean {
  return key.length <= 900 && /^(?!\.)[\w.%-]+(?:\/(?!\.)[\w.%-]+)*$/.test(key)
}

/**
 * Whether `key` is one that a caller may ask for: one of ours, or one that another program put. No part of those is empty
 * or begins with a dot, and none holds a control character, a `~` or what is not Unicode.
 */
export function isReadableKey(key: string): boolean {
  return (
    isKey(key) ||
    (key.length <= 900 &&
      key.isWellFormed() &&
      !key.includes('~') &&
      !/[\p{Cc}\ufffd]/u.test(key) &&
      key.split('/').every((part) => part !== '' && !part.startsWith('.')))
  )
}

/** Part of a blob: `length` bytes from `offset`. */
export interface Range {
  readonly offset: number
  readonly length: number
}

export interface StoredBlob {
  readonly key: string
  /** Bytes. */
  readonly size: number
}

/**
 * How a `put` is kept to a bandwidth: awaited before so many bytes are sent, it resolves when they may go.
 * @throws Failure `interrupted`
 */
export type Pace = (bytes: number) => Promise<void>

export interface Storage {
  /** Milliseconds after which a listing shows whatever was put or removed before; at once when not declared. */
  readonly settle?: number | undefined
  /**
   * Bytes of the blobs that it takes best, when they are more than the few MiB that are usual: where every put costs several
   * requests, or waits for a machine far away, fewer and larger ones are faster. A few of them are in memory at a time.
   * It came with version 1.2 of the contracts.
   */
  readonly segmentSize?: number | undefined

  /**
   * Stores the concatenation of `chunks` under `key`, replacing what is there, all or nothing, durable on return.
   * The caller bounds the size (a segment) and does not change the chunks before the promise settles, so a
   * storage may send them again; afterwards their memory is gone. A storage that asks `pace` before each chunk that it sends,
   * or part of one, sends evenly; one that does not (it came with version 1.2 of the contracts) is made to wait afterwards.
   * @throws Failure `no-space`, `denied`, `unavailable`
   */
  put(key: string, chunks: readonly Uint8Array[], signal: AbortSignal, pace?: Pace): Promise<void>

  /**
   * The bytes of a blob, or of a part of it, in order; a chunk belongs to whoever received it. A range that
   * reaches beyond the end gives what there is; one that begins at or beyond the end gives nothing. Less than that
   * is a failure, never a short answer. Leaving the iteration early releases everything.
   * @throws Failure `not-found`, `denied`, `unavailable`
   */
  get(key: string, range: Range | undefined, signal: AbortSignal): AsyncIterable<Uint8Array>

  /**
   * Every blob whose key starts with `prefix` (any prefix, not only whole parts), each once, in no particular order.
   * Nothing there is an empty answer; a listing that cannot be read, or not to its end, throws.
   * @throws Failure `denied`, `unavailable`
   */
  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredBlob>

  /**
   * Removes a blob; one that is not there is already removed.
   * @throws Failure `denied`, `unavailable`
   */
  remove(key: string, signal: AbortSignal): Promise<void>

  /** Ends connections. Called once, after the last call has settled. */
  close?(): Promise<void>
}

/** A storage as a plugin provides it. */
export interface StorageDriver<D extends OptionDeclarations = OptionDeclarations> {
  readonly name: string
  readonly description: string
  readonly options: D
  /**
   * Opens the storage. Does not create a container that is missing when `create` is false.
   * @throws Failure `not-found` when the container is missing, `denied`, `unavailable`, `key`
   */
  open(options: Options<D>, context: Context, access: { readonly create: boolean }): Promise<Storage>
}

/** Declares a storage driver with the types of its options kept. */
export function declareStorage<const D extends OptionDeclarations>(
  driver: StorageDriver<D>,
): StorageDriver<D> {
  return driver
}
