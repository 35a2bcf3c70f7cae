/** The index of one backup, read where it is asked: a path costs the page that it is on, not the backup. */
import { compareEntries, type Entry, isWithin } from '../contracts/entry.ts'
import { isFailure } from '../contracts/failures.ts'
import { ahead } from '../pipeline/ahead.ts'
import type { StoredChain } from './chain.ts'
import { readEntries } from './entries.ts'
import { lastAtMost } from './order.ts'
import type { PageAddress } from './root.ts'

/** Pages kept decoded: a path and the directory of the same name may lie on two. */
const kept = 2
/** Pages of a subtree under way at a time. */
const atOnce = 4

/** Told of a page that is damaged and passed over. */
export type LostPage = (page: PageAddress) => void

/** A place in walk order: an entry's directory and name. */
interface Position {
  readonly directory: string
  readonly name: string
}

export class TreeIndex {
  readonly #chain: StoredChain
  readonly #recent = new Map<PageAddress, Promise<readonly Entry[]>>()

  constructor(chain: StoredChain) {
    this.#chain = chain
  }

  /** @throws Failure `damaged` when the page that would hold it cannot be read */
  async find(path: string): Promise<Entry | undefined> {
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    // As anything but a directory it lies in its parent; as a directory, in itself.
    const places = path === '' ? [] : [{ directory: path.slice(0, Math.max(0, slash)), name }]
    for (const place of [...places, { directory: path, name: '' }]) {
      const page = this.#chain.root.pages[this.#pageOf(place)]
      const entries = page === undefined ? [] : await this.#read(page)
      const entry = entries[lastAtMost(entries, (e) => compareEntries(e, place))]
      if (entry !== undefined && compareEntries(entry, place) === 0) return entry
    }
    return undefined
  }

  /**
   * What is in a directory: first what is no directory, by name, then its subdirectories, without what is in them.
   * A page that is damaged is told to `lost` and passed over; without `lost` it throws.
   */
  async *children(directory: string, lost?: LostPage): AsyncGenerator<Entry> {
    let from: Position = { directory, name: '\u0001' }
    while (true) {
      let next: Position | undefined
      for await (const entries of this.#pagesFrom(from, lost)) {
        for (const entry of entries) {
          if (entry.directory === directory) {
            if (entry.name !== '') yield entry
            continue
          }
          if (!isWithin(entry.directory, directory)) return
          const child = childOf(entry.directory, directory)
          // An archive of another program may not name a directory that is on the way to others.
          if (entry.directory === child && entry.name === '') yield entry
          next = afterSubtree(child)
          break
        }
        if (next !== undefined) break
      }
      if (next === undefined) return
      from = next
    }
  }

  /**
   * A directory's own entry and everything below it, page by page in walk order; '' is the whole tree. A page that is
   * damaged is told to `lost` and passed over; without `lost` it throws.
   */
  async *subtree(directory: string, lost?: LostPage): AsyncGenerator<readonly Entry[]> {
    const last = directory === '' ? undefined : this.#pageOf(afterSubtree(directory))
    for await (const entries of this.#pagesFrom({ directory, name: '' }, lost, atOnce, last)) {
      const end = entries.findIndex((e) => e.directory !== directory && !isWithin(e.directory, directory))
      if (end < 0) {
        yield entries
        continue
      }
      if (end > 0) yield entries.slice(0, end)
      return
    }
  }

  /** Entries from a place on. */
  async *#pagesFrom(
    place: Position,
    lost?: LostPage,
    limit = 1,
    last = this.#chain.root.pages.length - 1,
  ): AsyncGenerator<readonly Entry[]> {
    const pages = this.#chain.root.pages.slice(Math.max(0, this.#pageOf(place)), last + 1)
    const read = async (page: PageAddress): Promise<readonly Entry[]> => {
      try {
        return await this.#read(page)
      } catch (error) {
        if (lost === undefined || !isFailure(error) || !['damaged', 'hostile'].includes(error.code))
          throw error
        lost(page)
        return []
      }
    }
    for await (const entries of ahead(pages, limit, read)) {
      const start = lastAtMost(entries, (e) => (compareEntries(e, place) < 0 ? -1 : 1)) + 1
      if (start < entries.length) yield start === 0 ? entries : entries.slice(start)
    }
  }

  /** Number of the page that holds a place, or would. */
  #pageOf(place: Position): number {
    return lastAtMost(this.#chain.root.pages, (page) => compareEntries(page, place))
  }

  #read(page: PageAddress): Promise<readonly Entry[]> {
    let entries = this.#recent.get(page)
    if (entries === undefined) {
      entries = this.#chain.readPage(page).then(readEntries)
      this.#recent.set(page, entries)
      const [oldest] = this.#recent.keys()
      if (this.#recent.size > kept && oldest !== undefined) this.#recent.delete(oldest)
    }
    return entries
  }
}

/** The subdirectory of `directory` in which `path` is, or that it is. */
function childOf(path: string, directory: string): string {
  const slash = path.indexOf('/', directory === '' ? 0 : directory.length + 1)
  return slash < 0 ? path : path.slice(0, slash)
}

/** Where what is not below `directory` goes on: no path sorts between the last below it and this one. */
function afterSubtree(directory: string): Position {
  return { directory: `${directory}\u0001`, name: '' }
}
