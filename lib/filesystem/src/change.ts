/**
 * Calls that change a directory or a file, each by a directory descriptor and one name in it. None follows a symbolic
 * link, none opens what it did not make. All throw a `SystemError`.
 */
import { constants, writeSync } from 'node:fs'
import type { Attribute } from './attributes.ts'
import { errorCode, systemError } from './errno.ts'
import { call } from './libc.ts'
import { nameBytes } from './names.ts'

const closeOnExec = 0o2000000
const createOnly =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | closeOnExec
const noFollow = 0x100
const directoryOnly = 0x200
const noReplace = 1

const bytes = (name: string) => Buffer.from(`${name}\0`, 'latin1')

/** Makes a file, which must not be there, and opens it for writing. Close it with `closeSync`. */
export function createFile(directory: number, name: string, mode: number): number {
  const fd = call.openat(directory, nameBytes(name), createOnly, mode) as number
  if (fd < 0) throw systemError('open')
  return fd
}

export function makeDirectory(directory: number, name: string, mode: number): void {
  if (call.mkdirat(directory, nameBytes(name), mode) !== 0) throw systemError('mkdir')
}

export function makeSymlink(directory: number, name: string, target: string): void {
  if (call.symlinkat(bytes(target), directory, nameBytes(name)) !== 0) throw systemError('symlink')
}

/** Makes one more name for `from`, itself and not what it points to. */
export function makeLink(fromDirectory: number, from: string, directory: number, name: string): void {
  if (call.linkat(fromDirectory, bytes(from), directory, nameBytes(name), 0) !== 0) throw systemError('link')
}

export interface Device {
  readonly major: number
  readonly minor: number
}

/**
 * Makes a FIFO or a device node.
 * @param mode type (`constants.S_IF…`) and permission bits
 */
export function makeNode(directory: number, name: string, mode: number, device: Device): void {
  // As <sys/sysmacros.h> packs a device number.
  const major = BigInt(device.major)
  const minor = BigInt(device.minor)
  const packed =
    (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n)
  if (call.mknodat(directory, nameBytes(name), mode, packed) !== 0) throw systemError('mknod')
}

/** Renames within a directory; what has the new name already is replaced, unless `keep`: then it throws `EEXIST`. */
export function renameIn(directory: number, from: string, to: string, keep: boolean): void {
  if (keep) {
    if (call.renameat2(directory, bytes(from), directory, nameBytes(to), noReplace) === 0) return
    // Not every file system knows how.
    if (errorCode() !== 'EINVAL') throw systemError('rename')
  }
  moveTo(directory, from, directory, to)
}

export function moveTo(fromDirectory: number, from: string, directory: number, to: string): void {
  if (call.renameat(fromDirectory, bytes(from), directory, nameBytes(to)) !== 0) throw systemError('rename')
}

/** Removes a name of anything but a directory. Throws `EISDIR` for a directory. */
export function unlink(directory: number, name: string): void {
  if (call.unlinkat(directory, nameBytes(name), 0) !== 0) throw systemError('unlink')
}

/** The same, where the name may be gone already. */
export function unlinkIfThere(directory: number, name: string): void {
  if (call.unlinkat(directory, nameBytes(name), 0) !== 0 && errorCode() !== 'ENOENT') {
    throw systemError('unlink')
  }
}

/** Removes an empty directory. */
export function removeDirectory(directory: number, name: string): void {
  if (call.unlinkat(directory, nameBytes(name), directoryOnly) !== 0) throw systemError('rmdir')
}

export function setOwnerAt(directory: number, name: string, uid: number, gid: number): void {
  if (call.fchownat(directory, nameBytes(name), uid, gid, noFollow) !== 0) throw systemError('chown')
}

export function setModeAt(directory: number, name: string, mode: number): void {
  if (call.fchmodat(directory, nameBytes(name), mode, noFollow) !== 0) throw systemError('chmod')
}

// struct timespec[2]: access time, which is left as it is, and modification time.
const times = Buffer.alloc(32)
const view = new DataView(times.buffer, times.byteOffset, times.length)
const leave = 0x3ffffffe
view.setUint32(8, leave, true)

function timespec(seconds: number, nanoseconds: number): Buffer {
  view.setUint32(16, seconds >>> 0, true)
  view.setInt32(20, Math.floor(seconds / 2 ** 32), true)
  view.setUint32(24, nanoseconds, true)
  return times
}

/** Sets the modification time of an open file. */
export function setTime(fd: number, seconds: number, nanoseconds: number): void {
  if (call.futimens(fd, timespec(seconds, nanoseconds)) !== 0) throw systemError('utimens')
}

export function setTimeAt(directory: number, name: string, seconds: number, nanoseconds: number): void {
  const spec = timespec(seconds, nanoseconds)
  if (call.utimensat(directory, nameBytes(name), spec, noFollow) !== 0) throw systemError('utimens')
}

export function setAttribute(fd: number, { name, value }: Attribute): void {
  if (call.fsetxattr(fd, nameBytes(name), value, value.length, 0) !== 0) throw systemError('setxattr')
}

/** Sets an attribute of what is not to be opened: a link, a device. */
export function setAttributeAt(directory: number, name: string, { name: key, value }: Attribute): void {
  const path = bytes(`/proc/self/fd/${directory}/${name}`)
  if (call.lsetxattr(path, nameBytes(key), value, value.length, 0) !== 0) throw systemError('setxattr')
}

/** Removes an attribute of an open file; one that is not there is already removed. */
export function removeAttribute(fd: number, name: string): void {
  if (call.fremovexattr(fd, nameBytes(name)) !== 0 && !absent.has(errorCode())) {
    throw systemError('removexattr')
  }
}

const absent = new Set(['ENODATA', 'ENOTSUP', 'EOPNOTSUPP'])
const accessAcl = 'system.posix_acl_access'

/** Takes from an open file or directory the ACLs that it got from the directory it was made in. */
export function removeAcl(fd: number): void {
  removeAttribute(fd, accessAcl)
  removeAttribute(fd, 'system.posix_acl_default')
}

/** The same for what is not to be opened. */
export function removeAclAt(directory: number, name: string): void {
  const path = bytes(`/proc/self/fd/${directory}/${name}`)
  if (call.lremovexattr(path, nameBytes(accessAcl)) !== 0 && !absent.has(errorCode())) {
    throw systemError('removexattr')
  }
}

/** Writes all of `content` to an open file from `position` on. */
export function writeAll(fd: number, content: Uint8Array, position: number): void {
  for (let done = 0; done < content.length; ) {
    done += writeSync(fd, content, done, content.length - done, position + done)
  }
}
