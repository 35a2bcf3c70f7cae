/**
 * gzip (RFC 1952): a block is one member without name or time. Runs of noise in it are stored (RFC 1951, section
 * 3.2.4) at the speed of copying, the rest is deflated by zlib; each run ends on a byte, so that they can be joined.
 */
import { constants, crc32, deflateRawSync, inflateRawSync, type ZlibOptions } from 'node:zlib'
import { type BlockFacts, type Coder, release } from '@freezer/sdk'
import { damaged, owned } from './block.ts'
import { gainedNothing, looksRandom } from './noise.ts'
import { compress as zstd } from './zstd.ts'

/** Magic, deflate, no flags, no time, no hint at the level, no system. */
const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
/** An empty block with the mark of the last one. */
const end = Uint8Array.of(0x03, 0x00)
const trailerSize = 8
/** Deflate cannot reach further back than this, so cutting here costs little. */
const regionSize = 32 * 1024
const storedMax = 0xffff
/** Nothing that deflate makes grows by more than this factor. */
const largestRatio = 1032

/** A coder for members of `level`, 1 to 9. */
export function openGzip(level: number): Coder {
  return {
    encode(block) {
      const parts: Uint8Array[] = [header]
      const deflated: Uint8Array[] = []
      for (const run of runs(block)) {
        const packed = run.noise ? undefined : deflate(run.bytes, level)
        if (packed !== undefined) deflated.push(packed)
        if (packed !== undefined && packed.length < run.bytes.length) parts.push(packed)
        else store(run.bytes, parts)
      }
      const trailer = new DataView(new ArrayBuffer(trailerSize))
      trailer.setUint32(0, crc32(block), true)
      trailer.setUint32(4, block.length, true)
      parts.push(end, new Uint8Array(trailer.buffer))
      const member = owned(Buffer.concat(parts))
      for (const packed of deflated) release(packed)
      return member
    },
    decode: gunzip,
  }
}

/** `block` cut into runs that are worth deflating and runs that are not. */
function* runs(block: Uint8Array): Generator<{ bytes: Uint8Array; noise: boolean }> {
  let start = 0
  let noise = false
  for (let offset = 0; offset < block.length; offset += regionSize) {
    const region = block.subarray(offset, offset + regionSize)
    const random = looksRandom(region) && gainedNothing(zstd(region, 1), region.length)
    if (random === noise) continue
    if (offset > start) yield { bytes: block.subarray(start, offset), noise }
    start = offset
    noise = random
  }
  if (block.length > start) yield { bytes: block.subarray(start), noise }
}

/** Deflated, and filled up to a whole byte, but without the mark of the end. */
function deflate(bytes: Uint8Array, level: number): Uint8Array {
  // memLevel 9 takes 3 to 10% less time than 8 and makes the answer 0.3% larger at most.
  // With room for the worst case there is one answer instead of many small ones that wait to be collected.
  const chunkSize = bytes.length + (bytes.length >> 8) + 64
  return owned(deflateRawSync(bytes, { level, memLevel: 9, chunkSize, finishFlush: constants.Z_SYNC_FLUSH }))
}

/** Appends `bytes` to `parts` as stored blocks. */
function store(bytes: Uint8Array, parts: Uint8Array[]): void {
  for (let offset = 0; offset < bytes.length; offset += storedMax) {
    const piece = bytes.subarray(offset, offset + storedMax)
    const { length } = piece
    parts.push(Uint8Array.of(0, length, length >> 8, ~length, ~length >> 8), piece)
  }
}

function gunzip(block: Uint8Array, facts: BlockFacts, limit: number): Uint8Array {
  const packed = block.length - header.length - trailerSize
  if (packed < 0 || header.some((byte, i) => byte !== block[i])) {
    throw damaged('gzip', facts, 'it does not begin like a member')
  }
  const trailer = new DataView(block.buffer, block.byteOffset + block.length - trailerSize, trailerSize)
  const size = trailer.getUint32(4, true)
  if (size > limit) throw damaged('gzip', facts, `it claims ${size} bytes where at most ${limit} may be`)
  if (size > packed * largestRatio) throw damaged('gzip', facts, 'it claims more bytes than it can hold')
  let result: { buffer: Uint8Array; engine: { bytesWritten: number } }
  try {
    // Room for one byte more than there is, else Node goes round once more to see whether that was all.
    result = inflateRawSync(block.subarray(header.length, header.length + packed), {
      info: true,
      chunkSize: Math.max(size + 1, constants.Z_MIN_CHUNK),
      maxOutputLength: Math.max(size, 1),
    } as ZlibOptions) as never
  } catch (error) {
    throw damaged('gzip', facts, 'it does not unpack', error)
  }
  // zlib stops at the end of the stream and says nothing of what follows.
  if (result.engine.bytesWritten !== packed) throw damaged('gzip', facts, 'something follows its end')
  if (result.buffer.length !== size) throw damaged('gzip', facts, 'it is not as long as it says')
  if (crc32(result.buffer) !== trailer.getUint32(0, true)) {
    throw damaged('gzip', facts, 'its checksum does not match')
  }
  return owned(result.buffer)
}
