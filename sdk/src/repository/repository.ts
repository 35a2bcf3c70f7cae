/** A container opened with its keys: what backup, restore and everything that looks inside start from. */
import type { Codec } from '../contracts/codec.ts'
import type { Context } from '../contracts/context.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { checkOptions } from '../contracts/options.ts'
import type { Storage } from '../contracts/storage.ts'
import type { CoderSetup } from '../pipeline/coder-chain.ts'
import { MirroredStorage } from '../storages/mirrored.ts'
import { holds, readBlob } from './blobs.ts'
import type { ChosenBackup } from './choose.ts'
import { keepPassphrase, passphraseOf } from './codec-passphrase.ts'
import { createKeyring, type Keyring, listKeyFiles, openKeyring } from './keyring.ts'
import { RepositoryKey } from './keys.ts'
import { type CodecUse, decodeManifest, encodeManifest, type Manifest, manifestLimit } from './manifest.ts'
import { marker, markerBytes, parseMarker } from './marker.ts'
import { alignMirrors } from './mirrors.ts'
import {
  type BackupName,
  groupOf,
  keysPrefix,
  manifestsPrefix,
  markerKey,
  parseManifestKey,
  plainGroup,
  plainPrefix,
  receivedGroup,
  receivedPrefix,
  recipientOf,
  sealedGroup,
  sealedPrefix,
} from './names.ts'
import { decodeReceived, encodeReceived } from './received.ts'
import { Recipient } from './recipient.ts'
import { removedIds } from './removals.ts'
import type { Secret } from './wrapping.ts'

export interface RepositoryAccess {
  readonly storage: Storage
  /** Every codec that stored backups may need. */
  readonly codecs: readonly Codec[]
  /** Opens an encrypted container, and makes a new one encrypted. */
  readonly passphrase?: Uint8Array | undefined
  /** The same with a key file: all of its bytes. At most one of the two is given. */
  readonly keyFile?: Uint8Array | undefined
  /** Opens an encrypted container for one who writes backups for this recipient, and can read none: a recipient file. */
  readonly recipient?: Uint8Array | undefined
  /** Of several storages, the one whose keys are the right ones; the others take them over. */
  readonly keysFrom?: string | undefined
  /**
   * Of several storages, those where the marker or a key file is damaged, and sound on another, have it put right; told of
   * each. Without it they are lost to the run.
   */
  readonly onRepaired?: ((storage: string, key: string) => void) | undefined
  /** Called before a container is made on a storage that has none of Freezer's: may throw, and nothing is made there then. */
  readonly beforeMaking?: ((storage: Storage) => Promise<void>) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is missing of a backup. */
export interface Losses {
  /** Whether stored data was found damaged; which paths that affects may be unknown. */
  readonly damaged: boolean
  /** Paths that are lost; each was told by a warning. */
  readonly paths: number
}

/** How an encrypted container was opened. */
type Opening = { readonly keyring: Keyring } | { readonly recipient: Recipient }

export class Repository {
  readonly storage: Storage
  readonly #access: RepositoryAccess
  readonly #opening: Opening | undefined
  readonly #codecs: readonly Codec[]
  /** What a passphrase or a key file opened; undefined in a plain container and for who only writes. */
  readonly keyring: Keyring | undefined
  /** For whom backups are written, by one who cannot read them. */
  readonly recipient: Recipient | undefined
  /** The secrets of backups that were read from a recipient's host. */
  readonly #received: WeakMap<object, RepositoryKey>

  constructor(
    access: RepositoryAccess,
    opening: Opening | undefined,
    received = new WeakMap<object, RepositoryKey>(),
  ) {
    this.#received = received
    this.storage = access.storage
    this.#access = access
    this.#opening = opening
    this.#codecs = access.codecs
    this.keyring = opening !== undefined && 'keyring' in opening ? opening.keyring : undefined
    this.recipient = opening !== undefined && 'recipient' in opening ? opening.recipient : undefined
  }

