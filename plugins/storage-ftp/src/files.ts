/** What a storage needs to ask of an FTP server. Everything throws what `Connection` throws. */
import { posix } from 'node:path'
import type { Connection } from './connection.ts'
import { isRefusal, replyOf } from './failures.ts'
import { type Entry, parseMachineListing, parsePlainListing } from './listing.ts'
import type { Server } from './server.ts'

/** Milliseconds that tidying up may take after a run was stopped. */
const tidyTime = 5000

/** What is in `directory`. @throws FTPError also when it is not there; Failure `unavailable` */
export async function entriesOf(
  connection: Connection,
  directory: string,
  signal: AbortSignal,
): Promise<Entry[]> {
  // The path is not given to the command that lists: servers take patterns and options there, and some list nothing
  // where nothing is.
  await connection.command(`CWD ${directory}`, signal)
  const text = await connection.listing(signal)
  return connection.machineListings ? parseMachineListing(text) : parsePlainListing(text)
}

/** Whether a directory is there that can be entered. */
export async function canEnter(
  connection: Connection,
  directory: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await connection.command(`CWD ${directory}`, signal)
    return true
  } catch (error) {
    if (isRefusal(error)) return false
    throw error
  }
}

/**
 * What is at `path`; undefined when nothing is. No answer of a server means "it is not there" without a doubt, so it is
 * looked for in its directory.
 * @throws FTPError when that cannot be found out
 */
export async function lookUp(
  connection: Connection,
  path: string,
  signal: AbortSignal,
): Promise<Entry | undefined> {
  const parent = posix.dirname(path)
  if (parent === path) return { name: '', kind: 'directory', size: 0, modified: undefined }
  let entries: Entry[]
  try {
    entries = await entriesOf(connection, parent, signal)
  } catch (error) {
    if (!isRefusal(error)) throw error
    const found = await lookUp(connection, parent, signal)
    if (found === undefined || found.kind === 'file') return undefined
    throw error
  }
  const name = posix.basename(path)
  return entries.find((entry) => entry.name === name)
}

/** Bytes of the file `path`. @throws FTPError also when it is not a file */
export async function sizeOf(connection: Connection, path: string, signal: AbortSignal): Promise<number> {
  const { message } = await connection.command(`SIZE ${path}`, signal)
  return Number(/^213 +(\d+)/.exec(message)?.[1] ?? Number.NaN)
}

/** Gives a file another name. */
export async function rename(
  connection: Connection,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  await connection.command(`RNFR ${from}`, signal)
  await connection.command(`RNTO ${to}`, signal)
}

/** Where the account is after logging in. */
export async function whereAmI(connection: Connection, signal: AbortSignal): Promise<string> {
  const { message } = await connection.command('PWD', signal)
  // A quotation mark in a name is written twice, RFC 959, appendix II.
  const quoted = /"((?:[^"]|"")*)"/.exec(message)?.[1] ?? '/'
  return quoted.replaceAll('""', '"')
}

/** Does what must be done whatever happened before; that it cannot be done is no news then. */
export async function tidy(
  server: Server,
  work: (connection: Connection, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const signal = AbortSignal.timeout(tidyTime)
  await server.use(signal, (connection) => work(connection, signal)).catch(() => {})
}

/** Whether the server refuses a command for it does not have it. */
export function isUnknownCommand(error: unknown): boolean {
  const reply = replyOf(error)
  return reply !== undefined && reply >= 500 && reply < 510
}
