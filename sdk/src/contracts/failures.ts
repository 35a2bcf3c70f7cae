/**
 * Failures: the one vocabulary in which every part of Freezer says what went wrong.
 *
 * Rules
 * - Whoever detects a problem throws a `Failure` with the code that fits; nobody converts one code into another.
 *   Who knows more (which file, which backup) adds facts.
 * - The message is one sentence for the person at the terminal; `remedy` says what to do next.
 * - `facts` never hold a secret.
 * - A failure is recognised by its brand, not by its class: two copies of the sdk may meet in one process.
 * - Exit status and retry follow from `failureTable` alone.
 */

/** What each code means to a script: its exit status, and whether the same call may succeed later. */
export const failureTable = {
  /** A defect of Freezer or of a plugin. */
  internal: { exit: 1, temporary: false },
  /** The command line is wrong. */
  usage: { exit: 2, temporary: false },
  /** An ini file or an environment variable is wrong. */
  configuration: { exit: 2, temporary: false },
  /** The work was done, but some files could not be read or written; each was named. */
  incomplete: { exit: 3, temporary: false },
  /** The work was done, but some files changed while they were read: what is stored of each is of no one moment. */
  changed: { exit: 14, temporary: false },
  /** The work was done, and what was compared is not equal; each difference was named. */
  different: { exit: 16, temporary: false },
  /** What was asked for is not there: a backup, a path, a container. */
  'not-found': { exit: 4, temporary: false },
  /** Doing it would destroy something that nobody asked to destroy. */
  refused: { exit: 5, temporary: false },
  /** Stored bytes are missing or are not the bytes that were stored. */
  damaged: { exit: 6, temporary: false },
  /** An archive tries something that no honest backup does: leave the target, outgrow its promise. */
  hostile: { exit: 7, temporary: false },
  /** A passphrase is missing or wrong. */
  key: { exit: 8, temporary: false },
  /** A storage does not answer, or answers that it is busy. */
  unavailable: { exit: 9, temporary: true },
  /** A storage or the machine refuses access. */
  denied: { exit: 10, temporary: false },
  /** A server cannot show that it is the one that is meant: its key or certificate is unknown, or has changed. */
  untrusted: { exit: 17, temporary: false },
  /** No room left on a storage or in the target. */
  'no-space': { exit: 11, temporary: false },
  /** A plugin is missing, broken, or does not fit this host. */
  plugin: { exit: 12, temporary: false },
  /** The data to be backed up cannot be had at all. */
  source: { exit: 13, temporary: false },
  /** The newest backup is older than it may be. */
  stale: { exit: 15, temporary: false },
  /** A command of the person, before or after the run, failed. */
  hook: { exit: 18, temporary: false },
  /** Aborted: Ctrl-C, a signal, an `AbortSignal`. */
  interrupted: { exit: 130, temporary: false },
} as const satisfies Record<string, { exit: number; temporary: boolean }>

export type FailureCode = keyof typeof failureTable
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>

const brand = Symbol.for('freezer.failure')

export interface FailureDetails {
  /** What the person should do next, one sentence. */
  readonly remedy?: string | undefined
  readonly facts?: Facts | undefined
  readonly cause?: unknown
}

export class Failure extends Error {
  readonly code: FailureCode
  readonly remedy: string | undefined
  readonly facts: Facts

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'Failure'
    this.code = code
    this.remedy = details.remedy
    this.facts = details.facts ?? {}
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Whether `error` is a failure of any copy of the sdk. */
export function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[brand] === true
}

/** Whether the same call may succeed later. */
export function isTemporary(error: unknown): boolean {
  return isFailure(error) && (failureTable[error.code]?.temporary ?? false)
}

/** The exit status for whatever was thrown; anything that is not a failure is a defect. */
export function exitStatus(error: unknown): number {
  return isFailure(error) ? (failureTable[error.code]?.exit ?? 1) : 1
}

/** `error` as a failure: itself when it is one, `internal` around anything else. */
export function asFailure(error: unknown): Failure {
  if (isFailure(error)) return error
  if (error instanceof Error && error.name === 'AbortError') {
    return new Failure('interrupted', 'Interrupted.', { cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new Failure('internal', message, { cause: error, remedy: 'This is a defect: please report it.' })
}

/** @throws Failure `interrupted` when `signal` is aborted, whatever the reason it was given */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new Failure('interrupted', 'Interrupted.', { cause: signal.reason })
}

/** A failure as plain data, for JSON and for crossing a thread. */
export interface FailureRecord {
  readonly code: FailureCode
  readonly message: string
  readonly remedy?: string | undefined
  readonly facts?: Facts | undefined
  /** Where a defect is; for `internal` alone. */
  readonly stack?: string | undefined
}

export function toRecord(error: unknown): FailureRecord {
  const { code, message, remedy, facts, cause } = asFailure(error)
  const stack = code === 'internal' && cause instanceof Error ? cause.stack : undefined
  return { code, message, remedy, facts, ...(stack === undefined ? {} : { stack }) }
}

export function fromRecord(record: FailureRecord): Failure {
  const failure = new Failure(record.code, record.message, record)
  if (record.stack !== undefined) failure.stack = record.stack
  return failure
}

/** The system error codes that every storage and engine meets, and what they mean to a person. */
const systemCodes: Record<string, FailureCode> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  ETIMEDOUT: 'unavailable',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  ECONNABORTED: 'unavailable',
  EHOSTUNREACH: 'unavailable',
  ENETUNREACH: 'unavailable',
  ENOTCONN: 'unavailable',
  EPIPE: 'unavailable',
  ESTALE: 'unavailable',
  EIO: 'damaged',
}

/** `error` of the operating system as a failure; `what` says what was being done, as in "write /b/x". */
export function fromSystem(error: unknown, what: string): Failure {
  if (isFailure(error) || !(error instanceof Error) || error.name === 'AbortError') return asFailure(error)
  const { code } = error as NodeJS.ErrnoException
  const known = code === undefined ? undefined : systemCodes[code]
  if (known === undefined) return asFailure(error)
  return new Failure(known, `Cannot ${what}: ${code}.`, { cause: error, facts: { system: code } })
}
