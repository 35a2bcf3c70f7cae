/** A container opened with its keys: what backup, restore and everything that looks inside start from. */
import { randomBytes } from 'node:crypto'
import type { Codec } from '../contracts/codec.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { checkOptions } from '../contracts/options.ts'
import type { Storage } from '../contracts/storage.ts'
import type { CoderSetup } from '../pipeline/coder-chain.ts'
import { RepositoryKey } from './keys.ts'
import { type CodecUse, decodeManifest, type Manifest, manifestLimit } from './manifest.ts'
import {
  type BackupName,
  keysPrefix,
  manifestsPrefix,
  markerKey,
  parseManifestKey,
  plainGroup,
  plainPrefix,
  sealedGroup,
  sealedPrefix,
} from './names.ts'

export interface RepositoryAccess {
  readonly storage: Storage
  /** Every codec that stored backups may need. */
  readonly codecs: readonly Codec[]
  /** Opens an encrypted container, and makes a new one encrypted. */
  readonly passphrase?: Uint8Array | undefined
  readonly signal: AbortSignal
}

const marker = { format: 'freezer container', version: 1 } as const

export class Repository {
  readonly storage: Storage
  readonly #codecs: readonly Codec[]
  readonly #passphrase: Uint8Array | undefined
  /** The repository keys that the passphrase opened, the one to write with first; none in a plain container. */
  readonly keys: readonly RepositoryKey[]

  constructor(access: RepositoryAccess, keys: readonly RepositoryKey[]) {
    this.storage = access.storage
    this.#codecs = access.codecs
    this.#passphrase = access.passphrase
    this.keys = keys
  }

  get encrypted(): boolean {
    return this.keys.length > 0
  }

  /** Prefixes of the manifests of a host and name: the first is where new ones go. */
  groups(host: string, name: string): readonly [string, ...string[]] {
    const [first, ...others] = this.keys.map((key) => sealedGroup(key.hashName(host, name)))
    return first === undefined ? [plainGroup(host, name)] : [first, ...others]
  }

  /** Every backup of a host and name, or of all, by their names alone: no manifest is read. Newest last. */
  async names(of: { host: string; name: string } | undefined, signal: AbortSignal): Promise<BackupName[]> {
    const prefixes =
      of === undefined ? [this.encrypted ? sealedPrefix : plainPrefix] : this.groups(of.host, of.name)
    const found: BackupName[] = []
    for (const prefix of prefixes) {
      for await (const { key } of this.storage.list(prefix, signal)) {
        const name = parseManifestKey(key)
        if (name !== undefined) found.push(name)
      }
    }
    return found.sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1))
  }

  /** @throws Failure `damaged`, `not-found` */
  async manifest(name: BackupName, signal: AbortSignal): Promise<Manifest> {
    const bytes = await readBlob(this.storage, name.key, manifestLimit, signal)
    return decodeManifest(bytes, name, this.keys)
  }

  /** @throws Failure `plugin` for a codec that is not installed */
  codec(name: string): Codec {
    const codec = this.#codecs.find((c) => c.name === name)
    if (codec !== undefined) return codec
    throw new Failure('plugin', `This backup needs the codec "${name}", which is not installed.`, {
      remedy: 'Install the plugin that provides it.',
    })
  }

  /** The repository key that sealed a manifest. */
  keyOf(manifest: Pick<Manifest, 'key'>): RepositoryKey | undefined {
    return this.keys.find((key) => key.fingerprint === manifest.key)
  }

  /**
   * The codecs of a backup as the coder threads open them.
   * @throws Failure `plugin` for a codec that is not installed
   */
  coderSetup(id: string, codecs: readonly CodecUse[], key: RepositoryKey | undefined): CoderSetup {
    return {
      codecs: codecs.map(({ name, options }) => {
        const codec = this.codec(name)
        const secret =
          codec.kind === 'encrypt' && key !== undefined && this.#passphrase !== undefined
            ? { key: key.blockKey(id), passphrase: this.#passphrase }
            : undefined
        return { module: codec.module, name, options: checkOptions(codec.options, options), secret }
      }),
    }
  }
}

/**
 * Opens a container. With `create`, an empty one is made ready, encrypted when there is a passphrase.
 *
 * @throws Failure `not-found` when there is no container and none is to be made; `key` when the passphrase is missing, wrong, or given for a container that is not encrypted;
 *   `refused` rather than mix encrypted backups with others
 */
