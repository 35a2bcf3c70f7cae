/**
 * zstd (RFC 8878): a block is one frame that states its content size and carries no checksum, which the digests
 * of the repository make superfluous.
 *
 * Noise is not looked for at the usual levels: zstd itself passes over it at 2 to 3 GB/s and keeps it as raw blocks.
 */
import { constants, type ZstdOptions, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { BlockFacts, Coder } from '@freezer/sdk'
import { damaged, owned } from './block.ts'
import { gainedNothing, looksRandom } from './noise.ts'

/** The highest level that is fast on noise. */
const fastLevel = 3

/** The level by default. */
const usualLevel = 2
/**
 * Matches of the usual level are looked for 256 KiB back: that and its table stay in the second cache of a core, where the
 * whole block does not.
 */
const usualWindowLog = 18

/** A coder for frames of `level`, 1 to 22. */
export function openZstd(level: number): Coder {
  return {
    encode(block) {
      if (level > fastLevel && looksRandom(block)) {
        const packed = compress(block, fastLevel)
        if (gainedNothing(packed, block.length)) return packed
      }
      return compress(block, level)
    },
    decode: decompress,
  }
}

/** One frame. */
export function compress(block: Uint8Array, level: number): Uint8Array {
  // With room for the worst case (ZSTD_compressBound) zstd works straight from block to answer, without copies through
  // a window: on noise that takes less than half the time, on other data as long as before.
  const bound = block.length + (block.length >> 8) + 64
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    ...(level === usualLevel ? { [constants.ZSTD_c_windowLog]: usualWindowLog } : {}),
  }
  return owned(zstdCompressSync(block, { chunkSize: bound, params }))
}

function decompress(block: Uint8Array, facts: BlockFacts, limit: number): Uint8Array {
  const size = contentSize(block)
  if (size === undefined) throw damaged('zstd', facts, 'it does not begin like a frame of known size')
  if (size > limit) throw damaged('zstd', facts, `it claims ${size} bytes where at most ${limit} may be`)
  let result: { buffer: Uint8Array; engine: { bytesWritten: number } }
  try {
    // Room for one byte more than there is, else Node goes round once more to see whether that was all.
    result = zstdDecompressSync(block, {
      info: true,
      chunkSize: Math.max(size + 1, constants.Z_MIN_CHUNK),
      maxOutputLength: Math.max(size, 1),
      params: { [constants.ZSTD_d_windowLogMax]: windowLog(limit) },
    } as ZstdOptions) as never
  } catch (error) {
    throw damaged('zstd', facts, 'it does not unpack', error)
  }
  // Node stops at the end of the first frame and says nothing of what follows.
  if (result.engine.bytesWritten !== block.length) throw damaged('zstd', facts, 'something follows its frame')
  if (result.buffer.length !== size) throw damaged('zstd', facts, 'it is not as long as it says')
  return owned(result.buffer)
}

/** The window that a frame of `limit` bytes can need: a forged header must not make the decoder ask for more. */
function windowLog(limit: number): number {
  return Math.min(27, Math.max(18, Math.ceil(Math.log2(limit + 1))))
}

const magic = 0xfd2fb528

/** The content size that a frame's header states (RFC 8878, section 3.1.1.1), if it does. */
function contentSize(frame: Uint8Array): number | undefined {
  if (frame.length < 9) return undefined
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (view.getUint32(0, true) !== magic) return undefined
  const descriptor = view.getUint8(4)
  const singleSegment = (descriptor & 0x20) !== 0
  if ((descriptor & 0x03) !== 0) return undefined // a dictionary: not ours
  const at = singleSegment ? 5 : 6
  const width = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number
  if (width === 0 || frame.length < at + width) return undefined
  if (width === 1) return view.getUint8(at)
  if (width === 2) return view.getUint16(at, true) + 256
  if (width === 4) return view.getUint32(at, true)
  return Number(view.getBigUint64(at, true))
}
