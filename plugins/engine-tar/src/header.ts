/**
 * The bytes of a tar archive: 512-byte headers and pax records, both ways, as POSIX.1-2017 "pax" and the GNU tar
 * manual ("Basic Tar Format") give them. Strings are byte strings: a character for each byte.
 */
import { Failure } from '@freezer/sdk'

export const blockSize = 512

/** Type flags. `x`, `g`, `L` and `K` announce something about the member that follows. */
export const flags = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  contiguous: '7',
  pax: 'x',
  globalPax: 'g',
  longName: 'L',
  longLink: 'K',
  /** A directory whose content is its dumpdir (GNU). */
  dumpdir: 'D',
  /** A sparse file with its map in the header (old GNU). */
  sparse: 'S',
  multiVolume: 'M',
  volume: 'V',
} as const

/** One header block, as the block itself says it: pax records may say otherwise. */
export interface Header {
  name: string
  mode: number
  uid: number
  gid: number
  /** Bytes of content that follow, before padding. */
  size: number
  /** Seconds since 1970. */
  mtime: number
  /** One character, see `flags`; files of the oldest archives have `\0`, given as `0`. */
  flag: string
  link: string
  uname: string
  gname: string
  devMajor: number
  devMinor: number
}

/** `size` rounded up to whole blocks. */
export function padded(size: number): number {
  return size + ((blockSize - (size % blockSize)) % blockSize)
}

/** The largest number that a header field of 8 and of 12 bytes holds in octal; beyond, a pax record must say it. */
export const octal8 = 0o7777777
export const octal12 = 0o77777777777

function putString(into: Uint8Array, at: number, length: number, text: string): void {
  const count = Math.min(length, text.length)
  for (let i = 0; i < count; i++) into[at + i] = text.charCodeAt(i)
}

/** Octal digits, as many as fit before the closing NUL; 0 stands for what does not fit. */
function putOctal(into: Uint8Array, at: number, length: number, value: number): void {
  let rest = value >= 0 && value < 8 ** (length - 1) ? value : 0
  for (let i = at + length - 2; i >= at; i--) {
    // Beyond 32 bits only division is exact.
    const high = Math.floor(rest / 8)
    into[i] = 0x30 + (rest - high * 8)
    rest = high
  }
}

function putChecksum(into: Uint8Array, at: number): void {
  let sum = 8 * 0x20
  for (let i = at; i < at + blockSize; i++) sum += into[i] as number
  putOctal(into, at + 148, 7, sum)
  into[at + 154] = 0
  into[at + 155] = 0x20
}

/**
 * Writes one header block in the POSIX format. Strings that are too long are cut and numbers too large become 0: the
 * caller says those in pax records.
 * @param into where; the 512 bytes from `at` must be zero
 */
export function encodeHeader(into: Uint8Array, at: number, header: Header): void {
  putString(into, at, 100, header.name)
  putOctal(into, at + 100, 8, header.mode)
  putOctal(into, at + 108, 8, header.uid)
  putOctal(into, at + 116, 8, header.gid)
  putOctal(into, at + 124, 12, header.size)
  putOctal(into, at + 136, 12, header.mtime)
  into[at + 156] = header.flag.charCodeAt(0)
  putString(into, at + 157, 100, header.link)
  putString(into, at + 257, 8, 'ustar\x0000')
  putString(into, at + 265, 31, header.uname)
  putString(into, at + 297, 31, header.gname)
  putOctal(into, at + 329, 8, header.devMajor)
  putOctal(into, at + 337, 8, header.devMinor)
  putChecksum(into, at)
}

const announcement = new Uint8Array(blockSize)
encodeHeader(announcement, 0, {
  name: '././@PaxHeader',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  flag: flags.pax,
  link: '',
  uname: '',
  gname: '',
  devMajor: 0,
  devMinor: 0,
})
announcement.fill(0x20, 148, 156)

/** Writes the header block that announces `size` bytes of pax records. All 512 bytes from `at` are written. */
export function encodePaxHeader(into: Uint8Array, at: number, size: number): void {
  into.set(announcement, at)
  putOctal(into, at + 124, 12, size)
  into.fill(0, at + 148, at + 156)
  putChecksum(into, at)
}

function stringAt(block: Uint8Array, at: number, length: number): string {
  let end = at
  while (end < at + length && block[end] !== 0) end++
  return latin1(block, at, end)
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}

/**
 * A number field: octal digits between blanks, or base-256 when its first bit is set (GNU; two's complement).
 * @throws Failure `damaged` for anything else, and for a number that a double cannot hold
 */
export function decodeNumber(block: Uint8Array, at: number, length: number): number {
  const first = block[at] as number
  if (first >= 0x80) {
    const negative = (first & 0x40) !== 0
    let value = negative ? -1 : 0
    for (let i = at; i < at + length; i++) {
      const byte = i === at ? (negative ? first : first & 0x7f) : (block[i] as number)
      value = value * 256 + byte
    }
    // `-1 * 256 + 0xff` is -1 again: the sign runs through.
    if (!Number.isSafeInteger(value))
      throw new Failure('damaged', 'A tar header holds a number out of range.')
    return value
  }
  let i = at
  const end = at + length
  while (i < end && block[i] === 0x20) i++
  let value = 0
  for (; i < end; i++) {
    const digit = (block[i] as number) - 0x30
    if (digit < 0 || digit > 7) break
    value = value * 8 + digit
  }
  for (; i < end; i++) {
    if (block[i] !== 0 && block[i] !== 0x20) throw new Failure('damaged', 'A tar header holds no number.')
  }
  return value
}

