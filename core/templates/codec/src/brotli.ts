import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import { type Coder, Failure } from '@freezer/sdk'

export function brotli(quality: number): Coder {
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality }
  return {
    encode: (block) => brotliCompressSync(block, { params }),
    decode(block, _facts, limit) {
      let bytes: Uint8Array
      try {
        // Brotli wants room for one byte, also where none is allowed.
        bytes = brotliDecompressSync(block, { maxOutputLength: Math.max(1, limit) })
      } catch (cause) {
        throw new Failure('damaged', 'The block is not what was compressed.', { cause })
      }
      if (bytes.length > limit) throw new Failure('damaged', 'The block is longer than it may be.')
      return bytes
    },
  }
}
