/**
 * AES-256-GCM (NIST SP 800-38D). Nonce, 12 bytes: stream (0 data, 1 index), three zero bytes, block number in 8 bytes
 * big-endian.
 */
import type { CodecSecret, Coder } from '@freezer/sdk'
import { backupKey, keyObject, openAead } from './aead.ts'

/** @throws Failure `key` without a key */
export function openAes256Gcm(secret: CodecSecret | undefined): Coder {
  const name = 'aes-256-gcm'
  const key = keyObject(backupKey(name, secret))
  return openAead({
    name,
    cipher: 'aes-256-gcm',
    keyAt(place) {
      const nonce = new Uint8Array(12)
      nonce.set(place.subarray(0, 1), 0)
      nonce.set(place.subarray(1), 4)
      return { key, nonce }
    },
  })
}
