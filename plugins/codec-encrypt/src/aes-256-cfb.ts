/**
 * AES-256-CFB in the format of `openssl enc -aes-256-cfb -md sha256`: "Salted__", 8 random bytes of salt, ciphertext
 * of the same length as the text. Every block is such a file:
 *
 *     openssl enc -d -aes-256-cfb -md sha256 -pass file:PASSPHRASE -in BLOCK
 *
 * Key and initialisation vector are `EVP_BytesToKey` of passphrase and salt with SHA-256 and one iteration: quick to
 * try, so the passphrase must be long. Nothing here notices a change; the digests of the repository do.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import { type CodecSecret, type Coder, Failure } from '@freezer/sdk'
import { damaged } from './block.ts'

const name = 'aes-256-cfb'
const magic = Buffer.from('Salted__')
const saltLength = 8
const headerLength = magic.length + saltLength

/** @throws Failure `key` without a passphrase */
export function openAes256Cfb(secret: CodecSecret | undefined): Coder {
  if (secret?.passphrase === undefined || secret.passphrase.length === 0) {
    throw new Failure('key', `The encryption ${name} needs a passphrase that is not empty.`, {
      remedy: 'Give a file that holds one.',
    })
  }
  const passphrase = Buffer.from(secret.passphrase)
  return {
    encode(block) {
      const salt = randomBytes(saltLength)
      const { key, iv } = derive(passphrase, salt)
      const file = Buffer.allocUnsafeSlow(headerLength + block.length)
      file.set(magic, 0)
      file.set(salt, magic.length)
      file.set(createCipheriv(name, key, iv).update(block), headerLength)
      return file
    },

    decode(block, facts, limit) {
      const length = block.length - headerLength
      if (length < 0 || !magic.equals(block.subarray(0, magic.length))) {
        throw damaged(name, facts, 'An encrypted block does not begin as OpenSSL would begin it.')
      }
      if (length > limit) throw damaged(name, facts, 'An encrypted block is longer than any that was stored.')
      const { key, iv } = derive(passphrase, block.subarray(magic.length, headerLength))
      return createDecipheriv(name, key, iv).update(block.subarray(headerLength))
    },
  }
}

/** `EVP_BytesToKey` of OpenSSL for 32 bytes of key and 16 of vector: SHA-256, one iteration. */
function derive(passphrase: Uint8Array, salt: Uint8Array): { key: Buffer; iv: Buffer } {
  const key = hash('sha256', Buffer.concat([passphrase, salt]), 'buffer')
  const iv = hash('sha256', Buffer.concat([key, passphrase, salt]), 'buffer').subarray(0, 16)
  return { key, iv }
}
