/** Keys, places and calls that the tests of this package share. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type BlockFacts, type CodecSecret, type Coder, isFailure } from '@freezer/sdk'
import plugin from '../src/index.ts'

export const names = plugin.codecs.map((codec) => codec.name)

/** `size` bytes that look random, the same for the same seed. */
export function noise(size: number, seed: string): Buffer {
  return createHash('shake256', { outputLength: Math.max(1, size) })
    .update(seed)
    .digest()
    .subarray(0, size)
}

export const secret: CodecSecret = {
  key: noise(32, 'key'),
  passphrase: Buffer.from('correct horse battery staple'),
}
export const facts: BlockFacts = { backup: noise(16, 'backup'), stream: 'data', number: 3 }

export async function open(name: string, its: CodecSecret | undefined = secret): Promise<Coder> {
  const codec = plugin.codecs.find((other) => other.name === name)
  assert.ok(codec, name)
  return codec.open({}, its)
}

/** What `run` throws. */
export function thrown(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new assert.AssertionError({ message: 'Nothing was thrown.' })
}

export function isDamaged(error: unknown): boolean {
  return isFailure(error) && error.code === 'damaged'
}
