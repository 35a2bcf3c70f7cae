/** What lies under `keys/`, as far as the secret that opened the container can prove it. */
import { Failure, type FailureRecord, toRecord } from '../contracts/failures.ts'
import { isWrapped, type KeyKind, type KeyRecord } from './key-records.ts'
import { type KeyFiles, type Keyring, listKeyFiles, readKeyFiles } from './keyring.ts'
import type { Repository } from './repository.ts'

export interface KeyEntry {
  /** 16 hexadecimal digits. */
  readonly id: string
  /**
   * `passphrase`, `key-file`: opens the container. `recipient`: a host that backs up what it cannot read. `retired`: an
   * earlier repository key. `codec-passphrase`: what a codec like aes-256-cfb encrypted with.
   */
  readonly kind: KeyKind
  readonly label?: string | undefined
  /** ISO 8601, UTC; undefined in containers from before it was kept. */
  readonly created?: string | undefined
  /** Of a recipient: the host whose backups it receives. */
  readonly host?: string | undefined
  /** Fingerprint of the repository key that it leads to, is sealed under, or (`retired`) is. */
  readonly repositoryKey?: string | undefined
  /**
   * Whether it is for what is written from now on, or only for older backups. `unknown`: the secret that opened the container
   * cannot tell, because it does not open that key, or the file was altered; then nothing else is said of it.
   */
  readonly state: 'current' | 'retired' | 'unknown'
  /** Whether this is what opened the container. */
  readonly opened: boolean
}

export interface KeyList {
  /** Fingerprint of the repository key that new backups are written with. */
  readonly writing: string
  /** The oldest first. */
  readonly keys: readonly KeyEntry[]
  /** Files that cannot be understood. */
  readonly damaged: readonly { readonly id: string; readonly failure: FailureRecord }[]
}

/** @throws Failure `not-found` for a container without keys */
export function keyringOf({ keyring }: Repository): Keyring {
  if (keyring !== undefined) return keyring
  throw new Failure('not-found', 'This container is not encrypted: it has no keys.', {
    remedy: 'Whether a container is encrypted is decided by its first backup.',
  })
}

export async function listKeys(repository: Repository, signal: AbortSignal): Promise<KeyList> {
  const keyring = keyringOf(repository)
  const { records, damaged } = await currentFiles(repository, signal)
  return {
    writing: keyring.current[0]?.fingerprint ?? '',
    keys: records.map((record) => describeKey(keyring, record)),
    damaged: damaged.map(({ id, failure }) => ({ id, failure: toRecord(failure) })),
  }
}

/** The files under `keys/` as they are now. */
export async function currentFiles({ storage }: Repository, signal: AbortSignal): Promise<KeyFiles> {
  return readKeyFiles(storage, await listKeyFiles(storage, signal), signal)
}

export function describeKey(keyring: Keyring, record: KeyRecord): KeyEntry {
  const { id, kind, label, created } = record
  const key = keyring.proven(record)
  if (key === undefined) return { id, kind, state: 'unknown', opened: false }
  const host = keyring.recipients.find((owner) => owner.recipient.id === id)?.recipient.host
  const retired = kind === 'retired' || (kind !== 'recipient' && !keyring.current.includes(key))
  return {
    id,
    kind,
    label,
    created,
    host,
    repositoryKey: kind === 'retired' ? record.about : key.fingerprint,
    state: retired ? 'retired' : 'current',
    opened: isWrapped(record) && keyring.opened(record) !== undefined,
  }
}
