/**
 * A blob lies in the file whose path is its key. The one exception: file systems take names of at most 255 bytes, so
 * a longer part of a key is laid out as directories of 200 characters each. `~`, which no key holds, marks where
 * such a part was cut: `xxx…~/~xxx…`. Names that begin with a dot are not blobs.
 */
import { posix } from 'node:path'
import { Failure, isKey, isReadableKey } from '@freezer/sdk'

/** Whether a key may start with `prefix`. */
export function isPrefix(prefix: string): boolean {
  return isReadableKey(`${prefix}x`) || isReadableKey(prefix)
}

/** Whether a file or directory of this name may be a blob or hold some; what else lies in a container is let be. */
export function mayBeBlob(name: string): boolean {
  // A file system's own directory, which only root can read.
  return name !== 'lost+found' && isReadableKey(name.replaceAll('~', '-'))
}

/** The directory within a container for files that are still being written. */
export const temporaryDirectory = '.tmp'

function split(key: string): string {
  return key.replace(/[^/]{200}(?=[^/])/g, '$&~/~')
}

/** @throws Failure `internal` for a key that the storage contract does not permit: it might lead out of the container */
export function blobPath(container: string, key: string): string {
  if (!isKey(key)) throw new Failure('internal', `"${key}" is not a key.`)
  return posix.join(container, split(key))
}

/**
 * The same for a blob that is read: its key may be one that another program put, who cut no names.
 * @throws Failure `internal`
 */
export function readPath(container: string, key: string): string {
  if (isKey(key)) return blobPath(container, key)
  if (!isReadableKey(key)) throw new Failure('internal', `"${key}" is not a key.`)
  return posix.join(container, key)
}

/** A directory of the container, as its path in it and the beginning that all keys in it share. */
export interface Place {
  readonly path: string
  readonly prefix: string
}

/** The deepest directory that holds every key that starts with `prefix`. */
export function placeOf(prefix: string): Place {
  const laidOut = split(prefix)
  const path = laidOut.slice(0, laidOut.lastIndexOf('/') + 1)
  return { path, prefix: path.replaceAll('~/~', '').replace(/~\/$/, '') }
}

/** The key of the file `name` in `place`. */
export function keyIn(place: Place, name: string): string {
  return place.prefix + (place.path.endsWith('~/') ? name.slice(1) : name)
}

/** The directory `name` in `place`. */
export function placeIn(place: Place, name: string): Place {
  const key = keyIn(place, name)
  return { path: `${place.path}${name}/`, prefix: key.endsWith('~') ? key.slice(0, -1) : `${key}/` }
}
