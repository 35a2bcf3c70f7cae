/**
 * Authenticated encryption of a block: ciphertext, then 16 bytes of tag. The nonce is not stored: it follows from the
 * block's place, and no two blocks of a backup share a place, no two backups a key. What a block is bound to beyond
 * its key and nonce (which backup, which place) is authenticated with it as associated data.
 */
import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto'
import { type BlockFacts, type CodecSecret, type Coder, Failure, release } from '@freezer/sdk'
import { damaged, placeOf } from './block.ts'

const tagLength = 16

/** What Node's cipher is given for one block. */
export interface BlockKey {
  readonly key: KeyObject
  /** 12 bytes. */
  readonly nonce: Uint8Array
}

export interface Aead {
  /** As the codec is called; part of the associated data. */
  readonly name: string
  /** As Node calls the cipher. */
  readonly cipher: 'aes-256-gcm' | 'chacha20-poly1305'
  /** Key and nonce of the block at `place`, 9 bytes. */
  readonly keyAt: (place: Uint8Array) => BlockKey
}

/**
 * The key of the backup, copied.
 * @throws Failure `key` when there is none
 */
export function backupKey(codec: string, secret: CodecSecret | undefined): Buffer {
  if (secret === undefined) {
    throw new Failure('key', `The encryption ${codec} needs a key.`, { remedy: 'Give a passphrase.' })
  }
  if (secret.key.length !== 32) {
    throw new Failure('key', `The encryption ${codec} needs a key of 32 bytes.`)
  }
  return Buffer.from(secret.key)
}

/** `bytes` as Node's crypto takes keys: an object that is made once, and does not print itself. */
export function keyObject(bytes: Uint8Array): KeyObject {
  return createSecretKey(bytes)
}

/** A coder that seals every block with `aead`. */
export function openAead({ name, cipher, keyAt }: Aead): Coder {
  const options = { authTagLength: tagLength }
  const label = Buffer.from(`freezer block ${name}\0`)
  const associated = (facts: BlockFacts, place: Uint8Array): Buffer =>
    Buffer.concat([label, facts.backup, place])

  return {
    encode(block, facts) {
      const place = placeOf(facts)
      const { key, nonce } = keyAt(place)
      // Both ciphers have the interface of GCM; the types know them one by one only.
      const sealing = createCipheriv(cipher as 'aes-256-gcm', key, nonce, options) as CipherGCM
      sealing.setAAD(associated(facts, place))
      const sealed = Buffer.allocUnsafeSlow(block.length + tagLength)
      const encrypted = sealing.update(block)
      sealed.set(encrypted)
      release(encrypted)
      sealing.final()
      sealed.set(sealing.getAuthTag(), block.length)
      return sealed
    },

    decode(block, facts, limit) {
      const length = block.length - tagLength
      if (length < 0) throw damaged(name, facts, 'An encrypted block is cut short.')
      if (length > limit) throw damaged(name, facts, 'An encrypted block is longer than any that was stored.')
      const place = placeOf(facts)
      const { key, nonce } = keyAt(place)
      const opening = createDecipheriv(cipher as 'aes-256-gcm', key, nonce, options) as DecipherGCM
      opening.setAAD(associated(facts, place))
      opening.setAuthTag(block.subarray(length))
      const opened = opening.update(block.subarray(0, length))
      try {
        opening.final()
      } catch {
        throw damaged(
          name,
          facts,
          'An encrypted block was changed, or was made for another place, backup or key.',
        )
      }
      return opened
    },
  }
}
