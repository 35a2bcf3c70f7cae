/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). Nonce, 24 bytes: stream (0 data, 1 index), block number in 8 bytes
 * big-endian, 15 zero bytes.
 *
 * OpenSSL has ChaCha20-Poly1305 alone. The draft (section 2.3) builds the one on the other: HChaCha20 of the key and
 * the first 16 bytes of the nonce gives the key, four zero bytes and the last 8 bytes of the nonce give the nonce.
 */

import type { CodecSecret, Coder } from '@freezer/sdk'
import { hchacha } from '@noble/ciphers/chacha.js'
import { type BlockKey, backupKey, keyObject, openAead } from './aead.ts'

/** @throws Failure `key` without a key */
export function openXchacha20Poly1305(secret: CodecSecret | undefined): Coder {
  const name = 'xchacha20-poly1305'
  const key = backupKey(name, secret)
  return openAead({
    name,
    cipher: 'chacha20-poly1305',
    keyAt(place) {
      const nonce = new Uint8Array(24)
      nonce.set(place)
      return innerKey(key, nonce)
    },
  })
}

/** Key and nonce with which ChaCha20-Poly1305 does what XChaCha20-Poly1305 does with `key` and `nonce`, 24 bytes. */
export function innerKey(key: Uint8Array, nonce: Uint8Array): BlockKey {
  const subkey = new Uint32Array(8)
  hchacha(sigma, words(key), words(nonce.subarray(0, 16)), subkey)
  const inner = new Uint8Array(12)
  inner.set(nonce.subarray(16), 4)
  return { key: keyObject(new Uint8Array(subkey.buffer)), nonce: inner }
}

const sigma = words(Buffer.from('expand 32-byte k'))

/** Bytes as the words of this machine's order, which `hchacha` asks for; copied, because they must be aligned. */
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer)
}