  /** The same container on another storage: one of several that hold it. */
  at(storage: Storage): Repository {
    return new Repository({ ...this.#access, storage }, this.#opening, this.#received)
  }

  /** Where all of the container lies. */
  get origin(): Storage {
    return this.storage
  }

  get encrypted(): boolean {
    return this.keyring !== undefined || this.recipient !== undefined
  }

  /** The repository keys that were opened, the one to write with first. */
  get keys(): readonly RepositoryKey[] {
    return this.keyring?.keys ?? []
  }

  /** What a new backup is encrypted under: the repository key, or for a recipient a secret of its own. */
  writeKey(): RepositoryKey | undefined {
    return this.recipient === undefined ? this.keys[0] : RepositoryKey.generate()
  }

  /**
   * Prefixes of the manifests of a host and name: the first is where new ones go.
   * @throws Failure `usage` for another host than the recipient's
   */
  groups(host: string, name: string): readonly [string, ...string[]] {
    const { recipient, keyring } = this
    if (recipient !== undefined) {
      if (recipient.host !== host) throw otherHost(recipient.host)
      return [receivedGroup(recipient.id, recipient.hashName(name))]
    }
    const [first, ...others] = this.keys.map((key) => sealedGroup(key.hashName(host, name)))
    const received = (keyring?.recipients ?? [])
      .map((owner) => owner.recipient)
      .filter((one) => one.host === host)
      .map((one) => receivedGroup(one.id, one.hashName(name)))
    return first === undefined ? [plainGroup(host, name)] : [first, ...others, ...received]
  }

  /**
   * Prefix of all manifests.
   * @throws Failure `key` for who only writes: who sees its own backups alone must not take the others for nothing
   */
  get #all(): string {
    if (this.recipient !== undefined) throw writesOnly()
    return this.encrypted ? manifestsPrefix : plainPrefix
  }

  /** Every backup of a host and name, or of all, by their names alone: no manifest is read. Newest last. */
  async names(of: { host: string; name: string } | undefined, signal: AbortSignal): Promise<BackupName[]> {
    const found = await this.manifestNames(of, signal)
    // In this order: whoever removes a backup notes it before a manifest of it can appear that is not to count.
    const removed = await removedIds(this.storage, signal)
    return removed.size === 0 ? found : found.filter(({ id }) => !removed.has(id))
  }

  /** The same with those that were removed and whose manifests are still there. */
  async manifestNames(
    of: { host: string; name: string } | undefined,
    signal: AbortSignal,
  ): Promise<BackupName[]> {
    const prefixes = of === undefined ? [this.#all] : this.groups(of.host, of.name)
    const found: BackupName[] = []
    for (const prefix of prefixes) {
      for await (const { key } of this.storage.list(prefix, signal)) {
        // In an encrypted container nobody can slip a plain one in.
        if (this.encrypted && key.startsWith(plainPrefix)) continue
        const name = parseManifestKey(key)
        if (name !== undefined) found.push(name)
      }
    }
    return found.sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1))
  }

  /**
   * Backups that `other`, a storage that holds the same container, has and this one lacks, by their names alone. One that was
   * removed here is not lacking. Newest last.
   * @throws Failure of either storage; `key` for who only writes
   */
  async lacking(other: Storage, signal: AbortSignal): Promise<readonly BackupName[]> {
    const theirs = await this.at(other).names(undefined, signal)
    if (theirs.length === 0) return theirs
    // In this order: what is stored on both meanwhile is found here too.
    const ours = new Set((await this.manifestNames(undefined, signal)).map(({ id }) => id))
    const lacking = theirs.filter(({ id }) => !ours.has(id))
    if (lacking.length === 0) return lacking
    const removed = await removedIds(this.storage, signal)
    return lacking.filter(({ id }) => !removed.has(id))
  }

  /** Those of `names`, all of a host and name, that every storage has; all of them where there is one storage. */
  async everywhere(names: readonly BackupName[], signal: AbortSignal): Promise<readonly BackupName[]> {
    const { storage } = this
    if (!(storage instanceof MirroredStorage)) return names
    let common: readonly BackupName[] = []
    for (const [group, own] of Map.groupBy(names, ({ key }) => groupOf(key))) {
      const keys = await storage.everywhere(group, signal)
      common = [...common, ...own.filter(({ key }) => keys.has(key))]
    }
    return common
  }

  /**
   * A chosen backup, ready to be looked into: nothing is to be done for one of ours.
   * @throws Failure of a container that must be read to know what is in it
   */
  async ready(chosen: ChosenBackup, _context: Context): Promise<ChosenBackup> {
    return chosen
  }

