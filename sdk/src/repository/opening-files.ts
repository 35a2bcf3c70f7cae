/** What a container is opened with, compared over several storages: each must have it sound, or cannot be opened alone. */
import { isFailure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { readBlob } from './blobs.ts'
import { decodeRecord, type KeyRecord } from './key-records.ts'
import { type Keyring, keyFileLimit, openKeyring } from './keyring.ts'
import { isMarker, markerBytes } from './marker.ts'
import { keysPrefix, markerKey } from './names.ts'
import type { Secret } from './wrapping.ts'

/** The marker and the files under `keys/` of a storage, by their keys; undefined for one that cannot be read whole. */
export interface OpeningFiles {
  readonly name: string
  readonly storage: Storage
  readonly files: ReadonlyMap<string, Uint8Array | undefined>
}

/** @param ids of the files under `keys/` */
export async function readOpeningFiles(
  storage: Storage,
  name: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<OpeningFiles> {
  const keys = [markerKey, ...ids.map((id) => keysPrefix + id)]
  const read = async (key: string): Promise<[string, Uint8Array | undefined]> => {
    try {
      return [key, await readBlob(storage, key, keyFileLimit, signal)]
    } catch (error) {
      if (!isFailure(error) || !['damaged', 'not-found'].includes(error.code)) throw error
      return [key, undefined]
    }
  }
  return { name, storage, files: new Map(await Promise.all(keys.map(read))) }
}

/** A file that is damaged on one storage, and what it is on another. */
export interface SpoiltFile {
  readonly name: string
  readonly storage: Storage
  readonly key: string
  readonly sound: Uint8Array
}

/**
 * What is damaged on some of `places` and sound on another. Of two that both can be understood, only what a repository key
 * vouches for is sound.
 *
 * @param secret opens the container; without it only markers are compared
 * @throws Failure of a storage
 */
export async function findSpoilt(
  places: readonly OpeningFiles[],
  secret: Secret | undefined,
  signal: AbortSignal,
): Promise<readonly SpoiltFile[]> {
  const spoilt: SpoiltFile[] = []
  let keyring: Keyring | undefined
  for (const key of places[0]?.files.keys() ?? []) {
    const [first, ...others] = places.map(({ files }) => files.get(key))
    if (others.every((bytes) => isSame(bytes, first))) continue
    if (key === markerKey) {
      for (const { name, storage, files } of places) {
        if (!isMarker(files.get(key))) spoilt.push({ name, storage, key, sound: markerBytes() })
      }
      continue
    }
    keyring ??= secret && (await openAny(places, secret, signal))
    const opened = keyring
    if (opened === undefined) continue
    const bad = places.filter(({ files }) => !isProven(key, files.get(key), opened))
    const sound = places.find((place) => !bad.includes(place))?.files.get(key)
    if (sound === undefined) continue
    for (const { name, storage } of bad) spoilt.push({ name, storage, key, sound })
  }
  return spoilt
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0
}

/** What `secret` opens on the first of `places` where it opens anything. */
async function openAny(
  places: readonly OpeningFiles[],
  secret: Secret,
  signal: AbortSignal,
): Promise<Keyring | undefined> {
  for (const { storage, files } of places) {
    const ids = [...files.keys()]
      .filter((key) => key !== markerKey)
      .map((key) => key.slice(keysPrefix.length))
    try {
      return await openKeyring(storage, ids, secret, signal)
    } catch (error) {
      if (!isFailure(error) || !['damaged', 'key'].includes(error.code)) throw error
    }
  }
  return undefined
}

function isProven(key: string, bytes: Uint8Array | undefined, keyring: Keyring): boolean {
  if (bytes === undefined) return false
  let record: KeyRecord
  try {
    record = decodeRecord(key.slice(keysPrefix.length), bytes)
  } catch {
    return false
  }
  return keyring.proven(record) !== undefined
}
