/** What takes the entries of a backup while it is restored: a directory, or whoever asked for them one by one. */
import type { Entry, EntryDetails, Failure } from '@freezer/sdk'

/** A promise only where something must be waited for. */
export type Maybe<T> = T | Promise<T>

/**
 * Takes entries in walk order. Its methods say whether the entry was restored; when it was not, a warning told why, and no
 * later hard link may lead to it.
 */
export interface Receiver {
  /** Whether the content of files is wanted. Without it, files come with none. */
  readonly content: boolean
  directory(entry: Entry, details: EntryDetails): Maybe<boolean>
  /** A file with all its content, which is in hand. */
  file(entry: Entry, details: EntryDetails, content: Uint8Array): Maybe<boolean>
  /** A file whose content comes piece by piece; undefined when it cannot be restored. */
  begin(entry: Entry, details: EntryDetails): Maybe<IncomingFile | undefined>
  symlink(entry: Entry, details: EntryDetails): Maybe<boolean>
  /** A FIFO or a device. */
  node(entry: Entry, details: EntryDetails): Maybe<boolean>
  /** One more name for what was restored as `entry.link`. */
  link(entry: Entry): Maybe<boolean>
  /** The backup holds this entry, but it cannot be restored: what is there stays. */
  keep(entry: Entry, failure: Failure): Maybe<void>
  /** There are no more entries. */
  finish(): Maybe<void>
  /** Closes what is open and changes nothing more. After `finish` it does nothing. */
  abandon(): void
}

/** A file whose content is on its way. One of `finish`, `discard` ends it. */
export interface IncomingFile {
  /**
   * Content at `position`; positions ascend, what is skipped is a hole.
   * @returns false when no more of it is of use: go on with `finish`
   */
  write(content: Uint8Array, position: number): Maybe<boolean>
  /** @returns false when the file could not be completed, which is told */
  finish(): Maybe<boolean>
  /** The rest cannot be had. */
  discard(failure: Failure): Maybe<void>
}
