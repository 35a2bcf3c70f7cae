/** Reading archives whose bytes come in blocks: members that lie across blocks, and content piece by piece. */
import { type ArchiveReader, Failure } from '@freezer/sdk'
import { type Member, readMember } from './record.ts'

export class Cursor {
  readonly #archive: ArchiveReader
  /** What was read last: bytes of `#level` from `#start` on. */
  #bytes: Uint8Array = new Uint8Array(0)
  #level = -1
  #start = 0

  constructor(archive: ArchiveReader) {
    this.#archive = archive
  }

  /**
   * The bytes at hand from `offset` on, at least one; undefined at the end of the archive. Good until the next call.
   * @throws Failure `damaged`
   */
  at(level: number, offset: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const skipped = offset - this.#start
    if (level === this.#level && skipped >= 0 && skipped < this.#bytes.length) {
      return skipped === 0 ? this.#bytes : this.#bytes.subarray(skipped)
    }
    // Whatever comes of the call, the bytes at hand are gone.
    this.#level = -1
    const found = this.#archive.at(level, offset)
    return found instanceof Promise
      ? found.then((bytes) => this.#keep(level, offset, bytes))
      : this.#keep(level, offset, found)
  }

  #keep(level: number, offset: number, bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes !== undefined) {
      this.#level = level
      this.#start = offset
      this.#bytes = bytes
    }
    return bytes
  }

  /**
   * The member whose record starts at `offset`; undefined for a block of zeros, and at the end of the archive.
   * @throws Failure `damaged`, also for an archive that ends within the member; `hostile`
   */
  async member(level: number, offset: number): Promise<Member | undefined> {
    const first = this.at(level, offset)
    let bytes = first instanceof Promise ? await first : first
    if (bytes === undefined) return undefined
    for (;;) {
      const read = readMember(bytes, 0)
      if ('end' in read) return undefined
      if (!('needs' in read)) return read
      bytes = await this.#extend(level, offset, bytes, read.needs)
    }
  }

  /**
   * `length` bytes from `offset` on, in one piece.
   * @throws Failure `damaged`, also for an archive that ends before
   */
  async bytes(level: number, offset: number, length: number): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0)
    const first = await this.at(level, offset)
    if (first === undefined) throw truncated()
    if (first.length >= length) return first.subarray(0, length)
    return await this.#extend(level, offset, first, length)
  }

  /** `bytes`, which stand at `offset`, with what follows them up to `length` at least. */
  async #extend(level: number, offset: number, bytes: Uint8Array, length: number): Promise<Uint8Array> {
    // A block once left is not asked for again: that would cost decoding it again.
    const pieces = [bytes.slice()]
    for (let have = bytes.length; have < length; ) {
      const piece = await this.at(level, offset + have)
      if (piece === undefined) throw truncated()
      pieces.push(piece.slice(0, length - have))
      have += Math.min(piece.length, length - have)
    }
    return Buffer.concat(pieces)
  }
}

export function truncated(): Failure {
  return new Failure('damaged', 'The archive ends in the middle of a member.', {
    remedy: 'Restore from another backup.',
  })
}
