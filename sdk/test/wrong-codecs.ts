/** A right codec of each kind, codecs that each break the contract in one way, and the check that must notice. */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { BlockFacts, Codec, CodecSecret, Coder } from '../src/contracts/codec.ts'
import { Failure } from '../src/contracts/failures.ts'

function damaged(message: string, cause?: unknown): Failure {
  return new Failure('damaged', message, { cause })
}

const gzip: Coder = {
  encode: (block) => gzipSync(block, { level: 1 }),
  decode(block, _facts, limit) {
    try {
      // zlib wants room for one byte at least.
      const decoded = gunzipSync(block, { maxOutputLength: Math.max(1, limit) })
      if (decoded.length <= limit) return decoded
    } catch (error) {
      throw damaged('Not gzip, or too large.', error)
    }
    throw damaged('Too large.')
  },
}

/** What a block is bound to: all of its facts. */
function bind(facts: BlockFacts): Uint8Array {
  const place = Buffer.alloc(9)
  place[0] = facts.stream === 'data' ? 0 : 1
  place.writeBigUInt64BE(BigInt(facts.number), 1)
  return Buffer.concat([facts.backup, place])
}

/** AES-256-GCM; each block's nonce and associated data follow from its facts alone. */
function gcm(key: Uint8Array, nonceOf = bind, associatedOf = bind): Coder {
  const nonce = (facts: BlockFacts) => createHash('sha256').update(nonceOf(facts)).digest().subarray(0, 12)
  return {
    encode(block, facts) {
      const encryption = createCipheriv('aes-256-gcm', key, nonce(facts)).setAAD(associatedOf(facts))
      return Buffer.concat([encryption.update(block), encryption.final(), encryption.getAuthTag()])
    },
    decode(block, facts, limit) {
      if (block.length < 16 || block.length - 16 > limit) throw damaged('Of a size that it cannot have.')
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, nonce(facts), { authTagLength: 16 })
        decipher.setAAD(associatedOf(facts)).setAuthTag(block.subarray(-16))
        return Buffer.concat([decipher.update(block.subarray(0, -16)), decipher.final()])
      } catch (error) {
        throw damaged('Forged, or of another place.', error)
      }
    },
  }
}

export interface WrongCodec {
  readonly wrong: string
  readonly caughtBy: string
  readonly codec: Codec
}

function compressor(name: string, coder: () => Coder, changed: Partial<Codec> = {}): Codec {
  return {
    name,
    description: 'A codec to test with',
    kind: 'compress',
    authenticated: false,
    options: {},
    module: import.meta.url,
    expansion: (size) => 64 + (size >> 10),
    open: async () => coder(),
    ...changed,
  }
}

function cipher(name: string, coder: (secret: CodecSecret) => Coder, changed: Partial<Codec> = {}): Codec {
  return {
    ...compressor(name, () => gzip),
    kind: 'encrypt',
    authenticated: true,
    expansion: () => 16,
    async open(_options, secret) {
      if (secret === undefined) throw new Failure('key', 'There is no key.')
      return coder(secret)
    },
    ...changed,
  }
}

export const rightCodecs: readonly Codec[] = [
  compressor('right-gzip', () => gzip),
  cipher('right-gcm', ({ key }) => gcm(key)),
]

let named = 0

function wrong(what: string, caughtBy: string, coder: () => Coder, changed: Partial<Codec> = {}): WrongCodec {
  return { wrong: what, caughtBy, codec: compressor(`wrong-${named++}`, coder, changed) }
}

function wrongCipher(
  what: string,
  caughtBy: string,
  coder: (secret: CodecSecret) => Coder,
  changed: Partial<Codec> = {},
): WrongCodec {
  return { wrong: what, caughtBy, codec: cipher(`wrong-${named++}`, coder, changed) }
}

function without<K extends keyof BlockFacts>(
  name: K,
  value: BlockFacts[K],
): (facts: BlockFacts) => Uint8Array {
  return (facts) => bind({ ...facts, [name]: value })
}

