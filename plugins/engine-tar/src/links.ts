/** Files of several names: which name came first in this archive's walk. */

interface First {
  readonly path: string
  /** Names still to come. */
  left: number
}

export class Links {
  readonly #firsts = new Map<string, First>()
  #complete: string[] = []

  /** Path of the first name; registers `path` when it is that. */
  first(identity: string, path: string, names: number): string {
    const known = this.#firsts.get(identity)
    if (known === undefined) {
      this.#firsts.set(identity, { path, left: names - 1 })
      return path
    }
    if (--known.left === 0) this.#complete.push(identity)
    return known.path
  }

  /** Path of the first name, if one is known. */
  find(identity: string): string | undefined {
    return this.#firsts.get(identity)?.path
  }

  /** The first name could not be stored after all: `path`, or none, takes its place. */
  replace(identity: string, path: string | undefined): void {
    if (path === undefined) this.#firsts.delete(identity)
    else this.#firsts.set(identity, { path, left: this.#firsts.get(identity)?.left ?? 0 })
  }

  /** Forgets the files of which every name was met. */
  settle(): void {
    for (const identity of this.#complete) this.#firsts.delete(identity)
    this.#complete = []
  }
}
