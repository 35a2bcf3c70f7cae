/** The cryptography that all of the repository's keys rest on: AES-256-GCM, and HKDF-SHA-256 (RFC 5869). */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

/** Bytes of every key. */
export const keyLength = 32
const nonceLength = 12
const tagLength = 16
/** Bytes that `seal` adds. */
export const sealedExtra = nonceLength + tagLength

/** A key for one purpose, which says nothing about the key that it comes from. */
export function derive(key: Uint8Array, purpose: string, salt: string | Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, `freezer 1 ${purpose}`, keyLength))
}

/** Nonce, ciphertext, tag; `context` is authenticated with it. */
export function seal(key: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(context))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** What `seal` sealed; undefined when the key is wrong or a byte was changed. */
export function open(key: Uint8Array, sealed: Uint8Array, context: string): Buffer | undefined {
  if (sealed.length < sealedExtra) return undefined
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
