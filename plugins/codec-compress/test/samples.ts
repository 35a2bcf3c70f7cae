/** Blocks and calls that the tests of this package share. */
import assert from 'node:assert/strict'
import { type BlockFacts, type Coder, checkOptions, isFailure } from '@freezer/sdk'
import plugin from '../src/index.ts'

export const facts: BlockFacts = { backup: new Uint8Array(16).fill(7), stream: 'data', number: 3 }

/** The coder of `name`, with `options` over its defaults. */
export async function open(name: string, options: Record<string, unknown> = {}): Promise<Coder> {
  const codec = plugin.codecs.find((other) => other.name === name)
  assert.ok(codec, name)
  return codec.open(checkOptions(codec.options, options) as never, undefined)
}

/** Bytes that look random, the same for the same seed (xorshift). */
export function noise(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = Math.imul(seed, 0x9e3779b1) | 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer).subarray(0, size)
}

/** Lines of text that compress about as logs do. */
export function text(size: number, seed = 1): Uint8Array {
  const numbers = noise(size, seed)
  let lines = ''
  for (let i = 0; lines.length < size; i++) {
    lines += `${1_700_000_000 + i} host-${(numbers[i] ?? 0) % 9} served /file/${numbers[2 * i] ?? i} in ${numbers[3 * i] ?? i} ms\n`
  }
  return new Uint8Array(Buffer.from(lines.slice(0, size), 'latin1'))
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** Asserts that decoding fails with `damaged`, by a message that matches. */
export function assertDamaged(coder: Coder, block: Uint8Array, limit: number, message = /./): void {
  assert.throws(
    () => coder.decode(block, facts, limit),
    (error) => isFailure(error) && error.code === 'damaged' && message.test(error.message),
  )
}

/** `count` blocks that a bad disk or an attacker could make of `block`, the same for the same seed. */
export function* mutations(block: Uint8Array, count: number, seed: number): Generator<Uint8Array> {
  const random = new Uint32Array(noise(count * 16, seed).slice().buffer)
  for (let i = 0; i < count; i++) {
    const [kind, at, much, value] = random.subarray(4 * i, 4 * i + 4) as unknown as [
      number,
      number,
      number,
      number,
    ]
    const copy = block.slice()
    if (kind % 5 === 0) yield noise(at % 3000, value)
    else if (kind % 5 === 1) yield copy.subarray(0, at % (block.length + 1))
    else if (kind % 5 === 2) yield joined(copy, noise(1 + (much % 40), value))
    else {
      // Half of them near the beginning, where the headers are.
      const reach = kind % 2 === 0 ? Math.min(24, block.length) : block.length
      for (let flips = 0; flips <= much % 3; flips++) {
        copy[(at + flips * 7) % reach] = value >> (8 * flips)
      }
      yield copy
    }
  }
}
