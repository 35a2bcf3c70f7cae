import assert from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { test } from 'node:test'
import type { BlockFacts } from '@freezer/sdk'
import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { innerKey } from '../src/xchacha20-poly1305.ts'
import { facts, isDamaged, names, noise, open, secret, thrown } from './samples.ts'

const places: readonly BlockFacts[] = [
  facts,
  { ...facts, number: 0 },
  { ...facts, stream: 'index', number: 0 },
  { ...facts, stream: 'index', number: 2 ** 40 + 5 },
  { ...facts, number: Number.MAX_SAFE_INTEGER },
]

/** Nonce and associated data as the format says, written down a second time. */
function asDocumented(name: string, { backup, stream, number }: BlockFacts): { nonce: Buffer; aad: Buffer } {
  const id = Buffer.from([stream === 'data' ? 0 : 1])
  const count = Buffer.alloc(8)
  count.writeBigUInt64BE(BigInt(number))
  return {
    nonce:
      name === 'aes-256-gcm' ? Buffer.concat([id, Buffer.alloc(3), count]) : Buffer.concat([id, count], 24),
    aad: Buffer.concat([Buffer.from(`freezer block ${name}\0`), backup, id, count]),
  }
}

const second = {
  'aes-256-gcm': gcm,
  'xchacha20-poly1305': xchacha20poly1305,
}

for (const [name, cipher] of Object.entries(second)) {
  test(`${name}: @noble/ciphers reads what it writes, and writes what it reads, byte for byte`, async () => {
    const coder = await open(name)
    for (const its of places) {
      for (const size of [0, 1, 15, 16, 17, 1000, 70_000]) {
        const block = noise(size, `block ${size}`)
        const { nonce, aad } = asDocumented(name, its)
        const sealed = cipher(secret.key, nonce, aad).encrypt(block)
        assert.ok(Buffer.from(coder.encode(block, its)).equals(sealed))
        assert.ok(block.equals(coder.decode(sealed, its, size)))
      }
    }
  })
}

test('aes-256-gcm: a block can be opened with nothing but node:crypto and the documentation', async () => {
  const sealed = (await open('aes-256-gcm')).encode(Buffer.from('content'), facts)
  const nonce = Buffer.from('000000000000000000000003', 'hex')
  const decipher = createDecipheriv('aes-256-gcm', secret.key, nonce)
  decipher.setAAD(
    Buffer.concat([
      Buffer.from('freezer block aes-256-gcm\0'),
      facts.backup,
      Buffer.from('000000000000000003', 'hex'),
    ]),
  )
  decipher.setAuthTag(sealed.subarray(-16))
  assert.equal(
    Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString(),
    'content',
  )
})

test('HChaCha20: the vector of draft-irtf-cfrg-xchacha-03, section 2.2.1', () => {
  const key = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex')
  const nonce = Buffer.from('000000090000004a0000000031415927', 'hex')
  const { key: subkey } = innerKey(key, Buffer.concat([nonce, Buffer.alloc(8)]))
  assert.equal(
    subkey.export().toString('hex'),
    '82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc',
  )
})

test('XChaCha20-Poly1305: the vector of draft-irtf-cfrg-xchacha-03, appendix A.3.1', () => {
  const text =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
  const aad = Buffer.from('50515253c0c1c2c3c4c5c6c7', 'hex')
  const key = Buffer.from('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f', 'hex')
  const nonce = Buffer.from('404142434445464748494a4b4c4d4e4f5051525354555657', 'hex')
  const inner = innerKey(key, nonce)
  const sealed = chacha20poly1305(inner.key.export(), inner.nonce, aad).encrypt(Buffer.from(text))
  assert.equal(
    Buffer.from(sealed).toString('hex'),
    'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39' +
      'ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9' +
      '21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49',
  )
})

for (const name of Object.keys(second)) {
  test(`${name}: no two places share a keystream`, async () => {
    const coder = await open(name)
    const zeros = Buffer.alloc(16)
    const seen = new Set<string>()
    for (const stream of ['data', 'index'] as const) {
      for (let bit = 0; bit < 53; bit++) {
        for (const number of [2 ** bit, 2 ** bit - 1]) {
          seen.add(`${Buffer.from(coder.encode(zeros, { ...facts, stream, number })).toString('hex', 0, 16)}`)
        }
      }
    }
    // 2^0 … 2^52 and 2^0 - 1 … 2^52 - 1 have the 1 in common.
    assert.equal(seen.size, 2 * (2 * 53 - 1))
  })
}

test('2000 changed, cut, moved or random blocks a codec: none is accepted, none crashes', async () => {
  for (const name of Object.keys(second)) {
    const coder = await open(name)
    const random = noise(2000 * 16, `fuzz ${name}`)
    for (let i = 0; i < 2000; i++) {
      const value = random.readUInt32LE(16 * i)
      const size = random.readUInt32LE(16 * i + 4) % 500
      let sealed: Buffer = Buffer.from(coder.encode(noise(size, `text ${i}`), facts))
      let its = facts
      if (i % 4 === 0) sealed = noise(size, `random ${i}`)
      else if (i % 4 === 1) sealed[value % sealed.length]! ^= 1 << (i % 7)
      else if (i % 4 === 2) sealed = sealed.subarray(0, value % sealed.length)
      else its = { ...facts, number: 4 + (value % 1000) }
      assert.ok(isDamaged(thrown(() => coder.decode(sealed, its, 1000))))
    }
  }
})

test('nothing longer than the limit is decrypted', async () => {
  for (const name of names) {
    const coder = await open(name)
    const sealed = coder.encode(noise(100, 'text'), facts)
    assert.ok(isDamaged(thrown(() => coder.decode(sealed, facts, 99))), name)
    assert.equal(coder.decode(sealed, facts, 100).length, 100)
  }
})
