/** What the system knows of a file, by `statx(2)`: exact times and inode numbers in plain numbers, without bigint. */
import { constants } from 'node:fs'
import { systemError } from './errno.ts'
import { call } from './libc.ts'
import { nameBytes } from './names.ts'

const buffer = Buffer.alloc(256)
const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
const basicStats = 0x7ff
const atSymlinkNofollow = 0x100
const atEmptyPath = 0x1000
const empty = Buffer.from('\0')

/** Facts of one file; meant to be filled again and again. */
export class Stat {
  /** Type and permission bits, as in `st_mode`. */
  mode = 0
  links = 0
  uid = 0
  gid = 0
  size = 0
  /** Bytes that the file takes on its disk. */
  allocated = 0
  /** Whole seconds since 1970 and nanoseconds, of the content and of the inode. */
  mtime = 0
  mtimeNs = 0
  ctime = 0
  ctimeNs = 0
  /** Above 2^53 not exact: `identity` is. */
  inode = 0
  inodeHigh = 0
  inodeLow = 0
  /** Device that the file is on. */
  devMajor = 0
  devMinor = 0
  /** Device that the file stands for. */
  rdevMajor = 0
  rdevMinor = 0

  /** One of `constants.S_IF…`. */
  get format(): number {
    return this.mode & constants.S_IFMT
  }

  /** The same for two names of one file, and for no other. */
  get identity(): string {
    return `${this.devMajor}:${this.devMinor}:${this.inodeHigh}:${this.inodeLow}`
  }

  sameDevice(other: Stat): boolean {
    return this.devMajor === other.devMajor && this.devMinor === other.devMinor
  }

  /**
   * Facts of `name` in the open directory `directory`.
   * @param follow whether a symbolic link stands for what it points to
   * @throws SystemError
   */
  readAt(directory: number, name: string, follow = false): void {
    const flags = follow ? 0 : atSymlinkNofollow
    if (call.statx(directory, nameBytes(name), flags, basicStats, buffer) !== 0) throw systemError('statx')
    this.#decode()
  }

  /** Facts of an open file. @throws SystemError */
  read(fd: number): void {
    if (call.statx(fd, empty, atEmptyPath, basicStats, buffer) !== 0) throw systemError('statx')
    this.#decode()
  }

  // Offsets: struct statx in <linux/stat.h>.
  #decode(): void {
    this.links = view.getUint32(16, true)
    this.uid = view.getUint32(20, true)
    this.gid = view.getUint32(24, true)
    this.mode = view.getUint16(28, true)
    this.inodeLow = view.getUint32(32, true)
    this.inodeHigh = view.getUint32(36, true)
    this.inode = this.inodeHigh * 2 ** 32 + this.inodeLow
    this.size = view.getUint32(44, true) * 2 ** 32 + view.getUint32(40, true)
    this.allocated = (view.getUint32(52, true) * 2 ** 32 + view.getUint32(48, true)) * 512
    this.ctime = view.getInt32(100, true) * 2 ** 32 + view.getUint32(96, true)
    this.ctimeNs = view.getUint32(104, true)
    this.mtime = view.getInt32(116, true) * 2 ** 32 + view.getUint32(112, true)
    this.mtimeNs = view.getUint32(120, true)
    this.rdevMajor = view.getUint32(128, true)
    this.rdevMinor = view.getUint32(132, true)
    this.devMajor = view.getUint32(136, true)
    this.devMinor = view.getUint32(140, true)
  }
}
