/**
 * Keys of everything that Freezer keeps on a storage. No other file knows them.
 *
 *     freezer                                          says that this is a container, and of which version
 *     keys/KEY                                         the repository key, wrapped; other keys, sealed
 *     manifests/plain/HOST/NAME/TIME-LEVEL-CHAIN-ID    a backup exists when this does
 *     manifests/sealed/GROUP/TIME-LEVEL-CHAIN-ID       the same, encrypted; GROUP is a keyed hash of host and name
 *     manifests/received/KEY/GROUP/TIME-LEVEL-CHAIN-ID the same, encrypted for the recipient in keys/KEY
 *     segments/ID/data.NNNNNNNN                        the archive
 *     segments/ID/index.NNNNNNNN                       the index beside it
 *     leases/ID                                        a run is under way that needs something
 *     leases/ID.refreshed                              it was still under way at that time
 *     removed/ID/PRUNE.planned                         a prune is about to remove the backup
 *     removed/ID/PRUNE                                 the backup is no more, whatever else is still there of it
 *     pins/ID                                          a person wants the backup to stay
 *     mirrored                                         other storages hold the same container
 */
import { createHash } from 'node:crypto'
import { Failure } from '../contracts/failures.ts'

export const markerKey = 'freezer'
export const mirroredKey = 'mirrored'
export const keysPrefix = 'keys/'
export const manifestsPrefix = 'manifests/'
export const plainPrefix = 'manifests/plain/'
export const sealedPrefix = 'manifests/sealed/'
export const receivedPrefix = 'manifests/received/'
export const segmentsPrefix = 'segments/'
export const leasesPrefix = 'leases/'
export const removedPrefix = 'removed/'
export const pinsPrefix = 'pins/'

export type StreamName = 'data' | 'index'

export function segmentKey(id: string, stream: StreamName, segment: number): string {
  return `${segmentsPrefix}${id}/${stream}.${String(segment).padStart(8, '0')}`
}

const segmentPattern = /^segments\/([0-9a-f]{32})\/(data|index)\.(\d{8,15})$/

/** Undefined for a key that is no segment's. */
export function parseSegment(
  key: string,
): { readonly id: string; readonly stream: StreamName; readonly number: number } | undefined {
  const match = segmentPattern.exec(key)
  if (match === null) return undefined
  const [, id = '', stream, number] = match
  return { id, stream: stream === 'data' ? 'data' : 'index', number: Number(number) }
}

export function leaseKey(id: string): string {
  return leasesPrefix + id
}

/** Where the holder of a lease says that it is still there. */
export function refreshedKey(id: string): string {
  return `${leasesPrefix}${id}.refreshed`
}

/** Undefined for a key that is neither. */
export function parseLeaseKey(key: string): { id: string; refreshed: boolean } | undefined {
  const match = /^leases\/([0-9a-f]{32})(\.refreshed)?$/.exec(key)
  return match === null ? undefined : { id: match[1] ?? '', refreshed: match[2] !== undefined }
}

export function removedKey(id: string, prune: string): string {
  return `${removedPrefix}${id}/${prune}`
}

/** Where a prune says that it is about to remove a backup. */
export function plannedKey(id: string, prune: string): string {
  return `${removedKey(id, prune)}.planned`
}

/** Undefined for a key that is neither. */
export function parseRemovedKey(key: string): { id: string; prune: string; planned: boolean } | undefined {
  const match = /^removed\/([0-9a-f]{32})\/([0-9a-f]{32})(\.planned)?$/.exec(key)
  return match === null
    ? undefined
    : { id: match[1] ?? '', prune: match[2] ?? '', planned: match[3] !== undefined }
}

export function pinKey(id: string): string {
  return pinsPrefix + id
}

/** The backup that a pin holds; undefined for a key that is no pin's. */
export function parsePinKey(key: string): string | undefined {
  return /^pins\/([0-9a-f]{32})$/.exec(key)?.[1]
}

/** What the key of a manifest says without reading it. */
export interface BackupName {
  readonly key: string
  /** 32 hexadecimal digits. */
  readonly id: string
  /** Id of the level 0 that it builds on; its own at level 0. */
  readonly chain: string
  readonly level: number
  /** Milliseconds since 1970 of its moment; unique within a host and name. */
  readonly time: number
}

/** `20261123T042530.123Z` */
function spellTime(time: number): string {
  return new Date(time).toISOString().replaceAll(/[-:]/g, '')
}

export function manifestKey(group: string, backup: Omit<BackupName, 'key'>): string {
  return `${group}${spellTime(backup.time)}-${backup.level}-${backup.chain}-${backup.id}`
}

const manifestPattern =
  /\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d{3})Z-(\d{1,9})-([0-9a-f]{32})-([0-9a-f]{32})$/

/** Prefix of the manifests of the host and name that a manifest is of. */
export function groupOf(manifest: string): string {
  return manifest.slice(0, manifest.lastIndexOf('/') + 1)
}

/** Undefined for a key that is no manifest's. */
export function parseManifestKey(key: string): BackupName | undefined {
  const match = manifestPattern.exec(key)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, ms, level, chain, id] = match
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`)
  if (Number.isNaN(time)) return undefined
  return { key, id: id ?? '', chain: chain ?? '', level: Number(level), time }
}

/** Prefix of the manifests of a host and name that are not encrypted. */
export function plainGroup(host: string, name: string): string {
  return `${plainPrefix}${escapePart(host)}/${escapePart(name)}/`
}

/** Prefix of those that are; `hash` is the keyed hash of host and name. */
export function sealedGroup(hash: string): string {
  return `${sealedPrefix}${hash}/`
}

/** Prefix of the manifests that were sealed for the recipient in `keys/ID`. */
export function recipientPrefix(id: string): string {
  return `${receivedPrefix}${id}/`
}

/** Prefix of those of one name; `hash` is the keyed hash of host and name. */
export function receivedGroup(id: string, hash: string): string {
  return `${recipientPrefix(id)}${hash}/`
}

/** Id of the recipient that a manifest was sealed for; undefined for one that was sealed for none. */
export function recipientOf(key: string): string | undefined {
  return key.startsWith(receivedPrefix) ? key.slice(receivedPrefix.length).split('/', 1)[0] : undefined
}

/** Longest part of a key that every file system takes, with room for what storages add. */
const longestPart = 160

/** Any text as one part of a key. One way only: the true name stands in the manifest. */
function escapePart(text: string): string {
  if (text === '') throw new Failure('usage', 'The backup name and the host name must not be empty.')
  const escaped = Buffer.from(text, 'utf8')
    .toString('latin1')
    .replaceAll(/[^A-Za-z0-9_-]/g, (character, at) => {
      if (character === '.' && at > 0) return '.'
      return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
    })
  if (escaped.length <= longestPart) return escaped
  // "%_" begins no escape, so a shortened name never equals another name in full.
  return `${escaped.slice(0, 80)}%_${createHash('sha256').update(text).digest('hex')}`
}
