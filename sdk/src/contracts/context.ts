import type { Action, TreeDifference } from './engine.ts'

/** What every part of a run gets from its host: the way to stop, to tell, and to know the time. */
export interface Context {
  /** Aborted when the run must stop. Whoever waits, waits on this too. */
  readonly signal: AbortSignal
  /** Tells the host what happens. The framework never prints. */
  readonly report: (event: RunEvent) => void
  /** Milliseconds since 1970, from the host's clock. */
  readonly now: () => number
}

/** Something about a run that its host may show. */
export type RunEvent =
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'warning'; readonly warning: Warning }
  | { readonly type: 'finding'; readonly finding: Finding }
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn'; readonly message: string }

/** What a run did, or would do, to one path; or what a comparison found of it. */
export interface Finding {
  readonly action: Action
  /** As text for people, relative to the root of the tree; '' is the root itself. */
  readonly path: string
  /** What differs between the backup and what is, or was, there. */
  readonly differs: readonly TreeDifference[]
}

/** Counters since the start of the run; every one only grows. */
export interface Progress {
  /** What goes on: `scan`, `backup`, `restore`, `check`, `copy`. */
  readonly phase: string
  /** Entries of the tree dealt with. */
  readonly entries: number
  /** Bytes of file content read or written; of a check and a copy, stored bytes read. */
  readonly bytes: number
  /** Bytes handed to, or fetched from, the storage. */
  readonly stored: number
  /** The same expected in all, where that is known. */
  readonly total?: number | undefined
}

/** Something that went wrong with one entry while the run as a whole went on. */
export interface Warning {
  /**
   * `unread`: not in this backup. `changed`: in it, but it changed while it was read. `skipped`: of a kind that is
   * never backed up (a socket). `unrestored`: not written, or not as it was. `metadata`: content is right, something
   * of its metadata could not be kept.
   */
  readonly kind: 'unread' | 'changed' | 'skipped' | 'unrestored' | 'metadata'
  /** As text for people; bytes that are not UTF-8 are shown as U+FFFD. */
  readonly path: string
  readonly message: string
}

/** What an embedder gives of a context. Without `signal` a run goes on to its end, without `report` it is quiet. */
export type GivenContext = { readonly [K in keyof Context]?: Context[K] | undefined }

/** The whole context: what is not given is never aborted, tells nobody, and has the time of this machine. */
export function wholeContext({ signal, report, now }: GivenContext = {}): Context {
  return {
    signal: signal ?? new AbortController().signal,
    report: report ?? (() => {}),
    now: now ?? Date.now,
  }
}

/** A context for who wants none of it but to be stopped. */
export function quietContext(signal?: AbortSignal): Context {
  return wholeContext({ signal })
}
