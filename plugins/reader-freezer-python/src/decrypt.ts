/**
 * What `openssl enc -aes-256-cfb -pass file:FILE` made: `Salted__`, 8 bytes of salt, ciphertext. Key and vector are
 * `EVP_BytesToKey` with one round of SHA-256, or of MD5 before OpenSSL 1.1; nothing says of which, nor authenticates
 * anything. What comes out must begin as its compressor begins, which tells the right key from a wrong one.
 */
import { createDecipheriv, createHash } from 'node:crypto'
import { Failure } from '@freezer/sdk'
import { magicOf } from './decompress.ts'
import type { Compression } from './metadata.ts'

const cipher = 'aes-256-cfb'
const saltedMagic = Buffer.from('Salted__')
const headerLength = saltedMagic.length + 8
/** What OpenSSL takes off a pass file is a line feed: a carriage return before it belongs to the passphrase. */
const lineEnds = ['', '\r'] as const

/** @throws Failure `key` for a passphrase that is missing or wrong, `damaged` for what OpenSSL did not write */
export async function* decrypted(
  stored: AsyncIterable<Uint8Array>,
  passphrase: Uint8Array | undefined,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  if (passphrase === undefined) {
    throw new Failure('key', 'This backup is encrypted.', {
      remedy: 'Give the file with its passphrase as --encrypt-pass-file.',
    })
  }
  const magic = magicOf(compression)
  let head: Uint8Array = new Uint8Array(0)
  let decipher: ReturnType<typeof createDecipheriv> | undefined
  for await (const chunk of stored) {
    if (decipher !== undefined) {
      yield decipher.update(chunk)
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < headerLength + magic.length) continue
    if (!saltedMagic.equals(head.subarray(0, saltedMagic.length))) throw notOpenssl()
    const salt = head.subarray(saltedMagic.length, headerLength)
    const body = head.subarray(headerLength)
    decipher = opened(body, magic, passphrase, salt)
    yield decipher.update(body)
  }
  if (decipher === undefined) throw notOpenssl()
}

function opened(
  body: Uint8Array,
  magic: Uint8Array,
  passphrase: Uint8Array,
  salt: Uint8Array,
): ReturnType<typeof createDecipheriv> {
  for (const lineEnd of lineEnds) {
    const password = Buffer.concat([passphrase, Buffer.from(lineEnd)])
    for (const digest of ['sha256', 'md5'] as const) {
      const derived = bytesToKey(digest, password, salt)
      const decipher = () => createDecipheriv(cipher, derived.subarray(0, 32), derived.subarray(32, 48))
      if (decipher().update(body.subarray(0, magic.length)).equals(magic)) return decipher()
    }
  }
  throw new Failure(
    'key',
    'The passphrase is not that of this backup, or the backup is damaged at its very beginning.',
    {
      remedy: 'Give the file with the passphrase that it was encrypted with as --encrypt-pass-file.',
    },
  )
}

/** 48 bytes: key and vector. */
function bytesToKey(digest: 'sha256' | 'md5', password: Uint8Array, salt: Uint8Array): Buffer {
  let derived = Buffer.alloc(0)
  for (let last = Buffer.alloc(0); derived.length < 48; ) {
    last = createHash(digest).update(last).update(password).update(salt).digest()
    derived = Buffer.concat([derived, last])
  }
  return derived
}

function notOpenssl(): Failure {
  return new Failure('damaged', 'The archive should be encrypted, and does not begin as OpenSSL begins.')
}
