import { Failure } from '@freezer/sdk'

/** Where blobs lie: in a bucket, under names that begin with `prefix`. */
export interface Place {
  readonly bucket: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
}

/** Bytes of a name of an object are 1024, of which keys take 900. */
const longestPrefix = 120

/**
 * `backups/host1` → the bucket `backups`, names that begin with `host1/`.
 * @throws Failure `configuration` for what no service permits
 */
export function parsePlace(text: string): Place {
  const [bucket = '', ...rest] = text.split('/')
  const parts = rest.filter((part) => part !== '')
  const prefix = parts.join('/')
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$/.test(bucket)) {
    throw new Failure('configuration', `"${bucket}" is not the name of a bucket.`, {
      remedy: 'A name has at least three letters, digits, dots or hyphens; write NAME or NAME/PREFIX.',
    })
  }
  const isOdd = !text.isWellFormed() || /\p{Cc}/u.test(text) || parts.some((part) => /^\.\.?$/.test(part))
  if (isOdd || Buffer.byteLength(prefix) > longestPrefix) {
    throw new Failure(
      'configuration',
      `What is behind the bucket in "${text}" cannot begin names of objects.`,
      {
        remedy: `It may have ${longestPrefix} bytes, and no part of it may be . or ..`,
      },
    )
  }
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` }
}
