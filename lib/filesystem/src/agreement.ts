/** Whether what is there agrees with an entry of a backup. */
import { constants } from 'node:fs'
import type { Entry, EntryDetails, EntryType, TreeDifference } from '@freezer/sdk'
import type { Attribute } from './attributes.ts'
import { isReplaced } from './metadata.ts'
import type { Stat } from './stat.ts'

/** Of a hard link there is nothing to be said: it is of the type of its first name. */
const formats: Partial<Record<EntryType, number>> = {
  file: constants.S_IFREG,
  directory: constants.S_IFDIR,
  symlink: constants.S_IFLNK,
  fifo: constants.S_IFIFO,
  character: constants.S_IFCHR,
  block: constants.S_IFBLK,
}

export function sameType({ type }: Entry, { format }: Stat): boolean {
  return formats[type] === format
}

/** Whether the system vouches that nothing happened to it since the backup. */
export function untouched(entry: Entry, stat: Stat): boolean {
  return (
    sameType(entry, stat) &&
    entry.ctimeNs === stat.ctimeNs &&
    entry.ctime === stat.ctime &&
    entry.inode === stat.inode &&
    entry.mtime === stat.mtime &&
    entry.mtimeNs === stat.mtimeNs &&
    (entry.type !== 'file' || entry.size === stat.size) &&
    entry.mode === (stat.mode & 0o7777) &&
    entry.uid === stat.uid &&
    entry.gid === stat.gid
  )
}

/** Whether it is taken to have the content of the entry: type, size and modification time agree. */
export function sameContent(entry: Entry, stat: Stat): boolean {
  return (
    sameType(entry, stat) &&
    entry.mtime === stat.mtime &&
    entry.mtimeNs === stat.mtimeNs &&
    (entry.type !== 'file' || entry.size === stat.size)
  )
}

/** What differs of the metadata, where the type is the same. */
export function metadataDifferences(
  entry: Entry,
  { attributes, device, failure }: EntryDetails,
  stat: Stat,
  present: readonly Attribute[],
): TreeDifference[] {
  const differs: TreeDifference[] = []
  // The mode of a symbolic link is what the system makes it.
  if (entry.type !== 'symlink' && entry.mode !== (stat.mode & 0o7777)) differs.push('mode')
  if (entry.uid !== stat.uid || entry.gid !== stat.gid) differs.push('owner')
  if (entry.mtime !== stat.mtime || entry.mtimeNs !== stat.mtimeNs) differs.push('time')
  if (failure === undefined && !sameAttributes(attributes, present)) differs.push('attributes')
  const isDevice = entry.type === 'character' || entry.type === 'block'
  if (isDevice && (device.major !== stat.rdevMajor || device.minor !== stat.rdevMinor)) differs.push('device')
  return differs
}

function sameAttributes(wanted: readonly Attribute[], present: readonly Attribute[]): boolean {
  const values = new Map(present.map(({ name, value }) => [name, value]))
  return (
    wanted.every(({ name, value }) => {
      const there = values.get(name)
      return there !== undefined && Buffer.compare(there, value) === 0
    }) && present.every(({ name }) => !isReplaced(name) || wanted.some((one) => one.name === name))
  )
}
