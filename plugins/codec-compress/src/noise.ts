/**
 * Which parts of a block are not worth compressing: photographs, films, archives, encrypted data.
 *
 * Such bytes are spread evenly over all 256 values. Counting a sample tells so in a few microseconds, where deflate
 * would try for 20 ms a MB and gain nothing. Even counts do not prove it, the same noise may stand there twice, so
 * whoever acts on the answer confirms it with what zstd, fast on noise, makes of the bytes.
 */
const sampleSize = 4096
const pieces = 8
const pieceSize = sampleSize / pieces

/**
 * How far from even the counts may be. For even ones, `256 × Σ count² / sampleSize²` is 1 plus the statistical
 * 255 / sampleSize. An excess of x means that order-0 coding gains x / (2 ln 2) bits a byte: here about 1%.
 */
const evenness = 1 + 255 / sampleSize + 0.12

const counts = new Uint32Array(256)

/** Whether a sample of `bytes`, taken from eight places, is spread evenly. Never for less than 4 KiB. */
export function looksRandom(bytes: Uint8Array): boolean {
  if (bytes.length < sampleSize) return false
  counts.fill(0)
  for (let piece = 0; piece < pieces; piece++) {
    const start = Math.floor(((bytes.length - pieceSize) * piece) / (pieces - 1))
    for (let i = start; i < start + pieceSize; i++) {
      const value = bytes[i] as number
      counts[value] = (counts[value] as number) + 1
    }
  }
  let squares = 0
  for (const count of counts) squares += count * count
  return (256 * squares) / sampleSize ** 2 < evenness
}

/** Whether `packed` says that `size` bytes were not worth packing: less than 2% gained. */
export function gainedNothing(packed: Uint8Array, size: number): boolean {
  return packed.length > size * 0.98
}