  /** What is known to be missing of a backup that is ready. Of ours a restore itself finds out. */
  lossesOf(_manifest: Manifest): Losses {
    return { damaged: false, paths: 0 }
  }

  /** @throws Failure `damaged`, `not-found`; `key` for who only writes */
  async manifest(name: BackupName, signal: AbortSignal): Promise<Manifest> {
    if (this.recipient !== undefined) throw writesOnly()
    return this.openManifest(name, await readBlob(this.storage, name.key, manifestLimit, signal))
  }

  /** What is stored as the manifest `name`. @throws Failure `damaged` */
  openManifest(name: BackupName, bytes: Uint8Array): Manifest {
    if (this.keyring === undefined || recipientOf(name.key) === undefined) {
      return decodeManifest(bytes, name, this.keys)
    }
    const { manifest, secret } = decodeReceived(bytes, name, this.keyring.recipients)
    this.#received.set(manifest, secret)
    return manifest
  }

  /** @throws Failure `plugin` for a codec that is not installed */
  codec(name: string): Codec {
    const codec = this.#codecs.find((c) => c.name === name)
    if (codec !== undefined) return codec
    throw new Failure('plugin', `This backup needs the codec "${name}", which is not installed.`, {
      remedy: 'Install the plugin that provides it.',
    })
  }

  /**
   * What to store under `storedAs` for a manifest; `key` is what `writeKey` gave for the backup.
   * @throws Failure `key` when the recipient was removed meanwhile
   */
  async sealManifest(
    manifest: Manifest,
    storedAs: string,
    key: RepositoryKey | undefined,
    signal: AbortSignal,
  ): Promise<Buffer> {
    if (this.recipient === undefined || key === undefined) return encodeManifest(manifest, storedAs, key)
    await expectRecipient(this.storage, this.recipient, signal)
    return encodeReceived(manifest, storedAs, key, this.recipient)
  }

  /** What a backup is encrypted under; `manifest` is the very object that `manifest()` gave. */
  keyOf(manifest: Pick<Manifest, 'key'>): RepositoryKey | undefined {
    return this.#received.get(manifest) ?? this.keys.find((key) => key.fingerprint === manifest.key)
  }

  /**
   * The codecs of a new backup, as its manifest keeps them. A passphrase that one of them encrypts with is kept in the
   * container first, sealed, so that whoever opens the container by other means can still read the backup.
   * @throws Failure `usage` when there is no passphrase
   */
  async codecUses(
    codecs: readonly CodecUse[],
    key: RepositoryKey | undefined,
    context: Context,
  ): Promise<CodecUse[]> {
    const uses: CodecUse[] = []
    for (const use of codecs) {
      if (this.codec(use.name).usesPassphrase !== true) uses.push(use)
      else uses.push({ ...use, passphrase: await keepPassphrase(this, use.name, key, context) })
    }
    return uses
  }

  /**
   * The codecs of a backup as the coder threads open them.
   * @throws Failure `plugin` for a codec that is not installed; `key` for a passphrase that is not there
   */
  coderSetup(id: string, codecs: readonly CodecUse[], key: RepositoryKey | undefined): CoderSetup {
    return {
      codecs: codecs.map((use) => {
        const { name, options } = use
        const codec = this.codec(name)
        const passphrase = codec.usesPassphrase === true ? passphraseOf(this.keyring, use, key) : undefined
        const secret =
          codec.kind === 'encrypt' && key !== undefined ? { key: key.blockKey(id), passphrase } : undefined
        return { module: codec.module, name, options: checkOptions(codec.options, options), secret }
      }),
    }
  }

