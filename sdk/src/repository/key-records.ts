/**
 * The content of `keys/KEY`, of every kind. What a record says besides its ciphertext is its *context*: the ciphertext
 * authenticates that, so that nobody can change a label, a date or a kind unseen. `docs/format.md` has the layout.
 */
import { randomBytes } from 'node:crypto'
import { Failure } from '../contracts/failures.ts'
import { keysPrefix } from './names.ts'

/** Wrapped under a secret that a person keeps. */
export const secretKinds = ['passphrase', 'key-file'] as const
export type SecretKind = (typeof secretKinds)[number]
/** Sealed under a repository key. */
const sealedKinds = ['retired', 'recipient', 'codec-passphrase'] as const
export type SealedKind = (typeof sealedKinds)[number]
export type KeyKind = SecretKind | SealedKind

interface CommonRecord {
  /** KEY of `keys/KEY`. */
  readonly id: string
  /** ISO 8601, UTC; undefined in containers from before there were kinds. */
  readonly created: string | undefined
  readonly label: string | undefined
}

export interface Kdf {
  readonly name: 'scrypt'
  readonly n: number
  readonly r: number
  readonly p: number
  /** Base64. */
  readonly salt: string
}

/** A repository key, wrapped for a passphrase or a key file. */
export interface WrappedRecord extends CommonRecord {
  readonly kind: SecretKind
  /** Fingerprint of the repository key; undefined in containers from before there were kinds. */
  readonly key: string | undefined
  readonly kdf: Kdf
  readonly wrapped: Buffer
  /** How the repository key vouches for this wrapping; undefined as above. */
  readonly mac: Buffer | undefined
}

/** A secret of the repository, sealed under one of its keys. */
export interface SealedRecord extends CommonRecord {
  readonly kind: SealedKind
  /** Fingerprint of the repository key that it is sealed under. */
  readonly under: string
  /**
   * `retired`: fingerprint of the retired key. `recipient`: its public key, base64url. `codec-passphrase`: whether it is
   * also the one of blocks that name none.
   */
  readonly about: string
  readonly sealed: Buffer
}

export type KeyRecord = WrappedRecord | SealedRecord

export function isWrapped(record: KeyRecord): record is WrappedRecord {
  return record.kind === 'passphrase' || record.kind === 'key-file'
}

/** A forged key file must not make us allocate more than this. */
export const scryptMemoryLimit = 512 * 2 ** 20
/** Characters. */
export const labelLimit = 100

/** The member that `about` of a sealed record is written as. */
const aboutMember = { retired: 'key', recipient: 'public', 'codec-passphrase': 'unnamed' } as const

/** Whether `text` can be a label: one line that shows as it is. */
export function isLabel(text: unknown): text is string {
  return typeof text === 'string' && text.length <= labelLimit && /^[^\p{Cc}\p{Cs}\u2028\u2029]+$/v.test(text)
}

/** What the ciphertext of a record authenticates. The label stands last, because it may be anything but a line end. */
export function contextOf(
  record: Omit<WrappedRecord, 'wrapped' | 'mac'> | Omit<SealedRecord, 'sealed'>,
): string {
  const { id, kind, created, label } = record
  if ('under' in record) {
    return [`freezer key 1 ${kind}`, keysPrefix + id, created, record.under, record.about, label ?? ''].join(
      '\n',
    )
  }
  const { name, n, r, p, salt } = record.kdf
  const kdf = `${name} ${n} ${r} ${p} ${salt}`
  if (created === undefined) return `freezer key 1 ${kdf}`
  return [`freezer key 1 ${kind}`, keysPrefix + id, created, record.key, kdf, label ?? ''].join('\n')
}

