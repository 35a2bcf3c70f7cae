/** What the status of an answer means. */
import { Failure } from '@freezer/sdk'
import type { Answer } from './http.ts'

/**
 * The failure that an answer stands for which is not the one that was hoped for; the body is left alone.
 * @param what was being done, as in "store a/b in the container backups"
 */
export function fromStatus(answer: Answer, what: string): Failure {
  const { status } = answer
  const wait = retryAfter(answer.header('retry-after'))
  const facts = {
    status,
    request: answer.header('x-openstack-request-id') ?? answer.header('x-trans-id'),
    ...(wait === undefined ? {} : { retryAfter: wait }),
  }
  const failure = (code: Failure['code'], why: string, remedy: string) =>
    new Failure(code, `Cannot ${what}: ${why}.`, { remedy, facts })
  switch (status) {
    case 401:
      return failure(
        'denied',
        'the token is refused',
        'Check what you log in with, and whether it has expired.',
      )
    case 403:
      return failure(
        'denied',
        'access is denied',
        'Give the user a role that permits it, or use another project.',
      )
    case 404:
      return failure('not-found', 'it is not there', 'Check the name.')
    case 413:
      return failure('no-space', 'it is more than is permitted there', 'Make room, or have the quota raised.')
    case 422:
      return failure(
        'unavailable',
        'it was altered on its way',
        'Try again; check the network if it stays so.',
      )
    case 429:
    case 498:
      return failure('unavailable', 'there are too many requests', 'Try again later.')
    case 507:
      return failure('no-space', 'the cloud has no room left', 'Ask the operator of the cloud.')
    case 408:
    case 409:
    case 425:
      return failure('unavailable', `the answer is ${status}`, 'Try again later.')
  }
  if (status >= 500) {
    return failure(
      'unavailable',
      `the answer is ${status}`,
      'Try again later; ask the operator of the cloud.',
    )
  }
  if (status >= 300 && status < 400) {
    return failure('denied', `it redirects elsewhere (${status})`, 'Use the address that it redirects to.')
  }
  return failure(
    'denied',
    `the answer is ${status}`,
    'Ask the operator of the cloud why, with the facts of this failure.',
  )
}

/** Seconds that a header `Retry-After` asks for (RFC 9110, 10.2.3). */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined
}
