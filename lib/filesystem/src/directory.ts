/** Opening and listing by directory descriptor and name: no path is too long, no swapped link leads elsewhere. */
import { constants } from 'node:fs'
import { codeOf, systemError } from './errno.ts'
import { call } from './libc.ts'
import { nameBytes } from './names.ts'

const closeOnExec = 0o2000000
const noAccessTime = 0o1000000
const follow = (flags: number, followed: boolean) => (followed ? flags : flags | constants.O_NOFOLLOW)

/** Stands for the working directory where an open directory is asked for; absolute paths ignore it. */
export const here = -100

function openAt(directory: number, name: string, flags: number): number {
  const fd = call.openat(directory, nameBytes(name), flags | closeOnExec, 0) as number
  if (fd < 0) throw systemError('open')
  return fd
}

/** Reading changes no access time, unless the file is another user's, who alone may ask for that. */
function openUntouched(directory: number, name: string, flags: number): number {
  try {
    return openAt(directory, name, flags | noAccessTime)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error
    return openAt(directory, name, flags)
  }
}

/**
 * Opens the directory `name` in `directory` for listing. Close it with `closeSync`.
 * @param followed whether a symbolic link may lead there
 * @throws SystemError `ENOTDIR` (also for a link that is not to be followed), `EACCES`, …
 */
export function openDirectory(directory: number, name: string, followed = false): number {
  return openUntouched(directory, name, follow(constants.O_RDONLY | constants.O_DIRECTORY, followed))
}

/**
 * Opens the file `name` in `directory` for reading; never waits for the other end of a FIFO. Close it with `closeSync`.
 * @throws SystemError `ELOOP` for a symbolic link that is not to be followed, `ENOENT`, `EACCES`, …
 */
export function openFile(directory: number, name: string, followed = false): number {
  return openUntouched(directory, name, follow(constants.O_RDONLY | constants.O_NONBLOCK, followed))
}

/** Target of the symbolic link `name`. @throws SystemError `EINVAL` when it is none */
export function readLink(directory: number, name: string): string {
  for (let size = 4096; ; size *= 2) {
    const target = Buffer.allocUnsafe(size)
    const length = call.readlinkat(directory, nameBytes(name), target, size) as number
    if (length < 0) throw systemError('readlink')
    if (length < size) return target.toString('latin1', 0, length)
  }
}

export interface Listing {
  /** Names of what the directory itself calls a subdirectory. */
  readonly directories: string[]
  /** All other names; on file systems that do not tell, subdirectories are among them. */
  readonly others: string[]
  /** 1 for each of `others` that the directory calls a regular file. */
  readonly regular: Uint8Array
}

const page = Buffer.allocUnsafe(128 * 1024)
const typeDirectory = 4
const typeRegular = 8

/**
 * Names in the open directory, all of them at every call, each list sorted by bytes.
 * @param wanted leaves out names for which it says false
 * @throws SystemError
 */
export function listDirectory(fd: number, wanted?: (name: string) => boolean): Listing {
  const directories: string[] = []
  const files: string[] = []
  const rest: string[] = []
  if (Number(call.lseek(fd, 0, 0)) < 0) throw systemError('lseek')
  for (;;) {
    const filled = Number(call.getdents64(fd, page, page.length))
    if (filled < 0) throw systemError('getdents64')
    if (filled === 0) break
    // struct linux_dirent64: inode 8, offset 8, length of the record 2, type 1, name until NUL.
    for (let at = 0; at < filled; at += page.readUInt16LE(at + 16)) {
      const start = at + 19
      const name = page.toString('latin1', start, page.indexOf(0, start))
      if (name === '.' || name === '..' || wanted?.(name) === false) continue
      const type = page[at + 18]
      if (type === typeDirectory) directories.push(name)
      else if (type === typeRegular) files.push(name)
      else rest.push(name)
    }
  }
  return { directories: directories.sort(), ...merge(files.sort(), rest.sort()) }
}

function merge(files: string[], rest: string[]): { others: string[]; regular: Uint8Array } {
  const count = files.length + rest.length
  const regular = new Uint8Array(count)
  if (rest.length === 0) return { others: files, regular: regular.fill(1) }
  const others: string[] = []
  let f = 0
  let r = 0
  for (let i = 0; i < count; i++) {
    const file = files[f]
    const other = rest[r]
    if (other === undefined || (file !== undefined && file < other)) {
      others.push(file as string)
      regular[i] = 1
      f++
    } else {
      others.push(other)
      r++
    }
  }
  return { others, regular }
}
