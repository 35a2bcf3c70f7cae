/** Whether a file is what the level below saw. */
import { constants } from 'node:fs'
import type { Stat } from '@freezer/filesystem'
import type { Entry, EntryType } from '@freezer/sdk'

/** Type of what `stat` tells of; undefined for a socket, which no archive holds. */
export function typeOf(stat: Stat): EntryType | undefined {
  switch (stat.format) {
    case constants.S_IFREG:
      return 'file'
    case constants.S_IFDIR:
      return 'directory'
    case constants.S_IFLNK:
      return 'symlink'
    case constants.S_IFIFO:
      return 'fifo'
    case constants.S_IFCHR:
      return 'character'
    case constants.S_IFBLK:
      return 'block'
    default:
      return undefined
  }
}

/**
 * Whether nothing of the inode changed. The device is not compared: a snapshot has another. The change time alone
 * would do on an honest system; the rest is for clocks that were set back.
 */
export function unchanged(entry: Entry, stat: Stat): boolean {
  return (
    entry.ctimeNs === stat.ctimeNs &&
    entry.ctime === stat.ctime &&
    entry.mtimeNs === stat.mtimeNs &&
    entry.mtime === stat.mtime &&
    entry.inode === stat.inode &&
    entry.mode === (stat.mode & 0o7777) &&
    entry.uid === stat.uid &&
    entry.gid === stat.gid &&
    (entry.type === 'file' ? entry.size === stat.size && stat.format === constants.S_IFREG : true) &&
    (entry.type === 'hardlink' || entry.type === typeOf(stat))
  )
}

/**
 * The nanoseconds of the change time, -1 when a change right after the tree was read, or frozen, could leave it as it is: the
 * kernel's clock ticks every few milliseconds, and some file systems count whole or even seconds.
 * @param from milliseconds since 1970, from before `stat` was read, or the tree frozen
 * @param to the same from after that
 */
export function trustedCtime(stat: Stat, from: number, to: number): number {
  const ctime = stat.ctime * 1000 + stat.ctimeNs / 1e6
  const distance = Math.max(from - ctime, ctime - to)
  return distance <= (stat.ctimeNs === 0 ? 2000 : 20) ? -1 : stat.ctimeNs
}
