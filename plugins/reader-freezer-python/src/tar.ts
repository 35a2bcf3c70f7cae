/** Members of a tar archive (POSIX.1-2001): all that is not a plain number stands in a pax header. */
import { constants, readFileSync } from 'node:fs'

export interface TarEntry {
  /** Byte string. */
  readonly path: string
  /** The kind of file, as `stat` tells it (`S_IFMT`). */
  readonly format: number
  readonly mode: number
  /** Seconds since 1970, with fractions. */
  readonly mtime: number
  /** Bytes of content that follow. */
  readonly size: number
  readonly user: string
  readonly group: string
  readonly link: string
}

const block = 512
/** Two empty blocks end an archive. */
export const closing = new Uint8Array(2 * block)

const flags = new Map<number, string>([
  [constants.S_IFREG, '0'],
  [constants.S_IFLNK, '2'],
  [constants.S_IFDIR, '5'],
  [constants.S_IFIFO, '6'],
])

export const members = {
  /** All that comes before the content; nothing of what has no content and no meaning without its device. */
  *begin(entry: TarEntry): Generator<Uint8Array> {
    const flag = flags.get(entry.format)
    if (flag === undefined) return
    const records = Buffer.concat([
      record('path', entry.path),
      record('mtime', entry.mtime.toFixed(6)),
      record('size', String(entry.size)),
      record('uid', String(idOf('/etc/passwd', entry.user))),
      record('gid', String(idOf('/etc/group', entry.group))),
      ...(entry.link === '' ? [] : [record('linkpath', entry.link)]),
    ])
    yield header('x', 0o644, records.length)
    yield records
    yield new Uint8Array(padding(records.length))
    yield header(flag, entry.mode, Math.min(entry.size, 0o77777777777))
  },
  /** What comes after the content. */
  *end({ size }: TarEntry): Generator<Uint8Array> {
    if (padding(size) > 0) yield new Uint8Array(padding(size))
  },
}

function padding(length: number): number {
  return (block - (length % block)) % block
}

/** `LENGTH KEY=VALUE` and a line feed; the length counts itself. */
function record(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length
  return Buffer.from(`${length}${rest}`, 'latin1')
}

function header(flag: string, mode: number, size: number): Buffer {
  const bytes = Buffer.alloc(block)
  const octal = (value: number, at: number, digits: number) =>
    bytes.write(value.toString(8).padStart(digits, '0'), at, 'latin1')
  bytes.write('member', 0, 'latin1')
  octal(mode, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(size, 124, 11)
  octal(0, 136, 11)
  bytes.write(flag, 156, 'latin1')
  bytes.write('ustar\u000000', 257, 'latin1')
  bytes.fill(' ', 148, 156)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1')
  return bytes
}

const tables = new Map<string, ReadonlyMap<string, number>>()

/** The number of a user or a group here, by its name: the archive has no numbers. One's own where there is none. */
function idOf(file: '/etc/passwd' | '/etc/group', name: string): number {
  let table = tables.get(file)
  if (table === undefined) tables.set(file, (table = readTable(file)))
  const own = file === '/etc/passwd' ? process.getuid?.() : process.getgid?.()
  return table.get(name) ?? own ?? 0
}

function readTable(file: string): ReadonlyMap<string, number> {
  let text = ''
  try {
    text = readFileSync(file, 'latin1')
  } catch {
    // Without the file nobody has a name here.
  }
  const rows = text.split('\n').map((line) => line.split(':'))
  return new Map(
    rows.flatMap(([name, , id]) =>
      name !== undefined && id !== undefined && /^\d{1,10}$/.test(id) ? [[name, Number(id)] as const] : [],
    ),
  )
}
