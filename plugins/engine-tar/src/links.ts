/** Files of several names: which name came first in this archive's walk. */

interface First {
  readonly path: string
  /** Whether it is written at this level; other names that were written before would lead to the older file. */
  written: boolean
  /** Names still to come. */
  left: number
}

export class Links {
  readonly #firsts = new Map<string, First>()
  #complete: string[] = []

  /** Meets one of the `names` of a file: the first name, which is `path` itself when none was met before. */
  meet(identity: string, path: string, names: number): First {
    let first = this.#firsts.get(identity)
    if (first === undefined) {
      first = { path, written: false, left: names }
      this.#firsts.set(identity, first)
    }
    if (--first.left === 0) this.#complete.push(identity)
    return first
  }

  /** Path of the first name of a file that was met; `path` becomes that when the first could not be stored. */
  find(identity: string, path: string): string {
    const known = this.#firsts.get(identity)
    if (known !== undefined) return known.path
    this.#firsts.set(identity, { path, written: true, left: 0 })
    return path
  }

  /** `path` could not be stored: it is nobody's first name. */
  lost(path: string): void {
    for (const [identity, first] of this.#firsts) if (first.path === path) this.#firsts.delete(identity)
  }

  /** Forgets the files of which every name was met. */
  settle(): void {
    for (const identity of this.#complete) this.#firsts.delete(identity)
    this.#complete = []
  }
}
