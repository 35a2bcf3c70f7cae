/**
 * Keys of everything that Freezer keeps on a storage. No other file knows them.
 *
 *     freezer                                          says that this is a container, and of which version
 *     keys/KEY                                         the repository key, wrapped
 *     manifests/plain/HOST/NAME/TIME-LEVEL-CHAIN-ID    a backup exists when this does
 *     manifests/sealed/GROUP/TIME-LEVEL-CHAIN-ID       the same, encrypted; GROUP is a keyed hash of host and name
 *     segments/ID/data.NNNNNNNN                        the archive
 *     segments/ID/index.NNNNNNNN                       the index beside it
 */
import { createHash } from 'node:crypto'
import { Failure } from '../contracts/failures.ts'

export const markerKey = 'freezer'
export const keysPrefix = 'keys/'
export const manifestsPrefix = 'manifests/'
export const plainPrefix = 'manifests/plain/'
export const sealedPrefix = 'manifests/sealed/'
export const segmentsPrefix = 'segments/'

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
