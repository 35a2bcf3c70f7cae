import { Failure } from '@freezer/sdk'

/** Where blobs lie in an account: in a container, under names that begin with `prefix`. */
export interface Place {
  readonly container: string
  /** Empty, or ends with a slash. */
  readonly prefix: string
}

/** Bytes of a name of an object, of which keys take 900. */
const longestPrefix = 120

/**
 * `backups/host1` → the container `backups`, names that begin with `host1/`.
 * @throws Failure `configuration` for what Swift does not permit
 */
export function parsePlace(text: string): Place {
  const [container = '', ...parts] = text.split('/')
  const prefix = parts.filter((part) => part !== '').join('/')
  if (container === '' || Buffer.byteLength(container) > 256 || !text.isWellFormed()) {
    throw new Failure('configuration', `"${text}" does not name a container of Swift.`, {
      remedy: 'Write NAME or NAME/PREFIX; a name has at most 256 bytes.',
    })
  }
  if (Buffer.byteLength(prefix) > longestPrefix) {
    throw new Failure('configuration', `What is behind the container in "${text}" is too long.`, {
      remedy: `It may have ${longestPrefix} bytes.`,
    })
  }
  return { container, prefix: prefix === '' ? '' : `${prefix}/` }
}

/** The path of a container, or of an object in it, below the address of an account. */
export function pathOf(container: string, object?: string): string {
  const encoded = `/${encodeURIComponent(container)}`
  return object === undefined ? encoded : `${encoded}/${object.split('/').map(encodeURIComponent).join('/')}`
}