/**
 * One header block; undefined for a block of zeros, which ends an archive.
 * @throws Failure `damaged` when the checksum or a field is wrong
 */
export function decodeHeader(block: Uint8Array, at = 0): Header | undefined {
  let sum = 8 * 0x20
  for (let i = at; i < at + blockSize; i++) sum += block[i] as number
  if (sum === 8 * 0x20) return undefined
  for (let i = at + 148; i < at + 156; i++) sum -= block[i] as number
  if (decodeNumber(block, at + 148, 8) !== sum) {
    throw new Failure('damaged', 'This is no tar header: its checksum is wrong.')
  }
  const flag = block[at + 156] as number
  const magic = stringAt(block, at + 257, 8)
  const posix = magic === 'ustar'
  const known = posix || magic === 'ustar  '
  const prefix = posix ? stringAt(block, at + 345, 155) : ''
  const name = stringAt(block, at, 100)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: decodeNumber(block, at + 100, 8),
    uid: decodeNumber(block, at + 108, 8),
    gid: decodeNumber(block, at + 116, 8),
    size: decodeNumber(block, at + 124, 12),
    mtime: decodeNumber(block, at + 136, 12),
    flag: flag === 0 ? flags.file : String.fromCharCode(flag),
    link: stringAt(block, at + 157, 100),
    uname: known ? stringAt(block, at + 265, 32) : '',
    gname: known ? stringAt(block, at + 297, 32) : '',
    devMajor: known ? decodeNumber(block, at + 329, 8) : 0,
    devMinor: known ? decodeNumber(block, at + 337, 8) : 0,
  }
}

/** Bytes of the pax record `LENGTH KEY=VALUE\n`, whose length counts itself. */
export function paxLength(key: string, valueLength: number): number {
  const rest = key.length + valueLength + 3
  let length = rest + digits(rest)
  if (digits(length) > digits(rest)) length = rest + digits(length)
  return length
}

function digits(value: number): number {
  let count = 1
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) count++
  return count
}

/** Pax records under construction; the buffer is used again for the next member. */
export class PaxRecords {
  #bytes = Buffer.alloc(4096)
  #length = 0

  clear(): void {
    this.#length = 0
  }

  get length(): number {
    return this.#length
  }

  /** The records so far; valid until the next call of `add` or `clear`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  add(key: string, value: string): void {
    const at = this.#open(key, value.length)
    this.#bytes.write(value, at, 'latin1')
  }

  addBytes(key: string, value: Uint8Array): void {
    this.reserve(key, value.length).set(value)
  }

  /** Room for a value of `length` bytes: fill all of it before the next call. */
  reserve(key: string, length: number): Uint8Array {
    const at = this.#open(key, length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Makes room for a record and writes all of it but its value, whose position it returns. */
  #open(key: string, valueLength: number): number {
    const length = paxLength(key, valueLength)
    const end = this.#length + length
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(end, this.#bytes.length * 2))
      larger.set(this.bytes)
      this.#bytes = larger
    }
    const head = `${length} ${key}=`
    this.#bytes.write(head, this.#length, 'latin1')
    this.#bytes[end - 1] = 0x0a
    this.#length = end
    return end - 1 - valueLength
  }
}

/**
 * The records of a pax header by key; of two with one key the later one holds.
 * @throws Failure `damaged` for bytes that are not records
 */
export function decodePax(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>()
  let at = 0
  while (at < bytes.length) {
    let length = 0
    let i = at
    for (; i < bytes.length && bytes[i] !== 0x20; i++) {
      const digit = (bytes[i] as number) - 0x30
      if (digit < 0 || digit > 9 || i - at > 12) throw brokenPax()
      length = length * 10 + digit
    }
    const end = at + length
    const key = i + 1
    if (end > bytes.length || end <= key || bytes[end - 1] !== 0x0a) throw brokenPax()
    const equals = bytes.indexOf(0x3d, key)
    if (equals < 0 || equals >= end || equals === key) throw brokenPax()
    records.set(latin1(bytes, key, equals), latin1(bytes, equals + 1, end - 1))
    at = end
  }
  return records
}

function brokenPax(): Failure {
  return new Failure('damaged', 'A pax header of the archive is not made of records.')
}

/** A time as pax writes it: decimal, the fraction without closing zeros; before 1970 with a minus sign. */
export function formatTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds)
  const negative = seconds < 0
  const whole = negative ? -(seconds + 1) : seconds
  const fraction = String((negative ? 1e9 - nanoseconds : nanoseconds) + 1e9).slice(1)
  let end = fraction.length
  while (fraction.charCodeAt(end - 1) === 0x30) end--
  return `${negative ? '-' : ''}${whole}.${fraction.slice(0, end)}`
}

/**
 * Whole seconds, towards the past, and nanoseconds of a time as pax writes it.
 * @throws Failure `damaged` for anything that is not a decimal number
 */
export function parseTime(text: string): { seconds: number; nanoseconds: number } {
  const match = /^(-?)(\d{1,16})(?:\.(\d*))?$/.exec(text)
  if (match === null) throw new Failure('damaged', 'A pax header of the archive holds a time that is none.')
  const whole = Number(match[2])
  const fraction = (match[3] ?? '').slice(0, 9).padEnd(9, '0')
  const nanoseconds = Number(fraction)
  if (!Number.isSafeInteger(whole)) throw new Failure('damaged', 'A pax header holds a time out of range.')
  if (match[1] === '') return { seconds: whole, nanoseconds }
  return nanoseconds === 0
    ? { seconds: whole === 0 ? 0 : -whole, nanoseconds }
    : { seconds: -whole - 1, nanoseconds: 1e9 - nanoseconds }
}
