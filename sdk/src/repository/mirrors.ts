/**
 * The container on several storages: that all of them hold the same one, and what a new one needs before use. Each must be
 * a whole container by itself, so that a backup on it restores without the others.
 */
import { Failure, isTemporary, throwIfAborted } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import type { MirroredStorage } from '../storages/mirrored.ts'
import { expectApart } from './apart.ts'
import { holds, readBlob } from './blobs.ts'
import { isWrapped, type KeyRecord } from './key-records.ts'
import { keyFileLimit, listKeyFiles, openKeyring } from './keyring.ts'
import { markerBytes } from './marker.ts'
import { keysPrefix, manifestsPrefix, markerKey, mirroredKey, recipientPrefix } from './names.ts'
import { findSpoilt, readOpeningFiles } from './opening-files.ts'
import type { Secret } from './wrapping.ts'

const mirrored = { format: 'freezer mirrored', version: 1 } as const

/** What a storage holds, at a glance. */
export interface ContainerLook {
  readonly name: string
  readonly storage: Storage
  readonly marked: boolean
  /** Ids of the files under `keys/`, in order. */
  readonly keys: readonly string[]
  readonly backups: boolean
  /** It is known there that there are others. */
  readonly mirrored: boolean
}

export async function lookAtContainer(
  storage: Storage,
  name: string,
  signal: AbortSignal,
): Promise<ContainerLook> {
  const [marked, keys, backups, known] = await Promise.all([
    holds(storage, markerKey, signal),
    listKeyFiles(storage, signal),
    holds(storage, manifestsPrefix, signal),
    holds(storage, mirroredKey, signal),
  ])
  return { name, storage, marked, keys, backups, mirrored: known }
}

/** How the keys of a container relate to those of another. */
export type KeyRelation = 'same' | 'empty' | 'behind' | 'other'

/**
 * @param secret opens both, as far as it does
 * @throws Failure of a storage
 */
export async function relateKeys(
  reference: ContainerLook,
  look: ContainerLook,
  secret: Secret | undefined,
  signal: AbortSignal,
): Promise<KeyRelation> {
  const { keys, backups } = look
  if (!backups && keys.every((id) => reference.keys.includes(id))) {
    return look.marked && keys.length === reference.keys.length ? 'same' : 'empty'
  }
  if (keys.length === reference.keys.length && keys.every((id, at) => id === reference.keys[at]))
    return 'same'
  if (keys.some((id) => reference.keys.includes(id))) return 'behind'
  const lacks = keys.length === 0 || reference.keys.length === 0
  // The key files of one may be lost.
  if (lacks && (await shareBackup(reference, look, signal))) return 'behind'
  if (keys.length === 0 || reference.keys.length === 0 || secret === undefined) return 'other'
  return (await shareKey(reference, look, secret, signal)) ? 'behind' : 'other'
}

/** Whether two containers list a backup of the same id: nobody makes another one of it. */
async function shareBackup(a: ContainerLook, b: ContainerLook, signal: AbortSignal): Promise<boolean> {
  const keys = new Set<string>()
  for await (const { key } of a.storage.list(manifestsPrefix, signal)) keys.add(key)
  for await (const { key } of b.storage.list(manifestsPrefix, signal)) if (keys.has(key)) return true
  return false
}

/** Whether a secret opens two containers to a repository key that both have. */
async function shareKey(
  a: ContainerLook,
  b: ContainerLook,
  secret: Secret,
  signal: AbortSignal,
): Promise<boolean> {
  const open = async ({ storage, keys }: ContainerLook) => {
    try {
      return (await openKeyring(storage, keys, secret, signal)).keys.map(({ fingerprint }) => fingerprint)
    } catch (error) {
      if (signal.aborted) throw error
      return []
    }
  }
  const [first, second] = await Promise.all([open(a), open(b)])
  return first.some((fingerprint) => second.includes(fingerprint))
}

/** The container that the others are compared with: the first with backups, else with keys, else with a marker. */
export function chooseReference(looks: readonly ContainerLook[]): ContainerLook | undefined {
  return (
    looks.find(({ backups }) => backups) ??
    looks.find(({ keys }) => keys.length > 0) ??
    looks.find(({ marked }) => marked)
  )
}

