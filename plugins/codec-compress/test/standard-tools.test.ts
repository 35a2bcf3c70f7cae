import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { facts, joined, noise, open, text } from './samples.ts'

const blocks = [
  text(300_000, 1),
  new Uint8Array(0),
  noise(200_000, 2),
  joined(text(100_000, 3), noise(150_000, 4), text(70_000, 5)),
  Uint8Array.of(42),
  new Uint8Array(500_000),
  ...Array.from({ length: 14 }, (_, i) => (i % 3 === 0 ? noise(9000 + i, i + 9) : text(20_000 + i, i + 9))),
]

const tools = [
  ['zstd', 'zstd', ['-d', '-c']],
  ['gzip', 'gunzip', ['-c']],
  ['bzip2', 'bunzip2', ['-c']],
  ['xz', 'xz', ['-d', '-c']],
] as const

for (const [codec, tool, args] of tools) {
  test(`${codec}: ${blocks.length} blocks, one after another, unpack with ${tool}`, async () => {
    const coder = await open(codec)
    const encoded = blocks.map((block, number) => coder.encode(block, { ...facts, number }))
    const { stdout, stderr, status } = spawnSync(tool, args, {
      input: joined(...encoded),
      maxBuffer: 2 ** 24,
    })
    assert.equal(status, 0, stderr.toString())
    assert.equal(stderr.toString(), '')
    assert.equal(Buffer.compare(stdout, joined(...blocks)), 0)
  })
}
