/**
 * A place for what a run must put aside: one file without a name, encrypted with a key that nobody else knows and that
 * ends with the run. So nothing that can be read is left, however the run ends.
 */
import { createCipheriv, randomBytes } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromSystem } from '../contracts/failures.ts'

const cipher = 'aes-256-ctr'
const cipherBlock = 16

export class ScratchFile implements AsyncDisposable {
  readonly #file: FileHandle
  readonly #key = randomBytes(32)
  /** Bytes written. */
  length = 0
  #last: Promise<unknown> = Promise.resolve()

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** @throws Failure `no-space`, `denied` */
  static async open(): Promise<ScratchFile> {
    try {
      const directory = await mkdtemp(join(tmpdir(), 'freezer-'))
      try {
        return new ScratchFile(await open(join(directory, 'scratch'), 'wx+', 0o600))
      } finally {
        // What is open stays until it is closed.
        await rm(directory, { recursive: true, force: true })
      }
    } catch (error) {
      throw fromSystem(error, `make a file in ${tmpdir()}`)
    }
  }

  /**
   * Appends, and gives the offset where that begins.
   * @throws Failure `no-space`
   */
  async append(chunks: readonly Uint8Array[]): Promise<number> {
    const bytes = Buffer.concat(chunks)
    const offset = this.length
    this.length += bytes.length
    const coded = this.#code(bytes, offset)
    const written = this.#last.then(async () => {
      try {
        for (let at = 0; at < coded.length; ) {
          at += (await this.#file.write(coded, at, coded.length - at, offset + at)).bytesWritten
        }
      } catch (error) {
        throw fromSystem(error, `keep something aside in ${tmpdir()} (TMPDIR)`)
      }
    })
    this.#last = written.catch(() => {})
    await written
    return offset
  }

  /** `length` bytes from `offset` on, all of which were written. @throws Failure `damaged` */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length)
    try {
      for (let at = 0; at < length; ) {
        const { bytesRead } = await this.#file.read(bytes, at, length - at, offset + at)
        if (bytesRead === 0) throw new Error('A scratch file is shorter than what was written to it.')
        at += bytesRead
      }
    } catch (error) {
      throw fromSystem(error, `read what was kept aside in ${tmpdir()}`)
    }
    return this.#code(bytes, offset)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last
    await this.#file.close()
  }

  /** Encrypts or decrypts what stands at `offset`: no part of the key stream is used twice. */
  #code(bytes: Uint8Array, offset: number): Uint8Array {
    const skip = offset % cipherBlock
    const counter = Buffer.alloc(cipherBlock)
    counter.writeBigUInt64BE(BigInt((offset - skip) / cipherBlock), 8)
    const stream = createCipheriv(cipher, this.#key, counter)
    stream.update(Buffer.alloc(skip))
    return stream.update(bytes)
  }
}
