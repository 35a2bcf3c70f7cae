/** What servers answer, as failures. */
import { Failure, fromSystem, isFailure } from '@freezer/sdk'

/** Status codes of SFTP version 3, draft-ietf-secsh-filexfer-02 section 7. */
export const status = {
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const

/** The status that an answer of the server gives, undefined for any other error. */
export function statusOf(error: unknown): number | undefined {
  const code: unknown =
    error instanceof Error && !isFailure(error) && 'code' in error ? error.code : undefined
  return typeof code === 'number' ? code : undefined
}

/** `error` of a request as a failure; `what` says what was being done, as in "read /b/x on host". */
export function fromServer(error: unknown, what: string): Failure {
  const code = statusOf(error)
  if (code === undefined) return fromSystem(error, what)
  const details = { cause: error, facts: { status: code } }
  switch (code) {
    case status.noSuchFile:
      return new Failure('not-found', `Cannot ${what}: it is not there.`, details)
    case status.permissionDenied:
      return new Failure('denied', `Cannot ${what}: permission denied.`, {
        ...details,
        remedy: 'Give the account the right to do so, or use another directory.',
      })
    default:
      return new Failure('denied', `Cannot ${what}: the server refuses it, without saying why.`, {
        ...details,
        remedy: 'Look into the log of the server.',
      })
  }
}

/** Where a server is, for messages: `host`, `host port 2222`. */
export function placeOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return port === 22 ? host : `${host} port ${port}`
}

/** Why no connection came about, or one ended, by the error that ssh2 gave. */
export function fromConnection(error: Error, place: string): Failure {
  const { level, code } = error as Error & { level?: string; code?: string | number }
  const unavailable = (
    message: string,
    remedy = 'Check that the machine is up and reachable; try again later.',
  ) => new Failure('unavailable', message, { remedy, cause: error })
  if (level === 'client-timeout') return unavailable(`${place} does not answer.`)
  if (code === 'ENOTFOUND') {
    return new Failure('not-found', `There is no machine called ${place}.`, {
      remedy: 'Check --ssh-host.',
      cause: error,
    })
  }
  if (code === 'ECONNREFUSED') {
    return unavailable(
      `${place} refuses the connection.`,
      'Check --ssh-host and --ssh-port, and that an SSH server runs there.',
    )
  }
  if (typeof code === 'string') return unavailable(`${place} cannot be reached: ${code}.`)
  if (/before handshake/.test(error.message)) {
    return unavailable(
      `${place} closed the connection before it spoke SSH.`,
      'Check that --ssh-port is that of an SSH server; one that is busy does the same, so try again later.',
    )
  }
  if (/no matching/i.test(error.message)) {
    return new Failure('denied', `${place} and Freezer have no way of encryption in common.`, {
      remedy: 'Update the SSH server, or let it offer newer algorithms.',
      facts: { why: error.message },
      cause: error,
    })
  }
  return unavailable(`The connection to ${place} was lost.`)
}
