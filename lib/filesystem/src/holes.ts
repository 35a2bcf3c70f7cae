/** Where a sparse file has content. */
import { errorCode, systemError } from './errno.ts'
import { call } from './libc.ts'

/** Part of a file, in bytes. */
export interface Segment {
  readonly offset: number
  readonly length: number
}

const seekData = 3
const seekHole = 4

/**
 * The parts of the open file, up to `size`, that are not holes, in order. A file system that does not tell has one
 * part. Moves the file's read position.
 * @throws SystemError
 */
export function dataSegments(fd: number, size: number): Segment[] {
  const segments: Segment[] = []
  let at = 0
  while (at < size) {
    const start = Number(call.lseek(fd, at, seekData))
    if (start < 0) {
      const code = errorCode()
      if (code === 'ENXIO') break
      if (code === 'EINVAL' || code === 'ENOTSUP') return [{ offset: 0, length: size }]
      throw systemError('lseek')
    }
    if (start >= size) break
    const end = Number(call.lseek(fd, start, seekHole))
    if (end < 0) throw systemError('lseek')
    const stop = Math.min(end, size)
    segments.push({ offset: start, length: stop - start })
    at = stop
  }
  return segments
}
