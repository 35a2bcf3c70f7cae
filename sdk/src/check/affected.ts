/** Which entries of a backup cannot be restored, from what is damaged of the archives that they lie in. */
import { displayPath, type Entry, entryPath } from '../contracts/entry.ts'
import type { ArchiveCheck } from './archive.ts'

export interface AffectedEntries {
  /** Paths that a restore cannot bring back. */
  readonly files: string[]
  /** Paths that a restore brings back without their extended attributes: all else stands in the index. */
  readonly metadata: string[]
}

/** Types of which the index says enough to bring them back. */
const inIndex: readonly Entry['type'][] = ['directory', 'symlink', 'fifo']

/** @param archives by level */
export async function affectedEntries(
  pages: AsyncIterable<readonly Entry[]>,
  archives: readonly ArchiveCheck[],
): Promise<AffectedEntries> {
  const files: string[] = []
  const metadata: string[] = []
  /** First names of hard links that are lost, as bytes. */
  const lost = new Set<string>()
  for await (const entries of pages) {
    for (const entry of entries) {
      const { level, offset, length } = entry.place
      const path = entryPath(entry)
      if (entry.type === 'hardlink') {
        if (lost.has(entry.link)) files.push(displayPath(path))
      } else if (archives[level]?.misses(offset, length) === true) {
        if (inIndex.includes(entry.type)) metadata.push(displayPath(path))
        else {
          files.push(displayPath(path))
          lost.add(path)
        }
      }
    }
  }
  return { files, metadata }
}
