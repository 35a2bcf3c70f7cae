/** Binary records of the index: LEB128 integers, byte strings with their length before them. */
import { Failure } from '../contracts/failures.ts'

/** Appends values to a buffer that grows. */
export class ByteWriter {
  buffer: Buffer
  length = 0

  constructor(capacity: number) {
    this.buffer = Buffer.allocUnsafeSlow(capacity)
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length + bytes))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }

  byte(value: number): void {
    this.#reserve(1)
    this.buffer[this.length++] = value
  }

  /** A whole number from 0 up; beyond 2^53 as exact as the double is. */
  integer(value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest > 0x7fffffff) {
      this.buffer[this.length++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest > 0x7f) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buffer[this.length++] = rest
  }

  /** A whole number of either sign. */
  signed(value: number): void {
    this.integer(value < 0 ? -2 * value - 1 : 2 * value)
  }

  /** A byte string ("latin1"). */
  string(value: string): void {
    this.integer(value.length)
    this.#reserve(value.length)
    this.length += this.buffer.write(value, this.length, 'latin1')
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length)
    this.buffer.set(value, this.length)
    this.length += value.length
  }

  /** What was written, as a view that the next write may invalidate. */
  view(): Buffer {
    return this.buffer.subarray(0, this.length)
  }
}

/** Reads them back. Every read beyond the end is `damaged`. */
export class ByteReader {
  readonly buffer: Buffer
  position = 0

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done(): boolean {
    return this.position >= this.buffer.length
  }

  byte(): number {
    const value = this.buffer[this.position]
    if (value === undefined) throw shortRecord()
    this.position++
    return value
  }

  integer(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw shortRecord()
  }

  signed(): number {
    const value = this.integer()
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2
  }

  string(): string {
    const length = this.integer()
    const end = this.position + length
    if (end > this.buffer.length) throw shortRecord()
    const value = this.buffer.toString('latin1', this.position, end)
    this.position = end
    return value
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Buffer {
    const end = this.position + length
    if (end > this.buffer.length) throw shortRecord()
    const value = this.buffer.subarray(this.position, end)
    this.position = end
    return value
  }
}

function shortRecord(): Failure {
  return new Failure('damaged', 'A record of the index ends too early.')
}
