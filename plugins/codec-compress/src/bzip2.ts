/** bzip2: a block is one stream, made by the program `bzip2`. */
import { type Coder, Failure } from '@freezer/sdk'
import { damaged, owned } from './block.ts'
import { filter, requireProgram } from './program.ts'

/**
 * A coder for streams of `level`, 1 to 9: the unit of sorting in 100 kB.
 * @throws Failure `plugin` when there is no program `bzip2`
 */
export function openBzip2(level: number): Coder {
  requireProgram('bzip2', 'bzip2')
  return {
    encode(block) {
      const packed = filter('bzip2', ['-z', '-c', `-${level}`], block, 2 * block.length + 1024)
      if ('refused' in packed) throw new Failure('internal', 'The program "bzip2" did not compress a block.')
      return owned(packed.bytes)
    },
    decode(block, facts, limit) {
      const unpacked = filter('bzip2', ['-d', '-c'], block, limit)
      if ('refused' in unpacked) throw damaged('bzip2', facts, unpacked.refused)
      return owned(unpacked.bytes)
    },
  }
}
