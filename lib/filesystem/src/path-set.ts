/**
 * Remembers paths. A million of them take some tens of MiB: a number stands for each, and two paths share one about
 * never.
 */
import { createHash } from 'node:crypto'

export class PathSet {
  readonly #paths = new Set<number>()

  add(path: string): void {
    this.#paths.add(digest(path))
  }

  has(path: string): boolean {
    return this.#paths.size > 0 && this.#paths.has(digest(path))
  }
}

function digest(path: string): number {
  return createHash('sha256').update(path, 'latin1').digest().readUIntBE(0, 6)
}
