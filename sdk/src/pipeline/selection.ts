/** The pages of the index that hold what is selected of a backup: the engine is given those and no others. */
import { compareEntries, displayPath, type Entry, entryPath, isWithin } from '../contracts/entry.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { type Matches, matcher } from '../contracts/patterns.ts'
import { type Selection, selectsAll } from '../contracts/selection.ts'
import type { StoredChain } from '../repository/chain.ts'
import { PageWriter } from '../repository/entries.ts'
import type { PageAddress } from '../repository/root.ts'
import type { TreeIndex } from '../repository/tree-index.ts'
import { readPages } from './page-source.ts'

/** Gives the next page at each call, undefined after the last. */
export type NextPage = () => Promise<Uint8Array<ArrayBuffer> | undefined>

/**
 * The pages of what is selected. A hard link whose first name is not selected comes as the file itself, further names of it
 * as links to that. A page that is damaged is told to `lost` and passed over.
 * @throws Failure `not-found` for a path that the backup does not hold
 */
export async function selectPages(
  { chain, index }: { readonly chain: StoredChain; readonly index: TreeIndex },
  selection: Selection,
  lost: (page: PageAddress) => void,
): Promise<NextPage> {
  if (selectsAll(selection)) return readPages(chain, lost)
  const starts = await findStarts(index, selection.paths)
  const pages: Uint8Array<ArrayBuffer>[] = []
  const writer = new PageWriter((page) => pages.push(page.bytes))
  const selected = new Selected(index, selection, starts)
  const entries = selected.entries(lost)
  let ended = false
  return async () => {
    while (pages.length === 0 && !ended) {
      const { value, done } = await entries.next()
      if (done === true) {
        ended = true
        writer.end()
      } else {
        for (const entry of value) writer.add(entry)
      }
    }
    return pages.shift()
  }
}

/** The entries of `paths` in walk order, without those that lie in one of the others. */
async function findStarts(index: TreeIndex, paths: readonly string[]): Promise<readonly Entry[]> {
  const whole = paths.length === 0 || paths.includes('')
  const wanted = new Set(whole ? [''] : paths)
  const found: Entry[] = []
  for (const path of wanted) {
    if (ancestors(path).some((above) => wanted.has(above))) continue
    const entry = await index.find(path)
    if (entry !== undefined) found.push(entry)
    else if (path !== '') {
      throw new Failure('not-found', `The backup does not hold ${JSON.stringify(displayPath(path))}.`, {
        remedy: 'Paths are relative to what was backed up: "freezer ls" shows them.',
      })
    }
  }
  return found.sort(compareEntries)
}

/** The directories that `path` is in, the root ('') first. */
function ancestors(path: string): string[] {
  if (path === '') return []
  const above = ['']
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) above.push(path.slice(0, at))
  return above
}

class Selected {
  readonly #index: TreeIndex
  readonly #starts: readonly Entry[]
  readonly #paths: ReadonlySet<string>
  readonly #include: Matches | undefined
  readonly #exclude: Matches | undefined
  /** The directories that lead to where we are; those from `#given` on were not given out. */
  readonly #way: Entry[] = []
  #given = 0
  /** By the first name of a hard link that is not selected: the first one that is. */
  readonly #firsts = new Map<string, string>()
  #last: Entry | undefined

  constructor(index: TreeIndex, { include, exclude }: Selection, starts: readonly Entry[]) {
    this.#index = index
    this.#starts = starts
    this.#paths = new Set(starts.map(entryPath))
    this.#include = matcher(include)
    this.#exclude = matcher(exclude)
  }

  async *entries(lost: (page: PageAddress) => void): AsyncGenerator<readonly Entry[]> {
    if (this.#starts.length === 0) {
      yield* this.#subtree('', lost)
      return
    }
    for (const start of this.#starts) {
      this.#goTo(start.directory)
      for (const above of ancestors(entryPath(start))) await this.#onTheWay(above)
      if (start.type === 'directory') yield* this.#subtree(start.directory, lost)
      else yield await this.#take([start])
    }
  }

  async *#subtree(directory: string, lost: (page: PageAddress) => void): AsyncGenerator<readonly Entry[]> {
    for await (const entries of this.#index.subtree(directory, lost)) yield await this.#take(entries)
  }

  /** A directory above what is selected. */
  async #onTheWay(path: string): Promise<void> {
    if (this.#way.some(({ directory }) => directory === path)) return
    const entry = await this.#index.find(path)
    if (entry?.type === 'directory') this.#way.push(entry)
  }

  async #take(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const taken: Entry[] = []
    for (const entry of entries) {
      this.#checkOrder(entry)
      this.#goTo(entry.directory)
      if (entry.type === 'directory' && this.#way.at(-1)?.directory !== entry.directory) this.#way.push(entry)
      if (!this.#matches(entryPath(entry))) continue
      while (this.#given < this.#way.length) taken.push(this.#way[this.#given++] as Entry)
      if (entry.type === 'hardlink') taken.push(await this.#linked(entry))
      else if (entry.type !== 'directory') taken.push(entry)
    }
    return taken
  }

  /** Leaves the directories that do not lead to `directory`. */
  #goTo(directory: string): void {
    for (let top = this.#way.at(-1); top !== undefined; top = this.#way.at(-1)) {
      if (top.directory === directory || isWithin(directory, top.directory)) break
      this.#way.pop()
    }
    this.#given = Math.min(this.#given, this.#way.length)
  }

  #matches(path: string): boolean {
    return this.#include?.(path) !== false && this.#exclude?.(path) !== true
  }

  #selects(path: string): boolean {
    const below = this.#paths.size === 0 || [...ancestors(path), path].some((one) => this.#paths.has(one))
    return below && this.#matches(path)
  }

  async #linked(entry: Entry): Promise<Entry> {
    const { link, directory, name } = entry
    if (this.#selects(link)) return entry
    const first = this.#firsts.get(link)
    if (first !== undefined) return { ...entry, link: first }
    const original = await this.#index.find(link).catch(onlyDamaged)
    // The engine says of the link what is wrong with it.
    if (original === undefined || original.type === 'hardlink' || original.type === 'directory') return entry
    this.#firsts.set(link, entryPath(entry))
    return { ...original, directory, name, ctimeNs: -1, inode: 0 }
  }

  /** @throws Failure `hostile` */
  #checkOrder(entry: Entry): void {
    if (this.#last !== undefined && compareEntries(entry, this.#last) <= 0) {
      const shown = JSON.stringify(displayPath(entryPath(entry)).slice(0, 200))
      throw new Failure('hostile', `The index names ${shown} out of order.`, {
        remedy: 'No honest backup does this: do not trust where it came from.',
      })
    }
    this.#last = entry
  }
}

function onlyDamaged(error: unknown): undefined {
  if (!isFailure(error) || !['damaged', 'hostile'].includes(error.code)) throw error
}
