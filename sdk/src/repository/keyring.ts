/** Opening an encrypted container: which repository keys a secret leads to, and what those keys have sealed. */
import { Failure, isFailure, throwIfAborted } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { readBlob } from './blobs.ts'
import {
  contextOf,
  decodeRecord,
  encodeRecord,
  isWrapped,
  type KeyRecord,
  newId,
  type SealedRecord,
  type WrappedRecord,
} from './key-records.ts'
import { RepositoryKey } from './keys.ts'
import { keysPrefix } from './names.ts'
import { RecipientOwner } from './recipient.ts'
import { checkSecret, type Secret, unwrap, wrap } from './wrapping.ts'

/** Trials at once: each takes 0.1 s of a processor and 32 MiB. */
const trials = 4
/** Files read at once. */
const reads = 8
/** Bytes; no file under `keys/` is larger. */
export const keyFileLimit = 64 * 1024

/** Everything under `keys/`. */
export interface KeyFiles {
  readonly records: readonly KeyRecord[]
  /** Files that cannot be understood. */
  readonly damaged: readonly { readonly id: string; readonly failure: Failure }[]
}

/** The passphrase of blocks in a format that makes its key of one. */
export interface CodecPassphrase {
  readonly id: string
  readonly passphrase: Uint8Array
  /** Fingerprint of the repository key that it is sealed under. */
  readonly under: string
  /** Also that of blocks whose backup names no passphrase. */
  readonly unnamed: boolean
}

/** Repository keys by their fingerprints. */
type Keys = ReadonlyMap<string, RepositoryKey>
type Opened = ReadonlyMap<WrappedRecord, RepositoryKey>

/** What a secret opened. */
export class Keyring {
  readonly secret: Secret
  /** As they were when the container was opened. */
  readonly files: KeyFiles
  /** Repository keys that are in use, the one to write with first. */
  readonly current: readonly RepositoryKey[]
  /** Those, and the retired ones, which only read. */
  readonly keys: readonly RepositoryKey[]
  readonly recipients: readonly RecipientOwner[]
  readonly #passphrases: CodecPassphrase[]
  readonly #opened: Opened

  constructor(secret: Secret, files: KeyFiles, opened: Opened, keys: Keys, retired: ReadonlySet<string>) {
    this.secret = secret
    this.files = files
    this.#opened = opened
    // The same order for every writer, so that all write with the same key.
    const sorted = [...keys.values()].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
    this.current = sorted.filter((key) => !retired.has(key.fingerprint))
    this.keys = [...this.current, ...sorted.filter((key) => retired.has(key.fingerprint))]
    const sealed = files.records.filter((record) => !isWrapped(record))
    this.recipients = sealed.flatMap((record) => this.#recipient(record) ?? [])
    this.#passphrases = sealed.flatMap((record) => this.#passphrase(record) ?? [])
  }

  get passphrases(): readonly CodecPassphrase[] {
    return this.#passphrases
  }

  /** Adds one that was stored since. */
  keep(passphrase: CodecPassphrase): void {
    this.#passphrases.push(passphrase)
  }

  key(fingerprint: string | undefined): RepositoryKey | undefined {
    return this.keys.find((key) => key.fingerprint === fingerprint)
  }

  /** The repository key of a wrapping that the secret itself opened. */
  opened({ id, wrapped }: WrappedRecord): RepositoryKey | undefined {
    for (const [record, key] of this.#opened) {
      if (record.id === id && record.wrapped.equals(wrapped)) return key
    }
    return undefined
  }

  /**
   * The repository key that a record leads to, or is sealed under; undefined when nothing proves that it is what it
   * says.
   */
  proven(record: KeyRecord): RepositoryKey | undefined {
    if (!isWrapped(record)) return this.#unseal(record) === undefined ? undefined : this.key(record.under)
    const opened = this.opened(record)
    if (opened !== undefined || record.mac === undefined) return opened
    const key = this.key(record.key)
    return key?.vouchesFor(contextOf(record), record.wrapped, record.mac) === true ? key : undefined
  }

  /**
   * The passphrase, when the container is opened by one from before there were kinds of keys: the only one that it had
   * then, and so the one of every block that was encrypted with a passphrase then.
   */
  get onlyPassphrase(): Uint8Array | undefined {
    return [...this.#opened.keys()].some((record) => record.created === undefined)
      ? this.secret.bytes
      : undefined
  }

  #unseal(record: SealedRecord): Buffer | undefined {
    return this.key(record.under)?.openSecret(record.id, record.sealed, contextOf(record))
  }

  #recipient(record: SealedRecord): RecipientOwner | undefined {
    const secret = record.kind === 'recipient' ? this.#unseal(record) : undefined
    return secret && RecipientOwner.fromSecret(record.id, record.about, secret)
  }

  #passphrase(record: SealedRecord): CodecPassphrase | undefined {
    const passphrase = record.kind === 'codec-passphrase' ? this.#unseal(record) : undefined
    const { id, under, about } = record
    return passphrase && { id, passphrase, under, unnamed: about === 'yes' }
  }
}

/**
 * Opens an encrypted container, with the files under `keys/` that `ids` names.
 * @throws Failure `key` when `secret` is wrong; `damaged` when a file that might have opened it cannot be understood
 */
