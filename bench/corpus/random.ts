import { createCipheriv, hash } from 'node:crypto'

/** Pseudo-random numbers that follow from the keys alone: xoshiro128** of Blackman and Vigna, seeded by SHA-256. */
export class Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(...keys: readonly (string | number)[]) {
    const seed = hash('sha256', keys.join('\0'), 'buffer')
    this.#a = seed.readInt32LE(0)
    this.#b = seed.readInt32LE(4)
    this.#c = seed.readInt32LE(8)
    this.#d = seed.readInt32LE(12)
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const scrambled = Math.imul(this.#b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result >>> 0
  }

  /** At least 0, less than 1. */
  fraction(): number {
    return this.bits() / 2 ** 32
  }

  /** A whole number, at least 0, less than `bound`. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  /** One of `items`, each as likely as the next. */
  pick<T>(items: readonly T[]): T {
    return at(items, this.below(items.length))
  }

  /** One of `items`, the early ones far more often, as with the words of a language. */
  pickCommon<T>(items: readonly T[]): T {
    return at(items, Math.floor(this.fraction() ** 3 * items.length))
  }

  /** A size in bytes, log-normal around `median` with `spread` in powers of two, from 1 to `most`. */
  size(median: number, spread: number, most: number): number {
    let bell = -6
    for (let i = 0; i < 12; i++) bell += this.fraction()
    return Math.min(most, Math.max(1, Math.round(median * 2 ** (spread * bell))))
  }
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index]
  if (item === undefined) throw new RangeError('There is nothing to pick from.')
  return item
}

/** `size` bytes that no compressor makes smaller: the key stream of AES-CTR under a key made from `keys`. */
export function noise(size: number, ...keys: readonly (string | number)[]): Buffer {
  const seed = hash('sha256', keys.join('\0'), 'buffer')
  return createCipheriv('aes-128-ctr', seed.subarray(0, 16), seed.subarray(16)).update(Buffer.alloc(size))
}
