/**
 * A recipient: a public key that a host encrypts its backups for, so that it can back up what it cannot read. X25519
 * (RFC 7748), HKDF-SHA-256 (RFC 5869), AES-256-GCM; the layout is in `docs/format.md`.
 *
 * The host also holds a writer secret. What it writes is authenticated with that, so neither the public key nor access to
 * the storage is enough to forge a backup; and the names of its backups are hashed with it.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { Failure } from '../contracts/failures.ts'
import { isId } from './key-records.ts'
import { hashName } from './keys.ts'
import { derive, keyLength, open, seal, sealedExtra, sha256 } from './sealing.ts'

/** Bytes of a wrapped secret: ephemeral public key, then the secret sealed. */
export const wrappedLength = keyLength + sealedExtra + keyLength
const macLength = 32
const checkLength = 8
/** The text of a recipient file is not longer. */
export const recipientFileLimit = 4096

/** What a host has of its recipient. */
export class Recipient {
  /** KEY of the file under `keys/` that holds the private key. */
  readonly id: string
  /** The machine whose backups it receives; it receives no other's. */
  readonly host: string
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 32 bytes. */
  readonly #writer: Uint8Array

  constructor(id: string, host: string, publicKey: Uint8Array, writer: Uint8Array) {
    this.id = id
    this.host = host
    this.publicKey = publicKey
    this.#writer = writer
  }

  /** The line of a recipient file: `freezer recipient 1 ID HOST PUBLIC WRITER CHECK`. Whoever has it writes as that host. */
  toText(): string {
    const parts = [Buffer.from(this.host), this.publicKey, this.#writer].map(base64url)
    const line = `${textHead} ${this.id} ${parts.join(' ')}`
    return `${line} ${checkOf(line)}\n`
  }

  /** @throws Failure `key` for anything but a whole, unaltered recipient file */
  static parse(bytes: Uint8Array): Recipient {
    const line = bytes.length > recipientFileLimit ? '' : Buffer.from(bytes).toString('utf8').trimEnd()
    const at = line.lastIndexOf(' ')
    const [a, b, c, id = '', host = '', publicKey = '', writer = '', ...rest] = line.slice(0, at).split(' ')
    const keys = [publicKey, writer].map((part) => Buffer.from(part, 'base64url'))
    const [publicBytes, writerBytes] = keys
    const sound =
      [a, b, c].join(' ') === textHead &&
      rest.length === 0 &&
      isId(id) &&
      host !== '' &&
      keys.every((key) => key.length === keyLength) &&
      checkOf(line.slice(0, at)) === line.slice(at + 1)
    if (!sound || publicBytes === undefined || writerBytes === undefined) {
      throw new Failure('key', 'This is not a recipient file, or not a whole one.', {
        remedy: 'Copy the file that "freezer key add --recipient" wrote once more, or add another recipient.',
      })
    }
    return new Recipient(id, Buffer.from(host, 'base64url').toString('utf8'), publicBytes, writerBytes)
  }

  /** What the backups of a name are kept under. */
  hashName(name: string): string {
    return hashName(derive(this.#writer, 'received names', ''), this.host, name)
  }

  /** Wraps the secret of a backup, so that the private key alone unwraps it: `wrappedLength` bytes. */
  wrap(secret: Uint8Array, context: string): Buffer {
    const ephemeral = generateKeyPairSync('x25519')
    const ephemeralPublic = rawPublic(ephemeral.publicKey)
    const shared = diffieHellman({
      privateKey: ephemeral.privateKey,
      publicKey: publicObject(this.publicKey),
    })
    return Buffer.concat([
      ephemeralPublic,
      seal(wrappingKey(shared, ephemeralPublic, this.publicKey), secret, context),
    ])
  }

  /** Says that a manifest, in its place, is this host's. */
  vouch(id: string, context: string, bytes: Uint8Array): Buffer {
    const key = derive(this.#writer, 'received manifest', Buffer.from(id, 'hex'))
    return createHmac('sha256', key).update(`${context}\n`).update(bytes).digest()
  }

  vouchesFor(id: string, context: string, bytes: Uint8Array, mac: Uint8Array): boolean {
    return mac.length === macLength && timingSafeEqual(this.vouch(id, context, bytes), mac)
  }

  /** For who keeps or hands over the recipient. */
  get writer(): Uint8Array {
    return this.#writer
  }
}

/** A recipient with its private key: reads what its host wrote. */
export class RecipientOwner {
  readonly recipient: Recipient
  /** 32 bytes. */
  readonly #privateKey: Uint8Array

  private constructor(recipient: Recipient, privateKey: Uint8Array) {
    this.recipient = recipient
    this.#privateKey = privateKey
  }

  static generate(id: string, host: string): RecipientOwner {
    const pair = generateKeyPairSync('x25519')
    const recipient = new Recipient(id, host, rawPublic(pair.publicKey), randomBytes(keyLength))
    const { d } = pair.privateKey.export({ format: 'jwk' })
    return new RecipientOwner(recipient, Buffer.from(d ?? '', 'base64url'))
  }

  /** What its key file seals: private key, writer secret, host. */
  toSecret(): Buffer {
    return Buffer.concat([this.#privateKey, this.recipient.writer, Buffer.from(this.recipient.host)])
  }

  /** Undefined for what `toSecret` did not make. `publicKey` in base64url. */
  static fromSecret(id: string, publicKey: string, secret: Uint8Array): RecipientOwner | undefined {
    const [privateKey, writer, host] = [
      secret.subarray(0, keyLength),
      secret.subarray(keyLength, 2 * keyLength),
      secret.subarray(2 * keyLength),
    ]
    if (host.length === 0) return undefined
    const recipient = new Recipient(
      id,
      Buffer.from(host).toString('utf8'),
      Buffer.from(publicKey, 'base64url'),
      writer,
    )
    return new RecipientOwner(recipient, privateKey)
  }

  /** What `Recipient.wrap` wrapped; undefined for anything else. */
  unwrap(wrapped: Uint8Array, context: string): Buffer | undefined {
    const ephemeralPublic = wrapped.subarray(0, keyLength)
    const { publicKey } = this.recipient
    try {
      const shared = diffieHellman({
        privateKey: privateObject(this.#privateKey, publicKey),
        publicKey: publicObject(ephemeralPublic),
      })
      return open(
        wrappingKey(shared, ephemeralPublic, publicKey),
        wrapped.subarray(keyLength, wrappedLength),
        context,
      )
    } catch {
      // A point of low order, or bytes that are no point at all.
      return undefined
    }
  }
}

const textHead = 'freezer recipient 1'

/** Tells a line that was cut or mistyped: a wrong public key would only be noticed at a restore. */
function checkOf(line: string): string {
  return base64url(sha256(line).subarray(0, checkLength))
}

function wrappingKey(shared: Uint8Array, ephemeralPublic: Uint8Array, publicKey: Uint8Array): Buffer {
  return derive(shared, 'recipient', Buffer.concat([ephemeralPublic, publicKey]))
}

function rawPublic(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}

function publicObject(key: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: base64url(key) }, format: 'jwk' })
}

function privateObject(key: Uint8Array, publicKey: Uint8Array): KeyObject {
  const jwk = { kty: 'OKP', crv: 'X25519', x: base64url(publicKey), d: base64url(key) }
  return createPrivateKey({ key: jwk, format: 'jwk' })
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}
