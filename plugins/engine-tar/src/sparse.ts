/** Maps of sparse files, in the four formats of GNU tar (manual, "Storing Sparse Files"): read, and never believed. */
import { Failure } from '@freezer/sdk'
import { blockSize, decodeNumber } from './header.ts'

export interface Sparse {
  /** Bytes of the file, holes included. */
  readonly size: number
  /** Offset and length of each run of data, in order and apart; everything between is a hole. */
  readonly runs: readonly number[]
  /** Bytes that the map takes after the header. */
  readonly mapLength: number
}

/** So many bytes are needed, from the end of the header on, to tell. */
export interface Needs {
  readonly needs: number
}

// A run takes about 20 bytes: this is three million of them.
const longestMap = 64 * 2 ** 20

/** Takes runs one by one and refuses those that no file has. */
class Runs {
  readonly numbers: number[] = []
  #end = 0
  #total = 0
  #closed = false

  add(offset: number, length: number): void {
    const end = offset + length
    if (this.#closed || offset < this.#end || length < 0 || !Number.isSafeInteger(end)) throw wrong()
    // A run without bytes says where the file ends.
    if (length === 0) this.#closed = true
    else this.numbers.push(offset, length)
    this.#end = end
    this.#total += length
  }

  /** @param content bytes that the archive holds for the runs */
  finish(size: number, content: number, mapLength: number): Sparse {
    if (this.#end > size || this.#total !== content) throw wrong()
    return { size, runs: this.numbers, mapLength }
  }
}

/**
 * The sparse map of a file; undefined when it is none.
 * @param body where in `bytes` the header ends
 * @param old whether the header is of the old GNU kind, with the map in it
 * @param stored bytes of content that the header tells
 * @throws Failure `damaged` for a map that is no map, or does not fit the content
 */
export function readSparse(
  bytes: Uint8Array,
  body: number,
  old: boolean,
  stored: number,
  pax: ReadonlyMap<string, string>,
  paxBody: Uint8Array | undefined,
): Sparse | Needs | undefined {
  if (old) return readOld(bytes, body, stored)
  const size = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size')
  if (size === undefined) return undefined
  if (pax.get('GNU.sparse.major') === '1') return readMap(bytes, body, stored, number(size))
  const numbers = pax.get('GNU.sparse.map')?.split(',') ?? repeated(paxBody)
  if (numbers.length % 2 !== 0) throw wrong()
  const runs = new Runs()
  for (let i = 0; i < numbers.length; i += 2) runs.add(number(numbers[i]), number(numbers[i + 1]))
  return runs.finish(number(size), stored, 0)
}

/** Old GNU: 4 runs in the header, then 21 in every further block. */
function readOld(bytes: Uint8Array, body: number, stored: number): Sparse | Needs {
  const header = body - blockSize
  const runs = new Runs()
  const collect = (start: number, count: number) => {
    for (let at = start; at < start + count * 24 && bytes[at] !== 0; at += 24) {
      runs.add(decodeNumber(bytes, at, 12), decodeNumber(bytes, at + 12, 12))
    }
  }
  collect(header + 386, 4)
  let mapLength = 0
  for (let more = bytes[header + 482] !== 0; more; mapLength += blockSize) {
    const block = body + mapLength
    if (mapLength > longestMap) throw wrong()
    if (block + blockSize > bytes.length) return { needs: mapLength + blockSize }
    collect(block, 21)
    more = bytes[block + 504] !== 0
  }
  return runs.finish(decodeNumber(bytes, header + 483, 12), stored, mapLength)
}

/** Format 1.0: decimal numbers, a line each, before the data, in whole blocks: how many runs, then the runs. */
function readMap(bytes: Uint8Array, body: number, stored: number, size: number): Sparse | Needs {
  const limit = Math.min(stored, longestMap)
  const available = Math.min(bytes.length - body, limit)
  const runs = new Runs()
  let at = body
  /** The next line; undefined when it is not there yet. */
  const line = (): number | undefined => {
    let value = 0
    for (let i = at; i < body + available; i++) {
      const digit = (bytes[i] as number) - 0x30
      if (digit === 0x0a - 0x30 && i > at) {
        at = i + 1
        if (!Number.isSafeInteger(value)) throw wrong()
        return value
      }
      if (digit < 0 || digit > 9 || i - at > 16) throw wrong()
      value = value * 10 + digit
    }
    if (available === limit) throw wrong()
    return undefined
  }
  const more = { needs: Math.min(limit, Math.max(blockSize, available * 2)) }
  const count = line()
  if (count === undefined) return more
  for (let i = 0; i < count; i++) {
    const offset = line()
    const length = offset === undefined ? undefined : line()
    if (offset === undefined || length === undefined) return more
    runs.add(offset, length)
  }
  const mapLength = Math.ceil((at - body) / blockSize) * blockSize
  return runs.finish(size, stored - mapLength, mapLength)
}

/** Format 0.0: a pair of records for each run, which a map of records by key does not keep. */
function repeated(paxBody: Uint8Array | undefined): string[] {
  if (paxBody === undefined) return []
  const text = Buffer.from(paxBody.buffer, paxBody.byteOffset, paxBody.length).toString('latin1')
  return [...text.matchAll(/^\d+ GNU\.sparse\.(?:offset|numbytes)=(\d+)$/gm)].map(
    ([, digits]) => digits ?? '',
  )
}

function number(digits: string | undefined): number {
  const value = Number(digits)
  if (digits === undefined || !/^\d+$/.test(digits) || !Number.isSafeInteger(value)) throw wrong()
  return value
}

function wrong(): Failure {
  return new Failure('damaged', 'The map of a sparse file in the archive is wrong.')
}
