/** A repository key wrapped under what a person keeps: a passphrase or a key file, stretched by scrypt (RFC 7914). */
import { randomBytes, type ScryptOptions, scrypt } from 'node:crypto'
import { Failure } from '../contracts/failures.ts'
import { contextOf, type Kdf, type SecretKind, scryptMemoryLimit, type WrappedRecord } from './key-records.ts'
import { RepositoryKey } from './keys.ts'
import { keyLength, open, seal } from './sealing.ts'

/** What a person opens a container with. */
export interface Secret {
  readonly kind: SecretKind
  /** The passphrase, or all bytes of the key file. */
  readonly bytes: Uint8Array
}

/** Bytes of a key file. */
export const keyFileLimits = { least: 16, most: 2 ** 20 } as const

/** scrypt: 32 MiB and about 0.1 s; stored with each key, so that it can grow. */
const scryptCost = { n: 2 ** 15, r: 8, p: 1 } as const

/** @throws Failure `key` for a key file that is too short or too long, or an empty passphrase */
export function checkSecret({ kind, bytes }: Secret): void {
  const { least, most } = keyFileLimits
  if (kind === 'key-file' && (bytes.length < least || bytes.length > most)) {
    throw new Failure('key', `A key file has ${least} bytes at least and 1 MiB at most.`, {
      remedy: 'Make one of 32 random bytes.',
    })
  }
  if (bytes.length === 0) throw new Failure('key', 'A passphrase must not be empty.')
}

export interface Wrapping {
  readonly id: string
  /** ISO 8601, UTC. */
  readonly created: string
  readonly label: string | undefined
}

/** `key`, wrapped for `secret`. @throws Failure `key` for a secret that is none */
export async function wrap(key: RepositoryKey, secret: Secret, of: Wrapping): Promise<WrappedRecord> {
  checkSecret(secret)
  const kdf = { name: 'scrypt', ...scryptCost, salt: randomBytes(32).toString('base64') } as const
  const head = { ...of, kind: secret.kind, key: key.fingerprint, kdf }
  const context = contextOf(head)
  const wrapped = seal(await stretch(secret.bytes, kdf), key.bytes, context)
  return { ...head, wrapped, mac: key.vouch(context, wrapped) }
}

/** The repository key that `record` wraps, or undefined when `secret` does not open it. */
export async function unwrap(record: WrappedRecord, secret: Secret): Promise<RepositoryKey | undefined> {
  if (record.kind !== secret.kind) return undefined
  const bytes = open(await stretch(secret.bytes, record.kdf), record.wrapped, contextOf(record))
  return bytes?.length === keyLength ? new RepositoryKey(bytes) : undefined
}

function stretch(secret: Uint8Array, kdf: Kdf): Promise<Buffer> {
  const options: ScryptOptions = { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 2 * scryptMemoryLimit }
  return new Promise((resolve, reject) => {
    scrypt(secret, Buffer.from(kdf.salt, 'base64'), keyLength, options, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}
