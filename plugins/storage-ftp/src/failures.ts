/** What servers answer, as failures. */
import { Failure, fromSystem, isFailure } from '@freezer/sdk'
import { FTPError } from 'basic-ftp'

/** The number that an answer of the server begins with, undefined for any other error. */
export function replyOf(error: unknown): number | undefined {
  return error instanceof FTPError ? error.code : undefined
}

/**
 * Whether the server refused for good, as it does for a file that is not there, one that is in the way, and one that is
 * not permitted. RFC 959 has no number for each, and what servers say is meant for people.
 */
export function isRefusal(error: unknown): boolean {
  const reply = replyOf(error)
  return reply !== undefined && reply >= 500 && !isFull(error)
}

/** Numbers by RFC 959, 4.2; servers use others too, and say it. */
export function isFull(error: unknown): boolean {
  const reply = replyOf(error)
  if (reply === undefined) return false
  return (
    [452, 552].includes(reply) || /no space|quota|disk (?:is )?full|insufficient storage/i.test(said(error))
  )
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

/** `error` of a command as a failure; `what` says what was being done, as in "read /b/x on host". */
export function fromServer(error: unknown, what: string): Failure {
  const reply = replyOf(error)
  if (reply === undefined) return fromSystem(error, what)
  const details = { cause: error, facts: { reply, said: said(error).slice(4, 300) } }
  if (isFull(error)) {
    return new Failure('no-space', `Cannot ${what}: no space is left there.`, {
      ...details,
      remedy: 'Make room there, or back up elsewhere.',
    })
  }
  if (reply < 500) {
    return new Failure('unavailable', `Cannot ${what}: the server is not able to now (${reply}).`, {
      ...details,
      remedy: 'Try again later.',
    })
  }
  if (reply < 530) {
    return new Failure('denied', `Cannot ${what}: the server does not know how (${reply}).`, {
      ...details,
      remedy: 'Use another FTP server, or another storage.',
    })
  }
  const denied = /permission|denied|not permitted|read-only/i.test(said(error))
  return new Failure(
    'denied',
    denied
      ? `Cannot ${what}: permission denied.`
      : `Cannot ${what}: the server refuses it, without a reason that could be understood.`,
    { ...details, remedy: 'Give the account the right to do so, or use another directory.' },
  )
}

export function noContainer(path: string, host: string): Failure {
  return new Failure('not-found', `There is no container ${path} on ${host}.`, {
    remedy: 'Check the path, and that the disk it should be on is mounted there.',
  })
}

export function clash(path: string, cause: unknown): Failure {
  return new Failure('refused', `${path} cannot be both a blob and a directory.`, { cause })
}

/** Where a server is, for messages: `host`, `host port 2121`. */
export function placeOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return port === 21 ? host : `${host} port ${port}`
}

const certificateCodes =
  /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH/

/** Why no connection came about, or one ended. */
export function fromConnection(error: unknown, place: string): Failure {
  if (isFailure(error)) return error
  const { code, message } = error as NodeJS.ErrnoException
  const facts = { system: code }
  const unavailable = (
    text: string,
    remedy = 'Check that the machine is up and reachable; try again later.',
  ) => new Failure('unavailable', text, { remedy, facts, cause: error })
  if (code === 'ENOTFOUND') {
    return new Failure('not-found', `There is no machine called ${place}.`, {
      remedy: 'Check --ftp-host.',
      facts,
      cause: error,
    })
  }
  if (code === 'ECONNREFUSED') {
    return unavailable(
      `${place} refuses the connection.`,
      'Check --ftp-host and --ftp-port, and that an FTP server runs there.',
    )
  }
  if (code !== undefined && certificateCodes.test(code)) {
    return new Failure('untrusted', `The certificate of ${place} is not to be trusted: ${code}.`, {
      remedy: 'Name the certificate of the authority that signed it with --ftp-cacert.',
      facts,
      cause: error,
    })
  }
  if (code !== undefined && /SSL|EPROTO/.test(code)) {
    return unavailable(
      `${place} does not speak TLS as it should.`,
      'Check --ftp-port, and whether the server wants --ftp-implicit.',
    )
  }
  if (/timeout/i.test(message) || code === 'ETIMEDOUT') {
    return unavailable(
      `${place} does not answer.`,
      'Check --ftp-host and --ftp-port, and whether the server wants --ftp-implicit; try again later.',
    )
  }
  return unavailable(
    code === undefined || code === '0'
      ? `The connection to ${place} was lost.`
      : `The connection to ${place} was lost: ${code}.`,
  )
}
