/** Extended attributes: `user.*`, `trusted.*`, `security.*` (capabilities, labels) and `system.posix_acl_*`. */
import { errorCode, systemError } from './errno.ts'
import { call } from './libc.ts'

export interface Attribute {
  /** A byte string with its name space: `user.color`. */
  readonly name: string
  readonly value: Uint8Array
}

// The kernel allows names of 64 KiB in all, and 64 KiB for a value.
const names = Buffer.allocUnsafe(65536)
const value = Buffer.allocUnsafe(65536)
const none: readonly Attribute[] = []

function collect(
  list: (into: Buffer, size: number) => number,
  get: (name: Buffer, into: Buffer, size: number) => number,
): readonly Attribute[] {
  const length = list(names, names.length)
  if (length === 0) return none
  if (length < 0) {
    const error = systemError('listxattr')
    if (error.code === 'ENOTSUP' || error.code === 'EOPNOTSUPP') return none
    throw error
  }
  const found: Attribute[] = []
  for (let at = 0; at < length; ) {
    const end = names.indexOf(0, at)
    const size = get(names.subarray(at, end + 1), value, value.length)
    if (size >= 0) {
      found.push({ name: names.toString('latin1', at, end), value: Uint8Array.from(value.subarray(0, size)) })
    } else if (errorCode() !== 'ENODATA') {
      throw systemError('getxattr')
    }
    at = end + 1
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Attributes of an open file or directory, by name. @throws SystemError */
export function attributesOf(fd: number): readonly Attribute[] {
  return collect(
    (into, size) => call.flistxattr(fd, into, size) as number,
    (name, into, size) => call.fgetxattr(fd, name, into, size) as number,
  )
}

/** Attributes of `name` in an open directory, which may be a link or a device: it is not opened. @throws SystemError */
export function attributesAt(directory: number, name: string): readonly Attribute[] {
  const path = Buffer.from(`/proc/self/fd/${directory}/${name}\0`, 'latin1')
  return collect(
    (into, size) => call.llistxattr(path, into, size) as number,
    (attribute, into, size) => call.lgetxattr(path, attribute, into, size) as number,
  )
}
