/** Members as a tar archive, as `tar-stream` writes it, with the extended headers that it cannot write (POSIX pax). */
import type { Entry, EntryType } from '@freezer/sdk'
import { bytePath, displayPath } from '@freezer/sdk'
import { type Header, pack as newPack, type Pack } from 'tar-stream'
import type { Losses, Member } from './members.ts'

type HeaderFields = Parameters<Pack['entry']>[0]

const types: Record<EntryType, Header['type']> = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  hardlink: 'link',
  fifo: 'fifo',
  character: 'character-device',
  block: 'block-device',
}

/** What the fields of the old header hold: names in bytes, ids and device numbers, seconds. */
const longestName = 100
const largestNumber = 0o777777
const latestTime = 2 ** 31 - 1

const blockSize = 512

/** The archive, in pieces; it is asked for no faster than they are taken. */
export async function* tarArchive(
  members: AsyncIterable<Member>,
  losses: Losses,
): AsyncGenerator<Uint8Array> {
  const pack = newPack()
  const packing = packAll(pack, members, losses).then(
    () => pack.finalize(),
    (error: Error) => pack.destroy(error),
  )
  try {
    yield* pack as AsyncIterable<Uint8Array>
  } finally {
    pack.destroy()
    await packing
  }
}

async function packAll(pack: Pack, members: AsyncIterable<Member>, losses: Losses): Promise<void> {
  for await (const member of members) {
    const { entry, path, device } = member
    if (Math.max(device.major, device.minor) > largestNumber) {
      losses.tell('unrestored', path, 'It is left out: a tar archive cannot hold its device number.')
      continue
    }
    const records = recordsOf(member)
    // The extended header goes before the member, whose own header then says nothing that it has.
    if (records.length > 0) pack.push(extendedHeader(Buffer.concat(records)))
    await packMember(pack, headerOf(entry, member), member.content)
  }
}

/** Writes one member, and waits until it is taken. */
async function packMember(
  pack: Pack,
  header: HeaderFields,
  content: AsyncIterable<Uint8Array> | undefined,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const sink = pack.entry(header, (error) => (error ? reject(error) : resolve()))
  // `promise` tells of it.
  sink.on('error', () => {})
  // It is met below; what reads the content may fail first.
  promise.catch(() => {})
  if (content === undefined) return promise
  for await (const chunk of content) {
    if (sink.write(chunk)) continue
    await Promise.race([new Promise<void>((drained) => sink.once('drain', drained)), promise])
  }
  sink.end(null)
  return promise
}

function headerOf(entry: Entry, { path, device }: Member): HeaderFields {
  const name = nameOf(entry, path)
  return {
    name: fits(name) ? name : 'member',
    type: types[entry.type],
    // A mode of 0 is taken for none; the bits of the type are dropped again.
    mode: entry.mode | 0o100000,
    uid: Math.min(entry.uid, largestNumber),
    gid: Math.min(entry.gid, largestNumber),
    size: entry.size,
    mtime: new Date(Math.min(Math.max(entry.mtime, 0), latestTime) * 1000),
    ...(entry.link === '' ? {} : { linkname: fits(entry.link) ? entry.link : 'target' }),
    devmajor: device.major,
    devminor: device.minor,
  }
}

function nameOf(entry: Entry, path: string): string {
  return entry.type === 'directory' ? `${path === '' ? '.' : path}/` : path
}

/** Whether a byte string goes into the old header as it is: short, and nothing but ASCII. */
function fits(bytes: string): boolean {
  return bytes.length <= longestName && !/[^ -~]/.test(bytes)
}

/** What of a member the old header cannot say. */
function recordsOf({ entry, path, attributes }: Member): Buffer[] {
  const { uid, gid, link, mtime, mtimeNs } = entry
  const records: Buffer[] = []
  const add = (key: string, value: string | Uint8Array) => records.push(record(key, value))
  const names = [
    ['path', nameOf(entry, path)],
    ['linkpath', link],
  ] as const
  const binary = names.some(([, bytes]) => bytePath(displayPath(bytes)) !== bytes)
  if (binary) add('hdrcharset', 'BINARY')
  for (const [key, bytes] of names) if (!fits(bytes)) add(key, bytes)
  if (uid > largestNumber) add('uid', String(uid))
  if (gid > largestNumber) add('gid', String(gid))
  if (mtimeNs !== 0 || mtime < 0 || mtime > latestTime) add('mtime', decimalTime(mtime, mtimeNs))
  for (const { name, value } of attributes) add(`SCHILY.xattr.${escaped(name)}`, value)
  return records
}

/** The name of an attribute as GNU tar writes it in a key, which ends at an equals sign. */
function escaped(name: string): string {
  return name.replaceAll('%', '%25').replaceAll('=', '%3D')
}

/** A record of an extended header: its own length, key and value. Text is a byte string. */
function record(key: string, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value
  const rest = key.length + bytes.length + 3
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length++
  return Buffer.concat([Buffer.from(`${length} ${key}=`, 'latin1'), bytes, Buffer.from('\n')])
}

/** Seconds before 1970 are negative as a whole: -2 seconds and 0.5 are -1.5. */
function decimalTime(seconds: number, nanoseconds: number): string {
  const before = seconds < 0 && nanoseconds > 0
  const whole = before ? -(seconds + 1) : Math.abs(seconds)
  const fraction = before ? 1_000_000_000 - nanoseconds : nanoseconds
  const decimals = fraction === 0 ? '' : `.${String(fraction).padStart(9, '0')}`
  return `${seconds < 0 ? '-' : ''}${whole}${decimals}`
}

/** A member of type `x` that holds `records`. */
function extendedHeader(records: Buffer): Buffer {
  const header = Buffer.alloc(blockSize)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  header.write('PaxHeader', 0)
  header.write(octal(0o644, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(records.length, 11), 124)
  header.write(octal(0, 11), 136)
  header.write(' '.repeat(8), 148)
  header.write('x', 156)
  header.write('ustar\x0000', 257)
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
    148,
  )
  const padding = (blockSize - (records.length % blockSize)) % blockSize
  return Buffer.concat([header, records, Buffer.alloc(padding)])
}
