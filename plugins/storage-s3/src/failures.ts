/** What services answer, and what connections end with, as failures. Nothing of a request is in them. */
import { Failure, type FailureCode, isFailure } from '@freezer/sdk'

const certificateCodes =
  /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH/

function remedyOfCertificate(code: string): string {
  if (/EXPIRED|NOT_YET_VALID/.test(code)) return 'Have it renewed there; check the clock of this machine.'
  if (/ALTNAME|HOSTNAME/.test(code)) {
    return 'Use a name that stands in it; what answers there may not be the machine that you mean.'
  }
  return 'Name the certificate of the authority that signed it with --s3-cacert.'
}

/** Why there is no answer, or no end of it. */
export function fromConnection(error: unknown, url: URL): Failure {
  if (isFailure(error)) return error
  const code = codeOf(error)
  const facts = { system: code }
  const unavailable = (
    message: string,
    remedy = 'Check that it is up and can be reached; try again later.',
  ) => new Failure('unavailable', message, { remedy, facts })
  if (code === 'ENOTFOUND') {
    return new Failure('not-found', `There is no machine called ${url.hostname}.`, {
      remedy: 'Check --endpoint, --region and the name of the bucket.',
      facts,
    })
  }
  if (code === 'ECONNREFUSED') {
    return unavailable(
      `${url.host} refuses the connection.`,
      'Check --endpoint, and that a server runs there.',
    )
  }
  if (code === 'ETIMEDOUT') return unavailable(`${url.host} does not answer.`)
  if (certificateCodes.test(code)) {
    return new Failure('untrusted', `The certificate of ${url.host} is not to be trusted: ${code}.`, {
      remedy: remedyOfCertificate(code),
      facts,
    })
  }
  if (/SSL|EPROTO/.test(code)) {
    return unavailable(
      `${url.host} does not speak TLS.`,
      'Check whether the address begins with http: or https:.',
    )
  }
  if (code.startsWith('HPE_')) {
    return unavailable(
      `${url.host} does not speak HTTP.`,
      'Check --endpoint, and whether it begins with https:.',
    )
  }
  if (code !== '') return unavailable(`The connection to ${url.host} was lost: ${code}.`)
  return new Failure('internal', `The request to ${url.host} failed.`, {
    cause: error,
    remedy: 'This is a defect: please report it.',
  })
}

/** The code of an error, or of the first of several. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

/** What an answer that is not the one hoped for says. */
export interface Refusal {
  readonly status: number
  /** In the words of the protocol: `NoSuchKey`. Empty where there are none. */
  readonly code: string
  /** Where the bucket lies, where that is told. */
  readonly region: string | undefined
  readonly request: string | undefined
  /** Seconds that the service wants to be left alone. */
  readonly retryAfter: number | undefined
  /** Where it redirects to: machine and port alone. */
  readonly location: string | undefined
}

interface Meaning {
  readonly code: FailureCode
  readonly why: string
  readonly remedy: string
}

const later = 'Try again later.'

const busy: Meaning = { code: 'unavailable', why: 'the service is busy', remedy: later }
const altered: Meaning = {
  code: 'unavailable',
  why: 'it was altered on its way',
  remedy: 'Try again; check the network if it stays so.',
}
const expired: Meaning = {
  code: 'denied',
  why: 'the session token has expired, or is none',
  remedy: 'Get a new temporary access key.',
}
const elsewhere: Meaning = {
  code: 'configuration',
  why: 'the bucket lies in another region',
  remedy: 'Give its region with --region, and an --endpoint that fits.',
}
const full: Meaning = {
  code: 'no-space',
  why: 'no room is left there',
  remedy: 'Make room, or have the quota raised.',
}
const lost: Meaning = {
  code: 'unavailable',
  why: 'its parts are gone, or were altered',
  remedy: 'Try again; see that nothing else ends uploads in that bucket.',
}
const lacking: Meaning = {
  code: 'configuration',
  why: 'the service does not offer what that needs',
  remedy: 'Use a --max-segment-size of at most 64M, and no --s3-object-lock.',
}

