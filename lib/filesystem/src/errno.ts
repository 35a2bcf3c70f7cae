/** Failed calls of the C library as the errors that Node's own file calls throw. */
import { constants } from 'node:os'
import koffi from 'koffi'

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number as number, name]))

/** What a failed system call throws; `code` is a name like `ENOENT`, as in Node's own errors. */
export interface SystemError extends Error {
  readonly code: string
  readonly syscall: string
}

/** Name of the error of the call that just failed. Ask before any other call. */
export function errorCode(): string {
  const number = koffi.errno()
  return names.get(number) ?? `E${number}`
}

/** The error of `syscall`, which just failed. */
export function systemError(syscall: string): SystemError {
  const code = errorCode()
  return Object.assign(new Error(`${code}: ${syscall} failed`), { code, syscall })
}

/** The code of an error of the system, ours or Node's; '' for anything else. */
export function codeOf(error: unknown): string {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown }
  return typeof code === 'string' && typeof syscall === 'string' ? code : ''
}
