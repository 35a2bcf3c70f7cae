/**
 * Keys of an encrypted container.
 *
 * One random repository key, wrapped for each passphrase and key file. From it, by HKDF-SHA-256: a key for the blocks and
 * one for the manifest of each backup, and one that hashes names. Passphrases come and go without a byte of data
 * written again. A container may hold several repository keys (after a rotation, or when two hosts made the first
 * backup at the same moment); each manifest names its own.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Failure } from '../contracts/failures.ts'
import { derive, keyLength, open, seal } from './sealing.ts'

export { sha256 } from './sealing.ts'

/** A repository key, in the clear. The secret of a backup for a recipient is one too, used for that backup alone. */
export class RepositoryKey {
  readonly #key: Uint8Array
  /** Names this key in manifests and key files; says nothing about it. */
  readonly fingerprint: string

  constructor(key: Uint8Array) {
    this.#key = key
    this.fingerprint = derive(key, 'fingerprint', '').toString('hex').slice(0, 32)
  }

  static generate(): RepositoryKey {
    return new RepositoryKey(randomBytes(keyLength))
  }

  /** The key itself, for who wraps it. */
  get bytes(): Uint8Array {
    return this.#key
  }

  /** Key of the blocks of one backup. */
  blockKey(id: string): Uint8Array {
    return derive(this.#key, 'blocks', Buffer.from(id, 'hex'))
  }

  /** What the manifests of a host and name are kept under: the names themselves would leak. */
  hashName(host: string, name: string): string {
    return hashName(derive(this.#key, 'names', ''), host, name)
  }

  sealManifest(id: string, text: Uint8Array, context: string): Buffer {
    return seal(derive(this.#key, 'manifest', Buffer.from(id, 'hex')), text, context)
  }

  /** @throws Failure `damaged` */
  openManifest(id: string, sealed: Uint8Array, context: string): Buffer {
    const text = open(derive(this.#key, 'manifest', Buffer.from(id, 'hex')), sealed, context)
    if (text === undefined) throw new Failure('damaged', 'A manifest is not what was stored.')
    return text
  }

  /** Seals `secret` for the file `keys/ID`. */
  sealSecret(id: string, secret: Uint8Array, context: string): Buffer {
    return seal(derive(this.#key, 'secrets', Buffer.from(id, 'hex')), secret, context)
  }

  /** Undefined for what this key did not seal for that file. */
  openSecret(id: string, sealed: Uint8Array, context: string): Buffer | undefined {
    return open(derive(this.#key, 'secrets', Buffer.from(id, 'hex')), sealed, context)
  }

  /**
   * Vouches for a wrapping of this key, towards whoever opened the key by another one: only the owner of a passphrase can
   * tell what that passphrase wraps.
   */
  vouch(context: string, wrapped: Uint8Array): Buffer {
    return createHmac('sha256', derive(this.#key, 'wrappings', ''))
      .update(`${context}\n`)
      .update(wrapped)
      .digest()
  }

  vouchesFor(context: string, wrapped: Uint8Array, mac: Uint8Array): boolean {
    const own = this.vouch(context, wrapped)
    return mac.length === own.length && timingSafeEqual(own, mac)
  }
}

/** 40 hexadecimal digits for a host and a name, that nobody without the key can connect with either. */
export function hashName(key: Uint8Array, host: string, name: string): string {
  return createHmac('sha256', key).update(`${host}\0${name}`).digest('hex').slice(0, 40)
}
