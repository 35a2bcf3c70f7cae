import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isFailure } from '@freezer/sdk'
import * as fc from 'fast-check'
import plugin from '../src/index.ts'
import { looksRandom } from '../src/noise.ts'
import { compress } from '../src/zstd.ts'
import { facts, joined, noise, open, text } from './samples.ts'

/** Milliseconds of the quickest of three runs. */
function quickest(run: () => void): number {
  const times = Array.from({ length: 3 }, () => {
    const started = performance.now()
    run()
    return performance.now() - started
  })
  return Math.min(...times)
}

const names = plugin.codecs.map((codec) => codec.name)

for (const name of ['zstd', 'gzip'] as const) {
  test(`${name}: blocks of any mixture come back at every level, and grow as little as promised`, async () => {
    const codec = plugin.codecs.find((other) => other.name === name)!
    const piece = fc.tuple(
      fc.constantFrom('text', 'noise', 'zeros'),
      fc.integer({ min: 0, max: 90_000 }),
      fc.integer({ min: 1, max: 1000 }),
    )
    const level = fc.integer({ min: 1, max: name === 'zstd' ? 12 : 9 })
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 6 }), level, async (pieces, chosen) => {
        const coder = await open(name, { [`${name}Level`]: chosen })
        const block = joined(
          ...pieces.map(([kind, size, seed]) =>
            kind === 'text' ? text(size, seed) : kind === 'noise' ? noise(size, seed) : new Uint8Array(size),
          ),
        )
        const encoded = coder.encode(block, facts)
        assert.ok(encoded.length <= block.length + codec.expansion(block.length))
        assert.equal(Buffer.compare(coder.decode(encoded, facts, block.length), block), 0)
      }),
      { numRuns: 60 },
    )
  })
}

for (const name of ['zstd', 'gzip', 'xz']) {
  test(`${name}: the level counts`, async () => {
    const block = joined(text(300_000, 1), text(300_000, 2))
    const small = (await open(name, { [`${name}Level`]: 9 })).encode(block, facts)
    const quick = (await open(name, { [`${name}Level`]: 1 })).encode(block, facts)
    assert.ok(small.length < quick.length, `${small.length} < ${quick.length}`)
  })
}

test('answers hold about as much memory as they have bytes', async () => {
  for (const name of names) {
    const coder = await open(name)
    for (const block of [text(300_000), noise(300_000), text(100), new Uint8Array(0)]) {
      const encoded = coder.encode(block, facts)
      const decoded = coder.decode(encoded, facts, block.length)
      for (const { length, buffer } of [encoded, decoded]) {
        assert.ok(buffer.byteLength <= length * 1.15 + 1, `${name}: ${buffer.byteLength} for ${length}`)
      }
    }
  }
})

test('noise is told from text, and not by short samples', () => {
  assert.ok(looksRandom(noise(4096)))
  assert.ok(looksRandom(noise(1_000_000)))
  assert.ok(!looksRandom(noise(4095)))
  assert.ok(!looksRandom(text(1_000_000)))
  assert.ok(!looksRandom(new Uint8Array(10_000)))
  assert.ok(!looksRandom(joined(text(16_000), noise(16_000))))
})

test('gzip stores noise, deflates what stands around it, and is not fooled by noise that repeats', async () => {
  const coder = await open('gzip')
  const around = joined(text(200_000, 1), text(200_000, 2))
  const textOnly = coder.encode(around, facts).length
  const inside = 10 * 32 * 1024
  const mixed = joined(around.subarray(0, 200_000), noise(inside), around.subarray(200_000))
  const encoded = coder.encode(mixed, facts).length
  assert.ok(encoded < textOnly + inside * 1.03, `${encoded} of ${textOnly} and ${inside}`)
  const repeated = joined(...Array.from({ length: 64 }, () => noise(8192)))
  assert.ok(coder.encode(repeated, facts).length < repeated.length / 5)
})

test('gzip passes quickly over noise', async () => {
  const coder = await open('gzip')
  const block = noise(2_000_000)
  const ours = quickest(() => coder.encode(block, facts))
  const deflated = quickest(() => gzipSync(block))
  assert.ok(ours < deflated / 3, `${ours} ms, where zlib takes ${deflated}`)
})

test('zstd at a high level passes quickly over noise and is not fooled by noise that repeats', async () => {
  const coder = await open('zstd', { zstdLevel: 19 })
  const started = performance.now()
  coder.encode(noise(2_000_000), facts)
  assert.ok(performance.now() - started < 100)
  const repeated = joined(...Array.from({ length: 64 }, () => noise(8192)))
  assert.deepEqual(coder.encode(repeated, facts), compress(repeated, 19))
})

for (const [name, debian] of [
  ['bzip2', 'bzip2'],
  ['xz', 'xz-utils'],
] as const) {
  test(`${name}: without the program, opening says what to install`, async () => {
    const path = process.env['PATH']
    const empty = await mkdtemp(join(tmpdir(), 'codec-compress-'))
    try {
      process.env['PATH'] = empty
      await assert.rejects(
        open(name),
        (error) =>
          isFailure(error) &&
          error.code === 'plugin' &&
          (error.remedy ?? '').includes(`apt-get install ${debian}.`),
      )
    } finally {
      process.env['PATH'] = path
      await rm(empty, { recursive: true })
    }
  })
}

test("the user's environment does not change what the programs do", async () => {
  const block = text(100_000)
  const before = [await open('bzip2'), await open('xz')].map((coder) => coder.encode(block, facts))
  Object.assign(process.env, { BZIP2: '-1 -v', XZ_OPT: '-0 -v --check=sha256', XZ_DEFAULTS: '--memlimit=1' })
  try {
    const after = [await open('bzip2'), await open('xz')].map((coder) => coder.encode(block, facts))
    assert.deepEqual(after, before)
  } finally {
    for (const name of ['BZIP2', 'XZ_OPT', 'XZ_DEFAULTS']) delete process.env[name]
  }
})
