/** Removing what is in a directory, whatever is put into it meanwhile: nothing outside is ever reached. */
import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { moveTo, removeDirectory, unlink } from './change.ts'
import { listDirectory, openDirectory } from './directory.ts'
import { codeOf } from './errno.ts'
import { Stat } from './stat.ts'

// Deeper subtrees are first moved up, so that few directories are open at once.
const deepest = 32

/** A name that no backup holds, for what is not complete yet or about to go. */
export function temporaryName(): string {
  return `.freezer-${randomBytes(9).toString('base64url')}`
}

/** Where a removal began, and what was moved there to be removed next. */
interface Removal {
  readonly directory: number
  readonly device: Stat
  readonly moved: string[]
}

/**
 * Removes `name` in the open directory with all that is in it, except where another file system is mounted: that,
 * and the directories that lead there, stay.
 * @returns false when something stays
 * @throws SystemError
 */
export function removeEntry(directory: number, name: string): boolean {
  if (unlinked(directory, name)) return true
  const device = new Stat()
  device.read(directory)
  const removal: Removal = { directory, device, moved: [] }
  let removed = removeTree(directory, name, removal, 0)
  for (const moved of removal.moved) {
    if (!removeTree(directory, moved, removal, 0)) removed = false
  }
  return removed
}

/** False for a directory, which is then still there. */
function unlinked(directory: number, name: string): boolean {
  try {
    unlink(directory, name)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true
    if (codeOf(error) !== 'EISDIR') throw error
    return false
  }
}

function removeTree(directory: number, name: string, removal: Removal, depth: number): boolean {
  const fd = openDirectory(directory, name)
  let empty = true
  try {
    const stat = new Stat()
    stat.read(fd)
    if (!stat.sameDevice(removal.device)) return false
    const { directories, others } = listDirectory(fd)
    for (const inner of [...others, ...directories]) {
      if (unlinked(fd, inner)) continue
      if (depth >= deepest) {
        const moved = temporaryName()
        moveTo(fd, inner, removal.directory, moved)
        removal.moved.push(moved)
      } else if (!removeTree(fd, inner, removal, depth + 1)) {
        empty = false
      }
    }
  } finally {
    closeSync(fd)
  }
  if (empty) removeDirectory(directory, name)
  return empty
}