export async function openKeyring(
  storage: Storage,
  ids: readonly string[],
  secret: Secret,
  signal: AbortSignal,
): Promise<Keyring> {
  checkSecret(secret)
  const files = await readKeyFiles(storage, ids, signal)
  const opened = await tryWrappings(files.records, secret, signal)
  if (opened.size === 0) throw wrongSecret(files, secret)
  const keys = new Map([...opened.values()].map((key) => [key.fingerprint, key]))
  const retired = openRetired(files.records, keys)
  return new Keyring(secret, files, opened, keys, retired)
}

/** Makes the first key of a container. */
export async function createKeyring(storage: Storage, secret: Secret, signal: AbortSignal): Promise<Keyring> {
  const key = RepositoryKey.generate()
  const created = new Date().toISOString()
  const record = await wrap(key, secret, { id: newId(), created, label: undefined })
  await putRecord(storage, record, signal)
  const files = { records: [record], damaged: [] }
  return new Keyring(secret, files, new Map([[record, key]]), new Map([[key.fingerprint, key]]), new Set())
}

/** A secret of the repository, sealed under one of its keys for the file that `head` is the head of. */
export function sealRecord(
  key: RepositoryKey,
  head: Omit<SealedRecord, 'sealed'>,
  secret: Uint8Array,
): SealedRecord {
  return { ...head, sealed: key.sealSecret(head.id, secret, contextOf(head)) }
}

export async function putRecord(storage: Storage, record: KeyRecord, signal: AbortSignal): Promise<void> {
  await storage.put(keysPrefix + record.id, [encodeRecord(record)], signal)
}

/** Ids of the files under `keys/`. */
export async function listKeyFiles(storage: Storage, signal: AbortSignal): Promise<string[]> {
  const ids: string[] = []
  for await (const { key } of storage.list(keysPrefix, signal)) ids.push(key.slice(keysPrefix.length))
  return ids.sort()
}

/** Reads them. One that was removed since is left out. */
export async function readKeyFiles(
  storage: Storage,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<KeyFiles> {
  const records: KeyRecord[] = []
  const damaged: { id: string; failure: Failure }[] = []
  await atMost(reads, ids, async (id) => {
    try {
      records.push(decodeRecord(id, await readBlob(storage, keysPrefix + id, keyFileLimit, signal)))
    } catch (error) {
      if (!isFailure(error) || !['damaged', 'not-found'].includes(error.code)) throw error
      if (error.code === 'damaged') damaged.push({ id, failure: error })
    }
  })
  const byAge = (a: KeyRecord, b: KeyRecord) => ((a.created ?? '') + a.id < (b.created ?? '') + b.id ? -1 : 1)
  return { records: records.sort(byAge), damaged }
}

/** Tries the wrappings of the kind of `secret`; of one repository key no more than it takes to have it. */
async function tryWrappings(
  records: readonly KeyRecord[],
  secret: Secret,
  signal: AbortSignal,
): Promise<Opened> {
  const opened = new Map<WrappedRecord, RepositoryKey>()
  const fitting = records.filter(isWrapped).filter((record) => record.kind === secret.kind)
  await atMost(trials, fitting, async (record) => {
    throwIfAborted(signal)
    if ([...opened.values()].some((key) => key.fingerprint === record.key)) return
    const key = await unwrap(record, secret)
    if (key !== undefined) opened.set(record, key)
  })
  return opened
}

/**
 * Adds to `keys` what they have retired, and what those have; returns the fingerprints of all of them. What none of them
 * opens is of somebody else's keys, or of a rotation that was killed, and means nothing here.
 */
function openRetired(records: readonly KeyRecord[], keys: Map<string, RepositoryKey>): Set<string> {
  const retired = new Set<string>()
  let waiting = records.filter((record) => !isWrapped(record)).filter(({ kind }) => kind === 'retired')
  for (let before = -1; before !== waiting.length; ) {
    before = waiting.length
    waiting = waiting.filter((record) => {
      const bytes = keys.get(record.under)?.openSecret(record.id, record.sealed, contextOf(record))
      if (bytes === undefined) return true
      const key = new RepositoryKey(bytes)
      if (!keys.has(key.fingerprint)) keys.set(key.fingerprint, key)
      retired.add(key.fingerprint)
      return false
    })
  }
  return retired
}

function wrongSecret({ records, damaged }: KeyFiles, { kind }: Secret): Failure {
  const [first] = damaged
  if (first !== undefined) return first.failure
  const [what, other, check] =
    kind === 'passphrase'
      ? ([
          'passphrase',
          '--key-file',
          'Check the file given with --encrypt-pass-file: its first line is the passphrase.',
        ] as const)
      : ([
          'key file',
          '--encrypt-pass-file',
          'Check the file given with --key-file: all of its bytes count.',
        ] as const)
  if (!records.some((record) => record.kind === kind)) {
    return new Failure('key', `No ${what} opens this container.`, { remedy: `Use ${other}.` })
  }
  return new Failure('key', `The ${what} does not open this container.`, { remedy: check })
}

/** Calls `work` for each item, at most `limit` at a time. After a failure none begins; those under way come to their end. */
async function atMost<T>(
  limit: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.toReversed()
  const failures: unknown[] = []
  const worker = async () => {
    for (let item = queue.pop(); item !== undefined && failures.length === 0; item = queue.pop()) {
      await work(item).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
}
