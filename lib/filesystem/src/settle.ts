/** What is there, beside an entry whose record was read: whether it stays, and what of its metadata changes. */
import { closeSync } from 'node:fs'
import type { Entry, EntryDetails, TreeDifference } from '@freezer/sdk'
import { metadataDifferences, sameContent, sameType } from './agreement.ts'
import { attributesAt, attributesOf } from './attributes.ts'
import { openFile, readLink } from './directory.ts'
import { codeOf } from './errno.ts'
import type { Judge } from './judge.ts'
import type { OpenDirectories } from './open-directories.ts'
import { Stat } from './stat.ts'
import { nameOf, parentOf } from './words.ts'

interface Case {
  /** The directory that it is in, open. */
  readonly fd: number
  readonly entry: Entry
  readonly details: EntryDetails
  /** Is filled. */
  readonly stat: Stat
}

/**
 * What of the metadata differs, where what is there can stay; undefined where it must be replaced. A file gets its metadata
 * by `dress`; everything else is replaced when anything differs.
 */
export function settle(judge: Judge, it: Case, dress: (fd: number) => void): TreeDifference[] | undefined {
  const { fd, entry, details, stat } = it
  try {
    if (entry.type === 'file') return settleFile(judge, it, dress)
    stat.readAt(fd, entry.name)
    if (!sameType(entry, stat)) return undefined
    const differs = metadataDifferences(entry, details, stat, attributesAt(fd, entry.name))
    if (differs.length > 0 || (entry.type === 'symlink' && readLink(fd, entry.name) !== entry.link))
      return undefined
    judge.keep(stat)
    return differs
  } catch (error) {
    // It went away meanwhile, or may not be looked at.
    if (codeOf(error) === '') throw error
    return undefined
  }
}

function settleFile(
  judge: Judge,
  { fd, entry, details, stat }: Case,
  dress: (fd: number) => void,
): TreeDifference[] | undefined {
  const file = openFile(fd, entry.name)
  try {
    stat.read(file)
    if (!sameContent(entry, stat)) return undefined
    const differs = metadataDifferences(entry, details, stat, attributesOf(file))
    if (differs.length > 0 && !judge.isAlone(stat)) return undefined
    judge.keep(stat)
    if (differs.length > 0) dress(file)
    return differs
  } finally {
    closeSync(file)
  }
}

const first = new Stat()

/** Whether what `stat` tells of is the same file as the one of path `link`. */
export function leadsToSame<T>(open: OpenDirectories<T>, link: string, stat: Stat): boolean {
  try {
    open.within(parentOf(link), (fd) => first.readAt(fd, nameOf(link)))
    return first.identity === stat.identity
  } catch (error) {
    if (codeOf(error) === '') throw error
    return false
  }
}