export const wrongCodecs: readonly WrongCodec[] = [
  wrong('cannot decode an empty block', 'gives back what was encoded, of any size and content', () => ({
    ...gzip,
    decode(block, facts, limit) {
      if (limit === 0) throw damaged('Empty.')
      return gzip.decode(block, facts, limit)
    },
  })),
  wrong('drops trailing zeros', 'gives back what was encoded, of any size and content', () => ({
    ...gzip,
    encode(block, facts) {
      const end = block.findLastIndex((byte) => byte !== 0) + 1
      return gzip.encode(block.subarray(0, end), facts)
    },
  })),
  wrong('takes blocks of 1 MiB at most', 'gives back what was encoded, of any size and content', () => ({
    ...gzip,
    encode: (block, facts) => gzip.encode(block.subarray(0, 1024 * 1024), facts),
  })),
  wrong('grows what it cannot compress', 'grows a block by no more than it says', () => ({
    encode: (block) => Buffer.from(Buffer.from(block).toString('base64')),
    decode: (block) => Buffer.from(Buffer.from(block).toString('latin1'), 'base64'),
  })),
  wrong('encodes in place', 'leaves the block that it encodes as it is, and keeps none', () => {
    const invert = (block: Uint8Array): Uint8Array => {
      for (let at = 0; at < block.length; at++) block[at]! ^= 0xff
      return block
    }
    return { encode: invert, decode: (block) => invert(block.slice()) }
  }),
  wrong('keeps the block it was given', 'leaves the block that it encodes as it is, and keeps none', () => {
    let kept = new Uint8Array(0)
    return {
      encode(block) {
        kept = block as Uint8Array<ArrayBuffer>
        return new Uint8Array(block.length)
      },
      decode: () => kept.slice(),
    }
  }),
  wrong('gives every result in the same buffer', 'leaves earlier results as they are', () => {
    const buffer = Buffer.alloc(2 * 1024 * 1024)
    return {
      ...gzip,
      encode(block, facts) {
        const encoded = gzip.encode(block, facts)
        buffer.set(encoded)
        return buffer.subarray(0, encoded.length)
      },
    }
  }),
  wrong('needs the block before', 'carries nothing from block to block', () => {
    let last = 0
    const shift = (block: Uint8Array, by: number) => block.map((byte) => byte + by)
    return {
      encode: (block) => shift(block, last++),
      decode: (block, facts) => shift(block, -facts.number),
    }
  }),
  wrong('counts blocks in 32 bits', 'takes any facts', () => ({
    ...gzip,
    encode(block, facts) {
      Buffer.alloc(4).writeUInt32BE(facts.number)
      return gzip.encode(block, facts)
    },
  })),
  wrong('ignores the limit', 'gives no more than the limit', () => ({
    ...gzip,
    decode: (block) => gunzipSync(block),
  })),
  wrong('cuts what is beyond the limit', 'gives no more than the limit', () => ({
    ...gzip,
    decode: (block, _facts, limit) => gunzipSync(block).subarray(0, limit),
  })),
  wrong('looks at the limit after it decoded all', 'stops a bomb before it has taken the memory', () => ({
    ...gzip,
    decode(block, _facts, limit) {
      const decoded = gunzipSync(block)
      if (decoded.length > limit) throw damaged('Too large.')
      return decoded
    },
  })),
  wrong('is in no module', 'works in a thread that loads it by its module', () => gzip, {
    module: new URL('data:text/javascript,export default {}').href,
  }),
  {
    ...wrong('works only where it was made', 'works in a thread that loads it by its module', () => ({
      ...gzip,
      encode: (block) => Buffer.concat([Buffer.from(threadMark), gzipSync(block)]),
      decode(block, facts, limit) {
        if (!Buffer.from(block).subarray(0, 16).equals(threadMark)) throw damaged('Not mine.')
        return gzip.decode(block.subarray(16), facts, limit)
      },
    })),
  },
  wrong(
    'hangs on a damaged block',
    'says damaged for a damaged block, and never hangs or outgrows the limit',
    () => ({
      ...gzip,
      decode(block, facts, limit) {
        for (;;) {
          try {
            return gzip.decode(block, facts, limit)
          } catch (error) {
            if (limit !== 65_536) throw error
          }
        }
      },
    }),
  ),
  wrong(
    'throws a plain error',
    'says damaged for a damaged block, and never hangs or outgrows the limit',
    () => ({
      ...gzip,
      decode: (block, _facts, limit) => gunzipSync(block, { maxOutputLength: Math.max(1, limit) }),
    }),
  ),
  wrong('says internal', 'says damaged for a damaged block, and never hangs or outgrows the limit', () => ({
    ...gzip,
    decode(block, facts, limit) {
      try {
        return gzip.decode(block, facts, limit)
      } catch (error) {
        throw new Failure('internal', 'zlib failed.', { cause: error })
      }
    },
  })),
  wrong(
    'repeats a block as often as its first byte says',
    'says damaged for a damaged block, and never hangs or outgrows the limit',
    () => ({
      encode: (block) => Buffer.concat([Buffer.of(1), block]),
      decode(block, _facts, limit) {
        if (block.length - 1 > limit) throw damaged('Too large.')
        return Buffer.concat(Array.from({ length: block[0] ?? 0 }, () => block.subarray(1)))
      },
    }),
  ),
  wrongCipher('does not authenticate', 'accepts no block with a bit changed', ({ key }) => ({
    encode(block, facts) {
      const iv = createHash('sha256').update(bind(facts)).digest().subarray(0, 16)
      return createCipheriv('aes-256-ctr', key, iv).update(block)
    },
    decode(block, facts, limit) {
      if (block.length > limit) throw damaged('Too large.')
      const iv = createHash('sha256').update(bind(facts)).digest().subarray(0, 16)
      return createDecipheriv('aes-256-ctr', key, iv).update(block)
    },
  })),
  wrongCipher('compares half of the tag', 'accepts no block with a bit changed', ({ key }) => {
    const right = gcm(key)
    return {
      encode: right.encode,
      decode(block, facts, limit) {
        if (block.length < 16) throw damaged('Too short.')
        const plain = gcmPlain(key, block.subarray(0, -16), facts)
        if (plain.length > limit) throw damaged('Too large.')
        const tag = right.encode(plain, facts).subarray(-16)
        if (Buffer.compare(tag.subarray(0, 8), block.subarray(-16, -8)) !== 0) throw damaged('Forged.')
        return plain
      },
    }
  }),
  wrongCipher('does not bind the number', 'accepts no block in the place of another', ({ key }) =>
    gcm(key, without('number', 0), without('number', 0)),
  ),
  wrongCipher('binds 32 bits of the number', 'accepts no block in the place of another', ({ key }) => {
    const low = (facts: BlockFacts) => bind({ ...facts, number: facts.number % 2 ** 32 })
    return gcm(key, low, low)
  }),
  wrongCipher('does not bind the stream', 'accepts no block in the place of another', ({ key }) =>
    gcm(key, without('stream', 'data'), without('stream', 'data')),
  ),
  wrongCipher('does not bind the backup', 'accepts no block in the place of another', ({ key }) =>
    gcm(key, without('backup', new Uint8Array(16)), without('backup', new Uint8Array(16))),
  ),
  wrongCipher(
    'leaves the end as it was',
    'hides what it encrypts, and that two blocks are equal',
    ({ key }) => {
      const right = gcm(key)
      const split = (block: Uint8Array, end: number) => Math.max(0, block.length - end)
      return {
        encode(block, facts) {
          const at = split(block, 32)
          return Buffer.concat([block.subarray(at), right.encode(block.subarray(0, at), facts)])
        },
        decode: (block, facts, limit) =>
          Buffer.concat([right.decode(block.subarray(32), facts, limit), block.subarray(0, 32)]),
      }
    },
  ),
  wrongCipher('uses a nonce again', 'hides what it encrypts, and that two blocks are equal', ({ key }) =>
    gcm(key, without('number', 0)),
  ),
  wrongCipher('has one key for all', 'gives nothing to whoever has another key', () =>
    gcm(new Uint8Array(32)),
  ),
  wrong('promises nothing and everything', 'declares itself as it is', () => gzip, {
    expansion: (size) => size * 2,
  }),
]

const threadMark = Buffer.from(`${process.pid}${Math.random()}`.padEnd(16)).subarray(0, 16)

/** The plaintext, whatever the tag. */
function gcmPlain(key: Uint8Array, block: Uint8Array, facts: BlockFacts): Uint8Array {
  const nonce = createHash('sha256').update(bind(facts)).digest().subarray(0, 12)
  return createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).update(block)
}

export default { codecs: [...rightCodecs, ...wrongCodecs.map(({ codec }) => codec)] }
