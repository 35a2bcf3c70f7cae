/**
 * The manifest: the commit object of a backup. It is written last; a backup exists when its manifest does. It is small
 * whatever the backup's size, and vouches for every byte of it through the root of the index.
 */
import type { FailureDetails } from '../contracts/failures.ts'
import { Failure } from '../contracts/failures.ts'
import { type RepositoryKey, sha256 } from './keys.ts'
import type { BackupName } from './names.ts'
import type { BlockAddress } from './root.ts'

/** A codec as it was used, in the order of encoding. */
export interface CodecUse {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  /** KEY of the file under `keys/` that holds the passphrase it encrypted with, where it used one. */
  readonly passphrase?: string
}

/** Whether `value`, from JSON, is a list of codecs. */
export function areCodecUses(value: unknown): value is CodecUse[] {
  const isUse = (use: Partial<CodecUse> | null): boolean =>
    typeof use?.name === 'string' &&
    typeof use.options === 'object' &&
    use.options !== null &&
    ['string', 'undefined'].includes(typeof use.passphrase)
  return Array.isArray(value) && value.every(isUse)
}

export interface Manifest {
  readonly format: 'freezer manifest'
  readonly version: 1
  readonly id: string
  readonly host: string
  readonly name: string
  readonly level: number
  /** Id of the level 0; its own at level 0. */
  readonly chain: string
  /** Id of the backup it builds on, one level below; none at level 0. */
  readonly parent?: string
  /** ISO 8601, UTC: the moment that it shows, and when it was complete. */
  readonly time: string
  readonly completed: string
  readonly mode: { readonly name: string; readonly facts: Readonly<Record<string, unknown>> }
  readonly engine: { readonly name: string; readonly options: Readonly<Record<string, unknown>> }
  readonly codecs: readonly CodecUse[]
  /** Fingerprint of the repository key, when encrypted; of the backup's own secret, when for a recipient. */
  readonly key?: string
  readonly tree: {
    /** Entries of the whole tree, and bytes of their content: what a restore brings back. */
    readonly entries: number
    readonly bytes: number
  }
  readonly archive: {
    /** Bytes of this level's archive before encoding, and its blocks. */
    readonly bytes: number
    readonly blocks: number
  }
  /** Bytes that this backup added to the storage, without the manifest. */
  readonly stored: number
  /** Segments of each stream. */
  readonly segments: { readonly data: number; readonly index: number }
  /** Entries that could not be read, and that changed while they were. */
  readonly unread: number
  readonly changed: number
  readonly root: Omit<BlockAddress, 'digest'> & { readonly digest: string }
  /** Of a copy: the id of the backup that it is one of, also when it was copied from a copy. */
  readonly origin?: { readonly id: string }
  /** Of a backup in a container of another program; never stored. Its sizes are not known before it is read. */
  readonly foreign?: ForeignFacts
}

/** What a container of another program tells of a backup. */
export interface ForeignFacts {
  /** The program that wrote it. */
  readonly program: string
  /** What it is of, in a few words: "files", "image of a server". */
  readonly content: string
  /** Whether this version can look into it and restore it. */
  readonly readable: boolean
  readonly encrypted: boolean
  /** What else that program noted. */
  readonly facts: Readonly<Record<string, unknown>>
}

/** The id that a backup shares with all its copies. */
export function originOf({ id, origin }: Pick<Manifest, 'id' | 'origin'>): string {
  return origin?.id ?? id
}

const plainHead = 'freezer manifest 1 plain '
const sealedHead = 'freezer manifest 1 sealed\n'
/** No honest manifest is larger. */
export const manifestLimit = 4 * 1024 * 1024

