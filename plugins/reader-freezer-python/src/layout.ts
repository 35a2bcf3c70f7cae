/**
 * How a container is laid out:
 *
 *     metadata/ENGINE/HOST_NAME/T0/LEVEL_T/metadata            small JSON; a backup exists when this does
 *     data/ENGINE/HOST_NAME/T0/LEVEL_T/data                    its archive; in Swift a manifest of a large object
 *     data/ENGINE/HOST_NAME/T0/LEVEL_T/engine_metadata         what the program needs for the next level
 *     data/ENGINE/HOST_NAME/T0/LEVEL_T/segments/NNNNNNNN       in Swift, what the manifest names
 *     VOLUME/T/VOLUME, VOLUME/T/metadata                       an image of a volume of Cinder
 *     CONTAINER_segments/VOLUME/T/T                            the same in Swift
 *
 * T0 and T are seconds since 1970: of level 0 of the chain, and of the backup itself. NAME may hold slashes.
 */
import { createHash } from 'node:crypto'
import { type Storage, throwIfAborted } from '@freezer/sdk'

export const metadataPrefix = 'metadata/'
export const dataPrefix = 'data/'

/** Keys that are looked at before a container counts as none of that program's. */
const lookedAt = 2000

/** A level that is in a container, by where it lies. */
export interface Place {
  readonly engine: string
  /** `HOST_NAME` as it stands in the keys. */
  readonly owner: string
  readonly chain: number
  readonly level: number
  /** Seconds since 1970. */
  readonly time: number
}

const pattern = /^(metadata|data)\/([^/]+)\/(.+)\/(\d{1,15})\/(\d{1,9})_(\d{1,15})\/(metadata|data)$/

/** The level whose metadata or data `key` is; undefined for any other key. */
export function parsePlace(
  key: string,
): { readonly place: Place; readonly part: 'metadata' | 'data' } | undefined {
  const match = pattern.exec(key)
  if (match === null) return undefined
  const [, tree, engine = '', owner = '', chain, level, time, file] = match
  if (tree !== file) return undefined
  const place = { engine, owner, chain: Number(chain), level: Number(level), time: Number(time) }
  return { place, part: tree === 'metadata' ? 'metadata' : 'data' }
}

function directory({ engine, owner, chain, level, time }: Place): string {
  return `${engine}/${owner}/${chain}/${level}_${time}`
}

export function metadataKey(place: Place): string {
  return `${metadataPrefix}${directory(place)}/metadata`
}

export function dataKey(place: Place): string {
  return `${dataPrefix}${directory(place)}/data`
}

/** 32 hexadecimal digits that no other level has. */
export function idOf(place: Place): string {
  return createHash('sha256')
    .update(`freezer-python ${directory(place)}`)
    .digest('hex')
    .slice(0, 32)
}

/** Host and name: host names hold no underscore. */
export function ownerOf(owner: string): { readonly host: string; readonly name: string } {
  const at = owner.indexOf('_')
  // Whatever stands there, it is to have a host and a name.
  if (at <= 0 || at === owner.length - 1) return { host: owner, name: owner }
  return { host: owner.slice(0, at), name: owner.slice(at + 1) }
}

/** The image of a volume. */
export interface Volume {
  readonly volume: string
  readonly time: number
  readonly metadata: string | undefined
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const volumePattern = new RegExp(`^(${uuid})/(\\d{1,15})/\\1$`)
const swiftVolumePattern = new RegExp(`^[^/]+_segments/(${uuid})/(\\d{1,15})/\\2$`)

/** The image of a volume that `key` is; undefined for any other key. */
export function parseVolume(key: string): Volume | undefined {
  const match = volumePattern.exec(key)
  const [, volume, time] = match ?? swiftVolumePattern.exec(key) ?? []
  if (volume === undefined) return undefined
  const metadata = match === null ? undefined : `${volume}/${time}/metadata`
  return { volume, time: Number(time), metadata }
}

/** Whether `storage` holds what the program leaves. @throws Failure of the storage */
export async function recognises(storage: Storage, signal: AbortSignal): Promise<boolean> {
  return (
    (await some(storage, metadataPrefix, (key) => parsePlace(key) !== undefined, signal)) ||
    (await some(storage, '', (key) => parseVolume(key) !== undefined, signal))
  )
}

async function some(
  storage: Storage,
  prefix: string,
  fits: (key: string) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  let seen = 0
  for await (const { key } of storage.list(prefix, signal)) {
    throwIfAborted(signal)
    if (fits(key)) return true
    if (++seen === lookedAt) return false
  }
  return false
}
