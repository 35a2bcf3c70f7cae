/**
 * Remembers which entries could not be restored, since a hard link must not lead to what was there before instead. A
 * million of them take some tens of MiB: a number stands for each path, and two paths share one about never.
 */
import { createHash } from 'node:crypto'
import { type Entry, entryPath } from '@freezer/sdk'

export class Unrestored {
  readonly #paths = new Set<number>()

  add(entry: Entry): void {
    this.#paths.add(digest(entryPath(entry)))
  }

  has(path: string): boolean {
    return this.#paths.size > 0 && this.#paths.has(digest(path))
  }
}

function digest(path: string): number {
  return createHash('sha256').update(path, 'latin1').digest().readUIntBE(0, 6)
}