/** The bytes to store under `backup.key`: bound to that key, and sealed where there is a repository key. */
export function encodeManifest(manifest: Manifest, storedAs: string, key: RepositoryKey | undefined): Buffer {
  const text = Buffer.from(JSON.stringify(manifest))
  if (key === undefined) {
    return Buffer.concat([Buffer.from(`${plainHead}${sha256(storedAs, '\n', text).toString('hex')}\n`), text])
  }
  return Buffer.concat([Buffer.from(sealedHead), key.sealManifest(manifest.id, text, sealedHead + storedAs)])
}

/**
 * @throws Failure `damaged` for anything but what `encodeManifest` made for this very key, with one of `keys` where there
 *   are any
 */
export function decodeManifest(
  bytes: Uint8Array,
  backup: BackupName,
  keys: readonly RepositoryKey[],
): Manifest {
  const details = manifestDetails(backup)
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let text: Buffer
  if (keys.length > 0) {
    text = openSealed(file, backup, keys, details)
  } else {
    const end = file.indexOf('\n')
    text = file.subarray(end + 1)
    const head = `${plainHead}${sha256(backup.key, '\n', text).toString('hex')}`
    if (end < 0 || file.subarray(0, end).toString('latin1') !== head) {
      throw new Failure('damaged', 'A manifest is not what was stored.', details)
    }
  }
  return readManifest(text, backup)
}

/** What every failure about a manifest says. */
export function manifestDetails(backup: BackupName): FailureDetails {
  return {
    facts: { manifest: backup.key },
    remedy: 'Every other backup can still be restored; take this one from another copy of the container.',
  }
}

/**
 * The manifest in `text`, which was authenticated.
 * @throws Failure `damaged` when it is none, or not the one that its name says
 */
export function readManifest(text: Buffer, backup: BackupName): Manifest {
  const details = manifestDetails(backup)
  const manifest = parse(text, details)
  const agrees =
    manifest.id === backup.id &&
    manifest.chain === backup.chain &&
    manifest.level === backup.level &&
    Date.parse(manifest.time) === backup.time
  if (!agrees) throw new Failure('damaged', 'A manifest is not the one that its name says.', details)
  return manifest
}

function openSealed(
  file: Buffer,
  backup: BackupName,
  keys: readonly RepositoryKey[],
  details: FailureDetails,
): Buffer {
  const head = Buffer.from(sealedHead)
  if (file.subarray(0, head.length).equals(head)) {
    for (const key of keys) {
      try {
        return key.openManifest(backup.id, file.subarray(head.length), sealedHead + backup.key)
      } catch {
        // Perhaps another of the keys.
      }
    }
  }
  throw new Failure('damaged', 'A manifest is not what was stored, or was sealed with another key.', details)
}

function parse(text: Buffer, details: FailureDetails): Manifest {
  let manifest: Manifest
  try {
    manifest = JSON.parse(text.toString('utf8')) as Manifest
  } catch {
    throw new Failure('damaged', 'A manifest cannot be understood.', details)
  }
  if (manifest?.format !== 'freezer manifest' || manifest.version !== 1) {
    throw new Failure('damaged', 'A manifest is of a version that this program does not know.', {
      ...details,
      remedy: 'Install a newer Freezer.',
    })
  }
  const numbers = [
    manifest.level,
    manifest.tree?.entries,
    manifest.tree?.bytes,
    manifest.archive?.bytes,
    manifest.archive?.blocks,
    manifest.root?.size,
    manifest.root?.stored,
    manifest.root?.offset,
    manifest.root?.segment,
    manifest.root?.number,
  ]
  const sound =
    numbers.every((n) => Number.isSafeInteger(n) && n >= 0) &&
    /^[0-9a-f]{64}$/.test(manifest.root.digest) &&
    areCodecUses(manifest.codecs) &&
    typeof manifest.engine?.name === 'string' &&
    typeof manifest.mode?.name === 'string' &&
    (manifest.origin === undefined || typeof manifest.origin?.id === 'string') &&
    typeof manifest.host === 'string' &&
    typeof manifest.name === 'string'
  if (!sound) throw new Failure('damaged', 'A manifest lacks what a manifest must say.', details)
  return manifest
}
