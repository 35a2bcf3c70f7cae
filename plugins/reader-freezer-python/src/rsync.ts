/**
 * The second format of the engine rsync, level 0: a list of headers in MessagePack, then the content of every regular file,
 * in the order of the headers. The program itself cannot restore it. Here it becomes a tar archive (POSIX.1-2001), member
 * by member.
 */
import { constants } from 'node:fs'
import { Failure } from '@freezer/sdk'
import { ByteSource, type Packed, readListLength, readValue } from './msgpack.ts'
import { closing, members, type TarEntry } from './tar.ts'

/** Bytes of content given at once. */
const pieceLength = 2 ** 20

/** @throws Failure `damaged` after what could be read */
export async function* rsyncAsTar(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(archive)
  try {
    const length = await readListLength(source)
    const entries: TarEntry[] = []
    for (let i = 0; i < length; i++) entries.push(entryOf(await readValue(source)))
    for (const [at, entry] of entries.entries()) {
      yield* members.begin(entry)
      for (let left = entry.size; left > 0; ) {
        const piece = await source.some(Math.min(left, pieceLength))
        if (piece === undefined) throw cut(entries, at)
        left -= piece.length
        yield piece
      }
      yield* members.end(entry)
    }
    if ((await source.some(1)) !== undefined)
      throw new Failure('damaged', 'Something follows the end of the archive.')
    yield closing
  } finally {
    await source.close()
  }
}

function entryOf(header: Packed): TarEntry {
  const { path, inode, lname, deltas, deleted } = fields(header)
  const { mode, mtime, size, uname, gname } = fields(inode)
  const sound =
    typeof path === 'string' &&
    path !== '' &&
    typeof mode === 'number' &&
    typeof mtime === 'number' &&
    Number.isFinite(mtime) &&
    deltas === undefined &&
    deleted === undefined
  if (!sound) throw new Failure('damaged', 'A header in the archive is not that of a whole backup.')
  const format = mode & constants.S_IFMT
  const isFile = format === constants.S_IFREG
  if (isFile && !(typeof size === 'number' && Number.isSafeInteger(size) && size >= 0)) {
    throw new Failure('damaged', 'A header in the archive gives no size.')
  }
  return {
    path,
    format,
    mode: mode & 0o7777,
    mtime,
    size: isFile ? Number(size) : 0,
    user: typeof uname === 'string' ? uname : '',
    group: typeof gname === 'string' ? gname : '',
    link: typeof lname === 'string' ? lname : '',
  }
}

function fields(value: Packed | undefined): Readonly<Record<string, Packed | undefined>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, Packed>>
  }
  throw new Failure('damaged', 'The list of files in the archive is none.')
}

function cut(entries: readonly TarEntry[], at: number): Failure {
  const lost = entries.slice(at).filter(({ size }) => size > 0)
  const first = Buffer.from(lost[0]?.path ?? '', 'latin1').toString('utf8')
  return new Failure('damaged', `The archive is cut off: ${lost.length} files are lost, from ${first} on.`)
}