/**
 * Makes an empty storage a container like `reference`: its keys, and the marker last. Killed in between, the storage still
 * counts as empty.
 */
export async function seedContainer(
  reference: ContainerLook,
  storage: Storage,
  signal: AbortSignal,
): Promise<void> {
  for (const key of reference.keys.map((id) => keysPrefix + id)) {
    await storage.put(key, [await readBlob(reference.storage, key, keyFileLimit, signal)], signal)
  }
  await storage.put(markerKey, [markerBytes()], signal)
}

/**
 * Gives a container the keys of another, with the same repository keys: what is missing, and nothing more that opens it. What
 * its own backups need of its keys stays, and comes to the other.
 *
 * @throws Failure `refused` when its backups may need a key that the other does not have, or that nobody here knows
 */
async function takeOverKeys(
  reference: ContainerLook,
  look: ContainerLook,
  secret: Secret,
  signal: AbortSignal,
): Promise<void> {
  const right = await openKeyring(reference.storage, reference.keys, secret, signal)
  if (look.keys.length === 0) return seedContainer(reference, look.storage, signal)
  const own = await openKeyring(look.storage, look.keys, secret, signal)
  if (own.keys.some(({ fingerprint }) => right.key(fingerprint) === undefined)) {
    throw new Failure('refused', `${look.name} has a repository key that ${reference.name} does not know.`, {
      remedy: `Take over the keys of ${look.name} instead, or copy its backups with "freezer copy".`,
    })
  }
  // Of a rotation that was killed there, or of somebody else: what is under such a key is lost with it.
  const isUnknown = (record: KeyRecord): boolean =>
    isWrapped(record) &&
    !reference.keys.includes(record.id) &&
    (own.proven(record) ?? right.proven(record)) === undefined
  const unknown = own.files.records.find(isUnknown)
  if (unknown !== undefined) {
    throw new Failure(
      'refused',
      `${look.name} has the key ${unknown.id}, and nothing says what of its backups needs that.`,
      {
        remedy: `See "freezer key list" of ${look.name}, and copy what only that key opens with "freezer copy". Then remove it with "freezer key remove --force".`,
      },
    )
  }
  const copy = async ({ id }: KeyRecord, from: Storage, to: Storage): Promise<void> =>
    to.put(keysPrefix + id, [await readBlob(from, keysPrefix + id, keyFileLimit, signal)], signal)
  // As in a rotation: what a wrapping leads to is there before it.
  const missing = right.files.records.filter(({ id }) => !look.keys.includes(id))
  for (const wrapped of [false, true]) {
    for (const record of missing) {
      if (isWrapped(record) === wrapped) await copy(record, reference.storage, look.storage)
    }
  }
  for (const record of own.files.records.filter(({ id }) => !reference.keys.includes(id))) {
    const { id, kind } = record
    const needed =
      kind === 'recipient' ? await holds(look.storage, recipientPrefix(id), signal) : !isWrapped(record)
    if (needed) await copy(record, look.storage, reference.storage)
    else await look.storage.remove(keysPrefix + id, signal)
  }
}

/** Leaves word that there are other storages with the same container: prunes then keep their notes for these. */
export async function noteMirrored(storage: Storage, signal: AbortSignal): Promise<void> {
  await storage.put(mirroredKey, [Buffer.from(`${JSON.stringify(mirrored)}\n`)], signal)
}

export interface Alignment {
  /** Make empty ones ready. */
  readonly create: boolean
  /** The one whose keys the others take over. */
  readonly keysFrom?: string | undefined
  /**
   * Puts right what a container is opened with (its marker, its key files) where that is damaged on one and sound on another;
   * told of each. A storage where it is damaged is lost otherwise.
   */
  readonly onRepaired?: ((name: string, key: string) => void) | undefined
  /** Called with each that is no container of ours yet, before anything is put on any. */
  readonly beforeMaking?: ((storage: Storage) => Promise<void>) | undefined
}

/**
 * Makes sure that all storages hold the same container, each in a place of its own, before it is written to. Empty ones are
 * made ready with `create`; one whose keys are not those of the others, or damaged, is lost to the run.
 *
 * @param secret that opens the container
 * @throws Failure `refused` for a storage that holds another container; `configuration` for two that are one place; of
 *   `beforeMaking`; that of a storage when too few are left
 */