  /** Whether a codec of the backup encrypted with a passphrase that the manifest does not name, as far as is known here. */
  namesNoPassphrase({ codecs }: Pick<Manifest, 'codecs'>): boolean {
    return codecs.some(({ name, passphrase }) => {
      const codec = this.#codecs.find((c) => c.name === name)
      return passphrase === undefined && (codec === undefined || codec.usesPassphrase === true)
    })
  }
}

/**
 * Opens a container. With `create`, an empty one is made ready, encrypted when there is a passphrase or a key file.
 *
 * @throws Failure `not-found` when there is no container and none is to be made; `key` when the passphrase or key file is missing,
 *   wrong, or given for a container that is not encrypted; `refused` rather than mix encrypted backups with others; `configuration` for
 *   two of several storages that are one place
 */
export async function openRepository(access: RepositoryAccess, create: boolean): Promise<Repository> {
  const { storage, signal = new AbortController().signal } = access
  const secret = secretOf(access)
  if (storage instanceof MirroredStorage) {
    const { keysFrom, recipient, beforeMaking, onRepaired } = access
    const alignment = { create: create || recipient !== undefined, keysFrom, beforeMaking, onRepaired }
    await alignMirrors(storage, secret, alignment, signal)
  }
  const marked = await checkMarker(storage, signal)
  if (create && !marked && !(storage instanceof MirroredStorage)) await access.beforeMaking?.(storage)
  if (access.recipient !== undefined) {
    if (!marked) throw noContainer()
    const recipient = Recipient.parse(access.recipient)
    await expectRecipient(storage, recipient, signal)
    return new Repository(access, { recipient })
  }
  const ids = await listKeyFiles(storage, signal)
  if (ids.length > 0) {
    if (secret === undefined) {
      throw new Failure('key', 'This container is encrypted.', {
        remedy: 'Give its passphrase with --encrypt-pass-file, or a key file with --key-file.',
      })
    }
    return new Repository(access, { keyring: await openKeyring(storage, ids, secret, signal) })
  }
  const lost = (await holds(storage, sealedPrefix, signal)) || (await holds(storage, receivedPrefix, signal))
  if (lost) throw lostKeys()
  if (secret === undefined) {
    if (create) await putMarker(storage, signal)
    else if (!marked) throw noContainer()
    return new Repository(access, undefined)
  }
  if (await holds(storage, manifestsPrefix, signal)) {
    throw new Failure(create ? 'refused' : 'key', 'The backups in this container are not encrypted.', {
      remedy: create
        ? 'Choose another container for encrypted backups.'
        : 'Leave the passphrase or the key file out.',
    })
  }
  if (!create) throw noContainer()
  await putMarker(storage, signal)
  return new Repository(access, { keyring: await createKeyring(storage, secret, signal) })
}

function secretOf({ passphrase, keyFile, recipient }: RepositoryAccess): Secret | undefined {
  if ([passphrase, keyFile, recipient].filter((one) => one !== undefined).length > 1) {
    throw new Failure('usage', 'Give a passphrase, a key file or a recipient: one of them.')
  }
  if (keyFile !== undefined) return { kind: 'key-file', bytes: keyFile }
  return passphrase && { kind: 'passphrase', bytes: passphrase }
}

/**
 * Looks for the recipient in the container: a backup for one that is not there could never be read.
 * @throws Failure `key`
 */
async function expectRecipient(
  storage: Storage,
  { id }: Pick<Recipient, 'id'>,
  signal: AbortSignal,
): Promise<void> {
  if (await holds(storage, keysPrefix + id, signal)) return
  throw new Failure('key', 'This container knows no such recipient.', {
    remedy: 'Check the container, or add a recipient to it with "freezer key add --recipient".',
  })
}

function writesOnly(): Failure {
  return new Failure('key', 'Whoever writes for a recipient cannot read backups, or prune.', {
    remedy: 'Open the container with a passphrase or a key file.',
  })
}

function otherHost(host: string): Failure {
  return new Failure('usage', `This recipient receives backups of the host "${host}" alone.`, {
    remedy: 'Leave --hostname out, or add a recipient for this host.',
  })
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

async function putMarker(storage: Storage, signal: AbortSignal): Promise<void> {
  if (await holds(storage, markerKey, signal)) return
  await storage.put(markerKey, [markerBytes()], signal)
}

function noContainer(): Failure {
  return new Failure('not-found', 'There is no Freezer container here.', {
    remedy: 'Check where the container is; a first backup makes one.',
  })
}

/** Whether there is a marker, of whatever version. @throws Failure of the storage */
export async function hasMarker(storage: Storage, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const _ of storage.get(markerKey, { offset: 0, length: 1 }, signal)) break
    return true
  } catch (error) {
    if (isFailure(error) && error.code === 'not-found') return false
    throw error
  }
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