/** By the list of error codes in Amazon's reference of the S3 API, and what others add to it. */
const meanings: Readonly<Record<string, Meaning>> = {
  NoSuchKey: { code: 'not-found', why: 'it is not there', remedy: 'Check the name.' },
  AccessDenied: {
    code: 'denied',
    why: 'access is denied',
    remedy: 'Permit the access key to list, read, write and delete in that bucket.',
  },
  InvalidAccessKeyId: {
    code: 'denied',
    why: 'the access key is not known',
    remedy: 'Check the access key, and that it belongs to that service.',
  },
  SignatureDoesNotMatch: {
    code: 'denied',
    why: 'the signature is wrong, as it is with a wrong secret',
    remedy: 'Check the secret of the access key; a proxy that changes requests has the same effect.',
  },
  RequestTimeTooSkewed: {
    code: 'denied',
    why: 'the clocks of this machine and the service differ',
    remedy: 'Set the clock of this machine.',
  },
  ExpiredToken: expired,
  InvalidToken: expired,
  TokenRefreshRequired: expired,
  AuthorizationHeaderMalformed: elsewhere,
  PermanentRedirect: elsewhere,
  TemporaryRedirect: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  InvalidLocationConstraint: elsewhere,
  InvalidBucketName: {
    code: 'configuration',
    why: 'the service permits no bucket of that name',
    remedy: 'Use small letters, digits and hyphens.',
  },
  BucketAlreadyExists: {
    code: 'denied',
    why: 'a bucket of that name belongs to somebody else',
    remedy: 'Use another name.',
  },
  EntityTooLarge: {
    code: 'configuration',
    why: 'it is larger than the service takes',
    remedy: 'Use a smaller --max-segment-size.',
  },
  NoSuchUpload: lost,
  InvalidPart: lost,
  NotImplemented: lacking,
  QuotaExceeded: full,
  XMinioStorageFull: full,
  InsufficientStorage: full,
  BadDigest: altered,
  InvalidDigest: altered,
  IncompleteBody: altered,
  XAmzContentSHA256Mismatch: altered,
  SlowDown: busy,
  ServiceUnavailable: busy,
  InternalError: busy,
  RequestTimeout: busy,
  TooManyRequests: busy,
  OperationAborted: busy,
}

/** What a status means where no code says more. */
function meaningOf(status: number): Meaning | undefined {
  if (status === 401 || status === 403) return meanings['AccessDenied']
  if (status === 404) return meanings['NoSuchKey']
  if (status === 413) return meanings['EntityTooLarge']
  if (status === 501) return lacking
  if (status === 507) return full
  return [408, 409, 425, 429].includes(status) || status >= 500 ? busy : undefined
}

/** @param what was being done, as in "store a/b in the bucket backups" */
export function fromRefusal(refusal: Refusal, what: string): Failure {
  const { status, code, region, request, retryAfter, location } = refusal
  const redirects = status >= 300 && status < 400
  const meaning = meanings[code] ?? (redirects && region !== undefined ? elsewhere : meaningOf(status))
  const facts = { status, code, region, request, ...(retryAfter === undefined ? {} : { retryAfter }) }
  if (meaning === undefined && redirects) {
    const where = location === undefined ? 'elsewhere' : `to ${location}`
    return new Failure('configuration', `Cannot ${what}: the service redirects ${where}.`, {
      remedy: 'Give the address that it redirects to with --endpoint, if it is the one that you mean.',
      facts,
    })
  }
  if (meaning === undefined) {
    return new Failure('denied', `Cannot ${what}: the answer is ${status}${code === '' ? '' : ` ${code}`}.`, {
      remedy: 'Ask the operator of the service why, with the facts of this failure.',
      facts,
    })
  }
  const why =
    meaning === elsewhere && region !== undefined ? `the bucket lies in the region ${region}` : meaning.why
  return new Failure(meaning.code, `Cannot ${what}: ${why}.`, { remedy: meaning.remedy, facts })
}

export function noBucket(name: string): Failure {
  return new Failure('not-found', `There is no bucket ${name}.`, {
    remedy: 'Check --container, --endpoint and --region; it is made when the first backup is written to it.',
  })
}