export async function alignMirrors(
  storage: MirroredStorage,
  secret: Secret | undefined,
  { create, keysFrom, beforeMaking, onRepaired }: Alignment,
  signal: AbortSignal,
): Promise<void> {
  const looks = await storage.each(signal, (one, name) => lookAtContainer(one, name, signal))
  for (const { name, storage: one, marked } of create ? looks : []) {
    if (marked) continue
    try {
      await beforeMaking?.(one)
    } catch (error) {
      throwIfAborted(signal)
      if (!isTemporary(error)) throw error
      storage.lose(name, error)
    }
  }
  const written = looks.filter(({ marked }) => create || marked).map(({ name }) => name)
  await using _apart = await expectApart(storage, new Set(written), signal)
  const reference =
    keysFrom === undefined ? chooseReference(looks) : looks.find(({ name }) => name === keysFrom)
  if (keysFrom !== undefined && (reference === undefined || secret === undefined)) {
    throw new Failure('usage', `There are no keys to be taken from ${keysFrom}.`, {
      remedy: 'Name one of the storages whose container is encrypted, and give its passphrase or key file.',
    })
  }
  if (reference !== undefined) {
    for (const look of looks) {
      if (look === reference) continue
      switch (await relateKeys(reference, look, secret, signal)) {
        case 'same':
          break
        case 'empty':
          if (!create) storage.lose(look.name, stillEmpty())
          break
        case 'behind':
          if (keysFrom === undefined || secret === undefined) {
            storage.lose(look.name, behind(reference.name))
          } else await takeOverKeys(reference, look, secret, signal)
          break
        case 'other':
          throw otherContainer(look.name, reference.name)
      }
    }
  }
  if (reference !== undefined) {
    const ready = looks.filter((look) => isReady(look, reference)).map(({ name }) => name)
    await comparePlaces(storage, ready, reference, secret, onRepaired, signal)
  }
  if (!create) return
  await storage.each(signal, async (one, name) => {
    const look = looks.find((other) => other.name === name)
    if (reference !== undefined && !isReady(look, reference)) await seedContainer(reference, one, signal)
    if (look?.mirrored !== true) await noteMirrored(one, signal)
  })
}

/** Loses, or puts right, the storages among `ready` that cannot be opened alone because a file is damaged there. */
async function comparePlaces(
  storage: MirroredStorage,
  ready: readonly string[],
  { keys }: ContainerLook,
  secret: Secret | undefined,
  onRepaired: Alignment['onRepaired'],
  signal: AbortSignal,
): Promise<void> {
  const places = await storage.each(signal, async (one, name) =>
    ready.includes(name) ? readOpeningFiles(one, name, keys, signal) : [],
  )
  for (const { name, storage: one, key, sound } of await findSpoilt(places.flat(), secret, signal)) {
    if (onRepaired === undefined) {
      storage.lose(name, spoilt(key))
      continue
    }
    try {
      await one.put(key, [sound], signal)
      onRepaired(name, key)
    } catch (error) {
      throwIfAborted(signal)
      storage.lose(name, error)
    }
  }
}

function spoilt(key: string): Failure {
  return new Failure('damaged', `Its file ${key} is damaged, and it cannot be opened alone.`, {
    remedy: '"freezer heal" puts it right.',
  })
}

function isReady(look: ContainerLook | undefined, reference: ContainerLook): boolean {
  return look !== undefined && look.marked && look.keys.length === reference.keys.length
}

function stillEmpty(): Failure {
  return new Failure('not-found', 'There is no Freezer container on it yet.', {
    remedy: 'The next backup makes one; "freezer heal" does, with all backups of the others.',
  })
}

function behind(reference: string): Failure {
  return new Failure('key', `Its keys are not those of ${reference}.`, {
    remedy: `See "freezer key list" of both; "freezer heal --keys-from NAME" takes over the keys of NAME.`,
  })
}

export function otherContainer(name: string, reference: string): Failure {
  return new Failure('refused', `The storage ${name} holds another container than ${reference}.`, {
    remedy: 'Give each storage an empty container, or one that was written together with the others.',
  })
}
