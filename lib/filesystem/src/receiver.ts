/** What takes the entries of a backup while it is restored: a directory, or whoever asked for them one by one. */
import type { EngineRestore, Entry, EntryDetails, Failure, TreeTarget } from '@freezer/sdk'

/** A promise only where something must be waited for. */
export type Maybe<T> = T | Promise<T>

/**
 * What is needed of the record of an entry: all of it; no content; nothing, because all is done. `left`: nothing, but something
 * else stays in its place, and no later hard link may lead there.
 */
export type Need = 'content' | 'metadata' | 'nothing' | 'left'

/**
 * Takes entries in walk order: of each, `need` is asked, then, unless that was all, one of the other methods. Those say
 * whether the entry was restored; when it was not, a warning told why, and no later hard link may lead to it.
 */
export interface Receiver {
  need(entry: Entry): Need
  /** What `need` is going to say, as far as can be told some pages ahead; called in walk order. */
  foresee(entry: Entry): Need
  /**
   * Of which `metadata` alone was needed: anything but a directory and a hard link.
   * @returns undefined when all of it is needed after all
   */
  settle(entry: Entry, details: EntryDetails): Maybe<boolean | undefined>
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
  /**
   * The backup holds this entry, but it cannot be restored: what is there stays.
   * @returns true when that is as it should be, and nothing to warn of
   */
  keep(entry: Entry, failure: Failure): Maybe<boolean>
  /** There are no more entries. */
  finish(): Maybe<void>
  /** Closes what is open and changes nothing more. After `finish` it does nothing. */
  abandon(): void
}

export type ReceiverOptions = Pick<TreeTarget, 'overwrite' | 'remove'> & Pick<EngineRestore, 'warn' | 'tell'>

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
