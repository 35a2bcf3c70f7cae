/**
 * The container on several storages: that all of them hold the same one, and what a new one needs before use. Each must be
 * a whole container by itself, so that a backup on it restores without the others.
 */
import { Failure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import type { MirroredStorage } from '../storages/mirrored.ts'
import { holds, readBlob } from './blobs.ts'
import { keyFileLimit, listKeyFiles, openKeyring } from './keyring.ts'
import { keysPrefix, manifestsPrefix, markerKey, mirroredKey } from './names.ts'
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
  if (keys.length === 0 || reference.keys.length === 0 || secret === undefined) return 'other'
  return (await shareKey(reference, look, secret, signal)) ? 'behind' : 'other'
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
  const marker = reference.marked ? [markerKey] : []
  for (const key of [...reference.keys.map((id) => keysPrefix + id), ...marker]) {
    await storage.put(key, [await readBlob(reference.storage, key, keyFileLimit, signal)], signal)
  }
}

/** Leaves word that there are other storages with the same container: prunes then keep their notes for these. */
export async function noteMirrored(storage: Storage, signal: AbortSignal): Promise<void> {
  await storage.put(mirroredKey, [Buffer.from(`${JSON.stringify(mirrored)}\n`)], signal)
}

/**
 * Makes sure that all storages hold the same container, before it is written to. Empty ones are made ready with `create`;
 * one whose keys are not those of the others is lost to the run.
 *
 * @throws Failure `refused` for a storage that holds another container; that of a storage when too few are left
 */
export async function alignMirrors(
  storage: MirroredStorage,
  secret: Secret | undefined,
  create: boolean,
  signal: AbortSignal,
): Promise<void> {
  const looks = await storage.each(signal, (one, name) => lookAtContainer(one, name, signal))
  const reference = chooseReference(looks)
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
          storage.lose(look.name, behind(reference.name))
          break
        case 'other':
          throw otherContainer(look.name, reference.name)
      }
    }
  }
  if (!create) return
  await storage.each(signal, async (one, name) => {
    const look = looks.find((other) => other.name === name)
    if (reference !== undefined && look !== reference && !isReady(look, reference))
      await seedContainer(reference, one, signal)
    if (look?.mirrored !== true) await noteMirrored(one, signal)
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
