/** xz: a block is one stream with a CRC-32, made by the program `xz`. */
import { type Coder, Failure } from '@freezer/sdk'
import { damaged, owned } from './block.ts'
import { looksRandom } from './noise.ts'
import { filter, requireProgram } from './program.ts'

const common = ['-c', '--format=xz', '--threads=1']
/** What the decoder needs beside its dictionary, generously. */
const decoderMemory = 32 * 2 ** 20

/**
 * A coder for streams of `level`, 0 to 9.
 * @throws Failure `plugin` when there is no program `xz`
 */
export function openXz(level: number): Coder {
  requireProgram('xz', 'xz-utils')
  return {
    encode(block) {
      // A dictionary larger than the block gains nothing and costs ten times its size in memory.
      const dictionary = Math.max(4096, block.length)
      const lzma2 = `--lzma2=preset=${looksRandom(block) ? 0 : level},dict=${dictionary}`
      const packed = filter('xz', ['-z', ...common, '--check=crc32', lzma2], block, 2 * block.length + 1024)
      if ('refused' in packed) throw new Failure('internal', 'The program "xz" did not compress a block.')
      return owned(packed.bytes)
    },
    decode(block, facts, limit) {
      const memory = `--memlimit-decompress=${2 * limit + decoderMemory}`
      const unpacked = filter('xz', ['-d', ...common, memory], block, limit)
      if ('refused' in unpacked) throw damaged('xz', facts, unpacked.refused)
      return owned(unpacked.bytes)
    },
  }
}
