/** MessagePack (its specification of 2013), read from a stream: what the engine rsync writes of it, and nothing else. */
import { Failure } from '@freezer/sdk'

/** Byte strings as strings of the characters U+0000 to U+00FF, maps by such keys. */
export type Packed = null | boolean | number | string | readonly Packed[] | { readonly [key: string]: Packed }

/** No path is longer, nor anything else. */
const longestString = 64 * 1024
const deepest = 8

/** Bytes from a stream, as many as are asked for. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Buffer = Buffer.alloc(0)

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** What is at hand, `most` bytes at most, at least one; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    if (this.#rest.length === 0 && !(await this.#more())) return undefined
    const taken = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(taken.length)
    return taken
  }

  /** @throws Failure `damaged` when there are not so many */
  take(length: number): Buffer | Promise<Buffer> {
    if (this.#rest.length < length) return this.#takeLater(length)
    const taken = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    return taken
  }

  async #takeLater(length: number): Promise<Buffer> {
    while (this.#rest.length < length) {
      if (!(await this.#more())) throw new Failure('damaged', 'The list of files in the archive is cut off.')
    }
    return this.take(length)
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.next()
    if (done === true) return false
    this.#rest = Buffer.concat([this.#rest, value])
    return true
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}

/** How many values the list at hand holds. @throws Failure `damaged` when it is none */
export async function readListLength(source: ByteSource): Promise<number> {
  const [tag = 0] = await source.take(1)
  if (tag >= 0x90 && tag <= 0x9f) return tag & 0x0f
  if (tag === 0xdc) return (await source.take(2)).readUInt16BE()
  if (tag === 0xdd) return (await source.take(4)).readUInt32BE()
  throw wrong()
}

/** The value at hand. @throws Failure `damaged` */
export async function readValue(source: ByteSource, depth = 0): Promise<Packed> {
  if (depth > deepest) throw wrong()
  const [tag = 0] = await source.take(1)
  if (tag <= 0x7f) return tag
  if (tag <= 0x8f) return readMap(source, tag & 0x0f, depth)
  if (tag <= 0x9f) return readList(source, tag & 0x0f, depth)
  if (tag <= 0xbf) return readString(source, tag & 0x1f)
  if (tag >= 0xe0) return tag - 0x100
  switch (tag) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
    case 0xd9:
      return readString(source, (await source.take(1)).readUInt8())
    case 0xc5:
    case 0xda:
      return readString(source, (await source.take(2)).readUInt16BE())
    case 0xc6:
    case 0xdb:
      return readString(source, (await source.take(4)).readUInt32BE())
    case 0xca:
      return (await source.take(4)).readFloatBE()
    case 0xcb:
      return (await source.take(8)).readDoubleBE()
    case 0xcc:
      return (await source.take(1)).readUInt8()
    case 0xcd:
      return (await source.take(2)).readUInt16BE()
    case 0xce:
      return (await source.take(4)).readUInt32BE()
    case 0xcf:
      return Number((await source.take(8)).readBigUInt64BE())
    case 0xd0:
      return (await source.take(1)).readInt8()
    case 0xd1:
      return (await source.take(2)).readInt16BE()
    case 0xd2:
      return (await source.take(4)).readInt32BE()
    case 0xd3:
      return Number((await source.take(8)).readBigInt64BE())
    case 0xdc:
      return readList(source, (await source.take(2)).readUInt16BE(), depth)
    case 0xdd:
      return readList(source, (await source.take(4)).readUInt32BE(), depth)
    case 0xde:
      return readMap(source, (await source.take(2)).readUInt16BE(), depth)
    case 0xdf:
      return readMap(source, (await source.take(4)).readUInt32BE(), depth)
    default:
      throw wrong()
  }
}

async function readString(source: ByteSource, length: number): Promise<string> {
  if (length > longestString) throw wrong()
  return (await source.take(length)).toString('latin1')
}

async function readList(source: ByteSource, length: number, depth: number): Promise<Packed[]> {
  const list: Packed[] = []
  for (let i = 0; i < length; i++) list.push(await readValue(source, depth + 1))
  return list
}

async function readMap(
  source: ByteSource,
  length: number,
  depth: number,
): Promise<{ [key: string]: Packed }> {
  const map: { [key: string]: Packed } = Object.create(null)
  for (let i = 0; i < length; i++) {
    const key = await readValue(source, depth + 1)
    if (typeof key !== 'string') throw wrong()
    map[key] = await readValue(source, depth + 1)
  }
  return map
}

function wrong(): Failure {
  return new Failure('damaged', 'The list of files in the archive is none.')
}
