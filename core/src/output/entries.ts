/** Entries of a backup as people and scripts read them. */
import type { BackupSummary, Entry, EntryType, Manifest, PageAddress } from '@freezer/sdk'
import { bytePath, displayPath, entryPath } from '@freezer/sdk'
import { localTime } from '../dates.ts'
import { visible } from './text.ts'

/** An entry as an object: names that are no text come in base64 too. */
export function entryJson(entry: Entry): object {
  const { type, size, mode, uid, gid, link } = entry
  const path = entryPath(entry)
  return {
    path: displayPath(path),
    ...(isText(path) ? {} : { bytes: base64(path) }),
    type,
    size,
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    mtime: isoTime(entry),
    ...(link === '' ? {} : { link: displayPath(link) }),
    ...(isText(link) ? {} : { linkBytes: base64(link) }),
  }
}

/** A path as tar lists it: a directory ends in a slash. */
export function entryName(entry: Entry): string {
  const path = displayPath(entryPath(entry)) || '.'
  return `${visible(path)}${entry.type === 'directory' ? '/' : ''}`
}

/** An entry as `ls -l` and `tar -tv` show it. Time is local. */
export function longLine(entry: Entry): string {
  const owner = `${entry.uid}:${entry.gid}`
  const link = entry.link === '' ? '' : visible(displayPath(entry.link))
  const target =
    entry.type === 'symlink' ? ` -> ${link}` : entry.type === 'hardlink' ? ` link to ${link}` : ''
  const columns = [modeText(entry), owner.padStart(11), String(entry.size).padStart(12), shownTime(entry)]
  return `${columns.join(' ')} ${entryName(entry)}${target}`
}

/** When an entry was modified, as local time to the second. */
export function shownTime(entry: Entry): string {
  const iso = isoTime(entry)
  return iso.startsWith('@') ? iso : localTime(iso)
}

/** A backup that something was found in, for `--json`. */
export function backupJson({ id, host, name, level, time }: Manifest | BackupSummary): object {
  return { id, host, name, level, time }
}

/** Says that part of an index is lost, and which. */
export function lostPageMessage({ directory, name }: PageAddress): string {
  const path = entryPath({ directory, name })
  return `Part of the index is damaged: from "${displayPath(path) || '.'}" on, up to the next path shown, entries are missing.`
}

export function isText(bytes: string): boolean {
  return bytePath(displayPath(bytes)) === bytes
}

export function base64(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('base64')
}

const letters: Record<EntryType, string> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  hardlink: 'h',
  fifo: 'p',
  character: 'c',
  block: 'b',
}

/** `drwxr-sr-x` */
function modeText({ type, mode }: Entry): string {
  const three = (bits: number, special: boolean, letter: string) => {
    const x = (bits & 1) === 1
    const last = special ? (x ? letter : letter.toUpperCase()) : x ? 'x' : '-'
    return `${(bits & 4) === 4 ? 'r' : '-'}${(bits & 2) === 2 ? 'w' : '-'}${last}`
  }
  return (
    letters[type] +
    three(mode >> 6, (mode & 0o4000) !== 0, 's') +
    three(mode >> 3, (mode & 0o2000) !== 0, 's') +
    three(mode, (mode & 0o1000) !== 0, 't')
  )
}

/** ISO 8601 with nanoseconds; seconds since 1970 as `@SECONDS` where no calendar reaches. */
function isoTime({ mtime, mtimeNs }: Entry): string {
  const date = new Date(mtime * 1000)
  const fraction = String(mtimeNs).padStart(9, '0')
  if (Number.isNaN(date.getTime())) return `@${mtime}.${fraction}`
  return date.toISOString().replace(/\.\d+Z$/, `.${fraction}Z`)
}
