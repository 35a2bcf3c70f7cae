// Codecs small enough to see through: one compresses, one encrypts, one encrypts with the passphrase itself.
import { createCipheriv, createDecipheriv, hash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { type BlockFacts, type Coder, declareCodec, Failure } from '@freezer/sdk'

const deflate = declareCodec({
  name: 'deflate',
  description: 'Compresses',
  kind: 'compress',
  authenticated: false,
  options: { level: { type: 'integer', help: 'Effort', default: 1 } },
  module: import.meta.url,
  expansion: (size) => 64 + Math.ceil(size / 1000),
  open: async ({ level }) => ({
    encode: (block) => deflateRawSync(block, { level }),
    decode: (block, _facts, limit) => {
      try {
        return inflateRawSync(block, { maxOutputLength: Math.max(limit, 1) })
      } catch (cause) {
        throw new Failure('damaged', 'Not deflated.', { cause })
      }
    },
  }),
})

function nonce(facts: BlockFacts): Buffer {
  const bytes = Buffer.alloc(12)
  bytes[0] = facts.stream === 'data' ? 0 : 1
  bytes.writeUInt32BE(facts.number, 8)
  return bytes
}

function sealing(key: Uint8Array): Coder {
  return {
    encode: (block, facts) => {
      const cipher = createCipheriv('aes-256-gcm', key, nonce(facts)).setAAD(facts.backup)
      return Buffer.concat([cipher.update(block), cipher.final(), cipher.getAuthTag()])
    },
    decode: (block, facts) => {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce(facts)).setAAD(facts.backup)
      decipher.setAuthTag(block.subarray(-16))
      try {
        return Buffer.concat([decipher.update(block.subarray(0, -16)), decipher.final()])
      } catch (cause) {
        throw new Failure('damaged', 'Not sealed.', { cause })
      }
    },
  }
}

const encrypting = {
  kind: 'encrypt',
  authenticated: true,
  options: {},
  module: import.meta.url,
  expansion: () => 16,
} as const

const seal = declareCodec({
  ...encrypting,
  name: 'seal',
  description: 'Encrypts',
  open: async (_options, secret) => {
    if (secret === undefined) throw new Failure('key', 'No key.')
    if (secret.passphrase !== undefined) throw new Failure('internal', 'A passphrase that was not asked for.')
    return sealing(secret.key)
  },
})

const phrase = declareCodec({
  ...encrypting,
  name: 'phrase',
  description: 'Encrypts with the passphrase',
  usesPassphrase: true,
  open: async (_options, secret) => {
    if (secret?.passphrase === undefined) throw new Failure('key', 'No passphrase.')
    return sealing(hash('sha256', secret.passphrase, 'buffer'))
  },
})

export const toyCodecs = { deflate, seal, phrase }

export default { codecs: [deflate, seal, phrase] }