export async function openRepository(access: RepositoryAccess, create: boolean): Promise<Repository> {
  const { storage, passphrase, signal } = access
  const marked = await checkMarker(storage, signal)
  const files: string[] = []
  for await (const { key } of storage.list(keysPrefix, signal)) files.push(key)

  if (files.length > 0) {
    if (passphrase === undefined) {
      throw new Failure('key', 'This container is encrypted.', {
        remedy: 'Give its passphrase with --encrypt-pass-file.',
      })
    }
    return new Repository(access, await unwrapKeys(storage, files, passphrase, signal))
  }
  if (passphrase === undefined) {
    if (await holds(storage, sealedPrefix, signal)) throw lostKeys()
    if (create) await putMarker(storage, signal)
    else if (!marked) throw noContainer()
    return new Repository(access, [])
  }
  if (await holds(storage, manifestsPrefix, signal)) {
    if (await holds(storage, sealedPrefix, signal)) throw lostKeys()
    throw new Failure(create ? 'refused' : 'key', 'The backups in this container are not encrypted.', {
      remedy: create ? 'Choose another container for encrypted backups.' : 'Leave the passphrase out.',
    })
  }
  if (!create) throw noContainer()
  const key = RepositoryKey.generate()
  await putMarker(storage, signal)
  await storage.put(keysPrefix + randomBytes(8).toString('hex'), [await key.wrap(passphrase)], signal)
  return new Repository(access, [key])
}

async function unwrapKeys(
  storage: Storage,
  files: readonly string[],
  passphrase: Uint8Array,
  signal: AbortSignal,
): Promise<readonly RepositoryKey[]> {
  const keys = new Map<string, RepositoryKey>()
  let damaged: unknown
  for (const file of files) {
    try {
      const key = await RepositoryKey.unwrap(await readBlob(storage, file, manifestLimit, signal), passphrase)
      if (key !== undefined) keys.set(key.fingerprint, key)
    } catch (error) {
      if (!isFailure(error) || error.code !== 'damaged') throw error
      damaged = error
    }
  }
  if (keys.size === 0) {
    if (damaged !== undefined) throw damaged
    throw new Failure('key', 'The passphrase does not open this container.', {
      remedy: 'Check the file given with --encrypt-pass-file: its first line is the passphrase.',
    })
  }
  // The same order for every writer, so that all write with the same key.
  return [...keys.values()].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
}

function lostKeys(): Failure {
  return new Failure(
    'damaged',
    'This container holds encrypted backups, but the key files under keys/ are gone.',
    {
      remedy: 'Bring them back from another copy of the container.',
    },
  )
}

async function holds(storage: Storage, prefix: string, signal: AbortSignal): Promise<boolean> {
  for await (const _ of storage.list(prefix, signal)) return true
  return false
}

async function putMarker(storage: Storage, signal: AbortSignal): Promise<void> {
  if (await holds(storage, markerKey, signal)) return
  await storage.put(markerKey, [Buffer.from(`${JSON.stringify(marker)}\n`)], signal)
}

function noContainer(): Failure {
  return new Failure('not-found', 'There is no Freezer container here.', {
    remedy: 'Check where the container is; a first backup makes one.',
  })
}

/** Whether there is a marker. @throws Failure `damaged` for one that is not of this version */
async function checkMarker(storage: Storage, signal: AbortSignal): Promise<boolean> {
  let text: string
  try {
    text = Buffer.from(await readBlob(storage, markerKey, 4096, signal)).toString('utf8')
  } catch (error) {
    if (isFailure(error) && error.code === 'not-found') return false
    throw error
  }
  const found = parseMarker(text)
  if (found?.format === marker.format && found.version === marker.version) return true
  throw new Failure(
    'damaged',
    'The file "freezer" in this container is not one that this program can read.',
    {
      remedy:
        typeof found?.version === 'number' && found.version > marker.version
          ? 'The container was written by a newer Freezer: install that.'
          : 'Bring it back from another copy of the container.',
    },
  )
}

function parseMarker(text: string): Partial<Record<keyof typeof marker, unknown>> | undefined {
  try {
    return JSON.parse(text) as Partial<Record<keyof typeof marker, unknown>>
  } catch {
    return undefined
  }
}

/** A small blob, whole. @throws Failure `damaged` when it is larger than `limit` bytes */
async function readBlob(
  storage: Storage,
  key: string,
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of storage.get(key, undefined, signal)) {
    length += chunk.length
    if (length > limit)
      throw new Failure('damaged', `${key} in this container is too large to be what it should.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}
