import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { isFailure } from '@freezer/sdk'
import { assertDamaged, facts, joined, mutations, noise, open, text } from './samples.ts'

const block = joined(text(20_000), noise(40_000))

for (const name of ['zstd', 'gzip', 'bzip2', 'xz']) {
  test(`${name}: what is cut short, or followed by anything, is damaged`, async () => {
    const coder = await open(name)
    const encoded = coder.encode(block, facts)
    for (const length of [0, 1, 5, 9, 18, 100, encoded.length >> 1, encoded.length - 1]) {
      assertDamaged(coder, encoded.subarray(0, length), block.length)
    }
    for (const more of [Uint8Array.of(0), Uint8Array.of(1), noise(30), encoded]) {
      assertDamaged(coder, joined(encoded, more), block.length)
    }
  })

  test(`${name}: bombs end at the limit`, async () => {
    const coder = await open(name)
    const bomb = coder.encode(new Uint8Array(8_000_000), facts)
    assert.ok(bomb.length < 20_000)
    for (const limit of [0, 1, 65_536, 7_999_999]) assertDamaged(coder, bomb, limit)
    assert.equal(coder.decode(bomb, facts, 8_000_000).length, 8_000_000)
  })
}

/** Starting a program takes milliseconds, hence fewer of them; the contract adds some hundred. */
const counts = { zstd: 2000, gzip: 2000, bzip2: 150, xz: 150 }

for (const [name, count] of Object.entries(counts)) {
  test(`${name}: ${count} changed blocks decode to something within the limit, or are damaged`, async () => {
    const coder = await open(name)
    const limit = 100_000
    const seeds = [block, text(3000), new Uint8Array(90_000), noise(500), new Uint8Array(0)]
    for (const [seed, original] of seeds.entries()) {
      const encoded = coder.encode(original, facts)
      for (const changed of mutations(encoded, count / seeds.length, seed + 1)) {
        try {
          assert.ok(coder.decode(changed, facts, limit).length <= limit)
        } catch (error) {
          assert.ok(isFailure(error) && error.code === 'damaged', String(error))
        }
      }
    }
  })
}

test('zstd: two frames are not one block', async () => {
  const coder = await open('zstd')
  const frames = joined(coder.encode(text(100), facts), coder.encode(text(200), facts))
  assertDamaged(coder, frames, 1000, /follows/)
})

test('zstd: a forged header takes no memory', async () => {
  const coder = await open('zstd')
  // Claims 1 TiB in a single segment, then 1 TiB of window with 100 bytes of content.
  const claims = Buffer.from('28b52ffde000000000000100000100000000', 'hex')
  assertDamaged(coder, claims, 2 ** 20, /claims/)
  const window = Buffer.concat([
    Buffer.from('28b52ffd40f86400', 'hex'),
    Buffer.from([(100 << 3) & 0xff, 3, 0]),
    Buffer.alloc(100),
  ])
  assertDamaged(coder, window, 2 ** 20)
})

test('zstd: frames that do not state their size, skippable ones and those of a dictionary are not ours', async () => {
  const coder = await open('zstd')
  const unsized = zstdCompressSync(text(1000), { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } })
  assertDamaged(coder, unsized, 1000, /begin/)
  assertDamaged(coder, Buffer.from('502a4d1804000000aabbccdd', 'hex'), 1000, /begin/)
  const dictionary = Buffer.from(coder.encode(text(1000), facts))
  dictionary[4]! |= 1
  assertDamaged(coder, dictionary, 1000)
})

test('zstd: content sizes of every width are read', async () => {
  const coder = await open('zstd')
  for (const size of [0, 1, 255, 256, 257, 65_791, 65_792, 65_793, 300_000]) {
    const original = text(size)
    assert.deepEqual(new Uint8Array(coder.decode(coder.encode(original, facts), facts, size)), original)
  }
})

test('gzip: a member with a name, a wrong checksum or a wrong size is damaged', async () => {
  const coder = await open('gzip')
  const encoded = Buffer.from(coder.encode(block, facts))
  const change = (at: number, value: number): Buffer => {
    const copy = Buffer.from(encoded)
    copy[at] = value
    return copy
  }
  assertDamaged(coder, change(3, 8), 2 ** 20, /begin/)
  assertDamaged(coder, change(encoded.length - 8, encoded.at(-8)! ^ 1), 2 ** 20, /checksum/)
  assertDamaged(coder, change(encoded.length - 4, encoded.at(-4)! ^ 1), 2 ** 20)
  assertDamaged(coder, change(encoded.length - 1, 0xff), 2 ** 20, /claims/)
  assertDamaged(coder, joined(encoded.subarray(0, 10), gzipSync(block)), 2 ** 20)
})
