/**
 * Keys of an encrypted container.
 *
 * One random repository key, wrapped for each passphrase (scrypt, AES-256-GCM). From it, by HKDF-SHA-256: a key for the
 * blocks and one for the manifest of each backup, and one that hashes names. Passphrases come and go without a byte
 * of data written again. A container may hold several repository keys (two hosts that made the first backup at the
 * same moment); each manifest names its own.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  type ScryptOptions,
  scrypt,
} from 'node:crypto'
import { Failure } from '../contracts/failures.ts'

/** scrypt: 32 MiB and about 0.1 s; stored with each key, so that it can grow. */
const scryptCost = { n: 2 ** 15, r: 8, p: 1 } as const
/** A forged key file must not make us allocate more than this. */
const scryptMemoryLimit = 512 * 2 ** 20

const keyLength = 32
const nonceLength = 12
const tagLength = 16

/** The content of `keys/KEY`, as JSON. */
interface WrappedKey {
  readonly format: 'freezer key'
  readonly version: 1
  readonly kdf: {
    readonly name: 'scrypt'
    readonly n: number
    readonly r: number
    readonly p: number
    readonly salt: string
  }
  /** Base64 of nonce, encrypted repository key, tag. */
  readonly wrapped: string
}

/** A repository key that a passphrase opened. */
export class RepositoryKey {
  readonly #key: Uint8Array
  /** Names this key in manifests; says nothing about it. */
  readonly fingerprint: string

  constructor(key: Uint8Array) {
    this.#key = key
    this.fingerprint = this.#derive('fingerprint', '').toString('hex').slice(0, 32)
  }

  #derive(purpose: string, salt: string | Uint8Array): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, salt, `freezer 1 ${purpose}`, keyLength))
  }

  /** Key of the blocks of one backup. */
  blockKey(id: string): Uint8Array {
    return this.#derive('blocks', Buffer.from(id, 'hex'))
  }

  /** What the manifests of a host and name are kept under: the names themselves would leak. */
  hashName(host: string, name: string): string {
    return createHmac('sha256', this.#derive('names', ''))
      .update(`${host}\0${name}`)
      .digest('hex')
      .slice(0, 40)
  }

  sealManifest(id: string, text: Uint8Array, context: string): Buffer {
    return seal(this.#derive('manifest', Buffer.from(id, 'hex')), text, context)
  }

  /** @throws Failure `damaged` */
  openManifest(id: string, sealed: Uint8Array, context: string): Buffer {
    const text = open(this.#derive('manifest', Buffer.from(id, 'hex')), sealed, context)
    if (text === undefined) throw new Failure('damaged', 'A manifest is not what was stored.')
    return text
  }

  /** The key itself, for wrapping under another passphrase. */
  async wrap(passphrase: Uint8Array): Promise<Uint8Array> {
    const kdf = { name: 'scrypt', ...scryptCost, salt: randomBytes(32).toString('base64') } as const
    const header = { format: 'freezer key', version: 1, kdf } as const
    const wrapped = seal(await stretch(passphrase, kdf), this.#key, wrapContext(header))
    const file: WrappedKey = { ...header, wrapped: wrapped.toString('base64') }
    return Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`)
  }

  static generate(): RepositoryKey {
    return new RepositoryKey(randomBytes(keyLength))
  }

  /**
   * The repository key in `file`, or undefined when `passphrase` does not open it.
   * @throws Failure `damaged` when `file` is no wrapped key
   */
  static async unwrap(file: Uint8Array, passphrase: Uint8Array): Promise<RepositoryKey | undefined> {
    const { header, wrapped } = parseWrappedKey(file)
    const key = open(await stretch(passphrase, header.kdf), wrapped, wrapContext(header))
    return key === undefined ? undefined : new RepositoryKey(key)
  }
}

function wrapContext(header: Omit<WrappedKey, 'wrapped'>): string {
  const { name, n, r, p, salt } = header.kdf
  return `${header.format} ${header.version} ${name} ${n} ${r} ${p} ${salt}`
}

function parseWrappedKey(file: Uint8Array): { header: Omit<WrappedKey, 'wrapped'>; wrapped: Buffer } {
  try {
    const value = JSON.parse(Buffer.from(file).toString('utf8')) as WrappedKey
    const { format, version, kdf, wrapped } = value
    const { n, r, p, salt } = kdf
    const fits =
      [n, r, p].every((x) => Number.isSafeInteger(x) && x > 0) && 128 * n * r * p <= scryptMemoryLimit
    // Of anything but a string, `Buffer.from` makes what it likes: memory for a length, for one.
    const strings = typeof salt === 'string' && typeof wrapped === 'string'
    const power = n > 1 && Number.isInteger(Math.log2(n))
    if (format === 'freezer key' && version === 1 && kdf.name === 'scrypt' && fits && power && strings) {
      return {
        header: { format, version, kdf: { name: 'scrypt', n, r, p, salt } },
        wrapped: Buffer.from(wrapped, 'base64'),
      }
    }
  } catch {
    // Falls through: whatever it is, it is no key.
  }
  throw new Failure('damaged', 'A key file of the container cannot be understood.', {
    remedy: 'Restore the file under keys/ from another copy of the container.',
  })
}

function stretch(passphrase: Uint8Array, kdf: WrappedKey['kdf']): Promise<Buffer> {
  const options: ScryptOptions = { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 2 * scryptMemoryLimit }
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.from(kdf.salt, 'base64'), keyLength, options, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}

function seal(key: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(context))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Undefined when the key is wrong or a byte was changed. */
function open(key: Uint8Array, sealed: Uint8Array, context: string): Buffer | undefined {
  if (sealed.length < nonceLength + tagLength) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceLength), {
    authTagLength: tagLength,
  })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(sealed.subarray(-tagLength))
  const plain = decipher.update(sealed.subarray(nonceLength, -tagLength))
  try {
    return Buffer.concat([plain, decipher.final()])
  } catch {
    return undefined
  }
}

export function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
