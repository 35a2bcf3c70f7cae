/** The entries of a backup in walk order, for a merge: a page is read when its first entry is taken, or never. */
import type { Entry } from '../contracts/entry.ts'
import { isFailure } from '../contracts/failures.ts'
import type { StoredChain } from './chain.ts'
import { readEntries } from './entries.ts'
import type { PageAddress } from './root.ts'
import type { LostPage } from './tree-index.ts'

/** Pages under way at a time. */
const atOnce = 4

export class PageCursor {
  readonly #chain: StoredChain
  readonly #lost: LostPage | undefined
  readonly #needed: (page: PageAddress) => boolean
  readonly #reading = new Map<PageAddress, Promise<readonly Entry[]>>()
  #next = 0
  #entries: readonly Entry[] = []
  #at = 0
  /** The last page that was lost, and the one after it. */
  #gap: { readonly from: PageAddress; readonly to: PageAddress | undefined } | undefined
  /** Pages that were read. */
  read = 0

  /**
   * @param needed whether a page is going to be read for certain, and so may be read ahead
   * @param lost told of a page that is damaged and passed over; without it such a page throws
   */
  constructor(chain: StoredChain, needed: (page: PageAddress) => boolean, lost: LostPage | undefined) {
    this.#chain = chain
    this.#needed = needed
    this.#lost = lost
  }

  /** The page that begins here and was not read; undefined within a page and at the end. */
  get page(): PageAddress | undefined {
    return this.#at < this.#entries.length ? undefined : this.#chain.root.pages[this.#next]
  }

  /** Directory and name of the next entry, known without reading it; undefined at the end. */
  get place(): Pick<Entry, 'directory' | 'name'> | undefined {
    return this.#entries[this.#at] ?? this.page
  }

  /** Where entries are missing: from the first place up to the second, or to the end. */
  get gap(): { readonly from: PageAddress; readonly to: PageAddress | undefined } | undefined {
    return this.#gap
  }

  /** Passes over the page that begins here. */
  skip(): void {
    this.#next++
  }

  /** The next entry if its page was read; else `load` comes first. */
  take(): Entry | undefined {
    const entry = this.#entries[this.#at]
    if (entry !== undefined) this.#at++
    return entry
  }

  /** Reads the page that begins here. */
  async load(): Promise<void> {
    const { pages } = this.#chain.root
    const page = pages[this.#next]
    if (page === undefined) return
    const reading = this.#begin(page)
    for (let at = this.#next + 1; at < pages.length && this.#reading.size < atOnce; at++) {
      const later = pages[at] as PageAddress
      if (!this.#needed(later)) break
      this.#begin(later)
    }
    this.#next++
    this.#at = 0
    this.#entries = []
    try {
      this.#entries = await reading
    } catch (error) {
      if (this.#lost === undefined || !isFailure(error) || !['damaged', 'hostile'].includes(error.code))
        throw error
      this.#gap = { from: page, to: pages[this.#next] }
      this.#lost(page)
    } finally {
      this.#reading.delete(page)
    }
  }

  #begin(page: PageAddress): Promise<readonly Entry[]> {
    let reading = this.#reading.get(page)
    if (reading === undefined) {
      this.read++
      reading = this.#chain.readPage(page).then(readEntries)
      // It is met when its turn comes; until then it must not count as unhandled.
      reading.catch(() => {})
      this.#reading.set(page, reading)
    }
    return reading
  }
}
