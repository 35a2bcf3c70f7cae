/**
 * The names of one directory that are no directories, met twice: first the fate of each is settled, so that the
 * directory's own record, which lists them, can be written before them; then they are written and indexed.
 */
import { codeOf, type Listing, Stat } from '@freezer/filesystem'
import type { Entry } from '@freezer/sdk'
import { letters } from './dumpdir.ts'
import type { Files } from './files.ts'
import type { Links } from './links.ts'
import { isGone, join, type Output } from './output.ts'
import { Kept, type Previous } from './previous.ts'
import { typeOf, unchanged } from './unchanged.ts'

export class Siblings {
  readonly #output: Output
  readonly #files: Files
  readonly #links: Links
  readonly #joinLinks: boolean
  readonly #previous: Previous
  readonly #kept = new Kept()
  readonly #stat = new Stat()
  #fates = new Uint8Array(0)

  /** @param joinLinks whether names of one file are stored as hard links */
  constructor(output: Output, files: Files, links: Links, joinLinks: boolean, previous: Previous) {
    this.#output = output
    this.#files = files
    this.#links = links
    this.#joinLinks = joinLinks
    this.#previous = previous
  }

  /** One of `letters` for each name; good until the next `decide`. */
  get fates(): Uint8Array {
    return this.#fates
  }

  /**
   * Settles the fate of every name, keeps what was known of it, and adds to the subdirectories what turns out to be
   * one. In a directory that the level below did not know, what is called a file needs no look here.
   * @param known whether the level below knew the directory
   * @returns whether a member was added, changed or removed
   */
  async decide(
    fd: number,
    path: string,
    { directories, others, regular }: Listing,
    known: boolean,
  ): Promise<boolean> {
    const previous = this.#previous
    const found = directories.length
    if (this.#fates.length < others.length || this.#fates.length > 1 << 20) {
      this.#fates = new Uint8Array(Math.max(others.length, 1024))
    }
    this.#kept.clear(others.length)
    let differs = false
    for (let i = 0; i < others.length; i++) {
      const name = others[i] as string
      let before: Entry | undefined
      for (;;) {
        before = previous.peek() ?? (await previous.entry())
        if (before === undefined || before.directory !== path || before.name > name) {
          before = undefined
          break
        }
        previous.next()
        if (before.name === name) break
        differs = true
      }
      if (before !== undefined) this.#kept.set(i, before)
      const fresh = !known && regular[i] === 1
      let fate: number = fresh ? letters.fresh : this.#fate(fd, path, name, before)
      if (fate === letters.directory) {
        fate = letters.out
        directories.push(name)
      }
      this.#fates[i] = fate
      if (fate === letters.out ? before !== undefined : fate !== letters.kept) differs = true
    }
    for (;;) {
      const rest = previous.peek() ?? (await previous.entry())
      if (rest === undefined || rest.directory !== path || rest.name === '') break
      previous.next()
      differs = true
    }
    if (directories.length !== found) directories.sort()
    return differs
  }

  #fate(fd: number, path: string, name: string, before: Entry | undefined): number {
    const stat = this.#stat
    try {
      this.#files.look(fd, name, stat)
    } catch (error) {
      const code = codeOf(error)
      // Gone between listing and looking: as if it had never been there.
      if (isGone(code)) return letters.out
      this.#output.warn('unread', join(path, name), `It cannot be read (${code}); it is not in this backup.`)
      return before === undefined ? letters.out : letters.kept
    }
    const type = typeOf(stat)
    if (type === 'directory') return letters.directory
    if (type === undefined) {
      this.#output.warn('skipped', join(path, name), 'A socket is not backed up.')
      return letters.out
    }
    let same = before !== undefined && unchanged(before, stat)
    if (stat.links > 1 && this.#joinLinks) {
      const own = join(path, name)
      const first = this.#links.meet(stat.identity, own, stat.links)
      if (first.path === own) {
        same &&= before?.type !== 'hardlink'
        first.written = !same
      } else {
        // The first name may have been moved without a trace in the file itself.
        same &&= before?.link === first.path && !first.written
      }
    } else {
      same &&= before?.type !== 'hardlink'
    }
    if (same) return letters.kept
    return type === 'file' ? letters.file : letters.written
  }

  /** Writes and indexes every name as its fate says. */
  async write(fd: number, path: string, others: readonly string[]): Promise<void> {
    const { index } = this.#output.run
    for (let i = 0; i < others.length; i++) {
      const fate = this.#fates[i]
      if (fate === letters.out) continue
      const name = others[i] as string
      let entry: Entry | undefined
      if (fate === letters.kept) {
        entry = this.#kept.get(i, path, name)
      } else {
        const place = { fd, directory: path, name, before: () => this.#kept.get(i, path, name) }
        entry = await (fate === letters.written
          ? this.#files.special(place)
          : this.#files.file(place, fate === letters.fresh))
      }
      if (entry !== undefined) index.add(entry)
    }
    this.#links.settle()
  }
}