export function encodeRecord(record: KeyRecord): Buffer {
  const { kind, created, label } = record
  const head = { format: 'freezer key', version: 1, kind, created, ...(label === undefined ? {} : { label }) }
  const file = isWrapped(record)
    ? {
        ...head,
        key: record.key,
        kdf: record.kdf,
        wrapped: record.wrapped.toString('base64'),
        mac: record.mac?.toString('base64'),
      }
    : {
        ...head,
        under: record.under,
        [aboutMember[record.kind]]: record.about,
        sealed: record.sealed.toString('base64'),
      }
  return Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`)
}

/**
 * The record in the file `keys/ID`.
 * @throws Failure `damaged` for anything else
 */
export function decodeRecord(id: string, file: Uint8Array): KeyRecord {
  try {
    const value = JSON.parse(Buffer.from(file).toString('utf8')) as Record<string, unknown>
    const record =
      value['format'] === 'freezer key' && value['version'] === 1 ? readRecord(id, value) : undefined
    if (record !== undefined) return record
  } catch {
    // Falls through: whatever it is, it is no key.
  }
  throw new Failure('damaged', 'A key file of the container cannot be understood.', {
    remedy: 'Restore the file under keys/ from another copy of the container.',
    facts: { key: id },
  })
}

function readRecord(id: string, value: Record<string, unknown>): KeyRecord | undefined {
  const { kind, created, label } = value
  if (kind === undefined)
    return readWrapped({ id, kind: 'passphrase', created: undefined, label: undefined }, value)
  const dated = typeof created === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(created)
  if (!isId(id) || !dated || Number.isNaN(Date.parse(created))) return undefined
  if (label !== undefined && !isLabel(label)) return undefined
  const wrapped = secretKinds.find((one) => one === kind)
  if (wrapped !== undefined) return readWrapped({ id, kind: wrapped, created, label }, value)
  const sealed = sealedKinds.find((one) => one === kind)
  return sealed === undefined ? undefined : readSealed({ id, kind: sealed, created, label }, value)
}

function readWrapped(
  common: CommonRecord & { readonly kind: SecretKind },
  value: Record<string, unknown>,
): WrappedRecord | undefined {
  const { key, wrapped, mac } = value
  const kdf = readKdf(value['kdf'])
  // Of anything but a string, `Buffer.from` makes what it likes: memory for a length, for one.
  if (kdf === undefined || typeof wrapped !== 'string') return undefined
  const bytes = Buffer.from(wrapped, 'base64')
  if (common.created === undefined) return { ...common, key: undefined, kdf, wrapped: bytes, mac: undefined }
  if (!isFingerprint(key) || typeof mac !== 'string') return undefined
  return { ...common, key, kdf, wrapped: bytes, mac: Buffer.from(mac, 'base64') }
}

function readKdf(value: unknown): Kdf | undefined {
  const { name, n, r, p, salt } = value as Kdf
  const fits =
    [n, r, p].every((x) => Number.isSafeInteger(x) && x > 0) && 128 * n * r * p <= scryptMemoryLimit
  const power = n > 1 && Number.isInteger(Math.log2(n))
  if (name !== 'scrypt' || !fits || !power || typeof salt !== 'string') return undefined
  return { name, n, r, p, salt }
}

function readSealed(
  common: CommonRecord & { readonly kind: SealedKind },
  value: Record<string, unknown>,
): SealedRecord | undefined {
  const { under, sealed } = value
  const about = value[aboutMember[common.kind]]
  if (!isFingerprint(under) || typeof sealed !== 'string' || typeof about !== 'string') return undefined
  if (!aboutForm[common.kind].test(about)) return undefined
  return { ...common, under, about, sealed: Buffer.from(sealed, 'base64') }
}

const aboutForm = {
  retired: /^[0-9a-f]{32}$/,
  recipient: /^[\w-]{43}$/,
  'codec-passphrase': /^(?:yes|no)$/,
} as const

/** KEY of a new file under `keys/`. */
export function newId(): string {
  return randomBytes(8).toString('hex')
}

export function isId(id: string): boolean {
  return /^[0-9a-f]{16}$/.test(id)
}

function isFingerprint(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}
