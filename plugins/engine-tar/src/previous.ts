/** The tree as the level below saw it, read once from front to back beside the walk. */
import { compareDirectories, type Entry, type EntryReader } from '@freezer/sdk'

export class Previous {
  readonly #reader: EntryReader | undefined
  #ended: boolean

  constructor(reader: EntryReader | undefined) {
    this.#reader = reader
    this.#ended = reader === undefined
  }

  /** The entry at hand; undefined at the end, and when the next page must be fetched first: see `entry`. */
  peek(): Entry | undefined {
    return this.#reader?.peek()
  }

  next(): void {
    this.#reader?.next()
  }

  /** The entry at hand, from the next page if need be; undefined at the end. */
  async entry(): Promise<Entry | undefined> {
    for (;;) {
      const entry = this.#reader?.peek()
      if (entry !== undefined || this.#ended) return entry
      this.#ended = !(await this.#reader?.more())
    }
  }

  /**
   * Goes on to what belongs to `directory` or comes after it.
   * @param passed told of every entry that is left behind
   */
  async seek(directory: string, passed: (entry: Entry) => void): Promise<void> {
    for (;;) {
      const entry = this.peek() ?? (await this.entry())
      if (entry === undefined) return
      if (entry.directory === directory || compareDirectories(entry.directory, directory) > 0) return
      passed(entry)
      this.next()
    }
  }

  /** Goes past everything in `directory` and below, giving every entry to `take`. */
  async through(directory: string, take: (entry: Entry) => void): Promise<void> {
    const below = directory === '' ? '' : `${directory}/`
    for (;;) {
      const entry = this.peek() ?? (await this.entry())
      if (entry === undefined || (entry.directory !== directory && !entry.directory.startsWith(below))) return
      take(entry)
      this.next()
    }
  }
}

const types = ['file', 'directory', 'symlink', 'hardlink', 'fifo', 'character', 'block'] as const
const small = 7
const wide = 6

/**
 * Entries of one directory by their position in its listing, in flat arrays: a directory of a million names takes
 * 80 MB here and several times that as objects.
 */
export class Kept {
  #small = new Uint32Array(0)
  #wide = new Float64Array(0)
  readonly #links = new Map<number, string>()
  #present = new Uint8Array(0)

  /** Forgets everything and makes room for `count` positions. */
  clear(count: number): void {
    this.#links.clear()
    if (count > this.#present.length || this.#present.length > 1 << 16) {
      const room = Math.max(count, 256)
      this.#small = new Uint32Array(room * small)
      this.#wide = new Float64Array(room * wide)
      this.#present = new Uint8Array(room)
    } else {
      this.#present.fill(0, 0, count)
    }
  }

  set(position: number, entry: Entry): void {
    this.#present[position] = 1
    const s = position * small
    this.#small[s] = types.indexOf(entry.type)
    this.#small[s + 1] = entry.mode
    this.#small[s + 2] = entry.uid
    this.#small[s + 3] = entry.gid
    this.#small[s + 4] = entry.mtimeNs
    this.#small[s + 5] = entry.ctimeNs
    this.#small[s + 6] = entry.place.level
    const w = position * wide
    this.#wide[w] = entry.size
    this.#wide[w + 1] = entry.mtime
    this.#wide[w + 2] = entry.ctime
    this.#wide[w + 3] = entry.inode
    this.#wide[w + 4] = entry.place.offset
    this.#wide[w + 5] = entry.place.length
    if (entry.link !== '') this.#links.set(position, entry.link)
  }

  /** The entry at `position`, named anew; undefined when there was none. */
  get(position: number, directory: string, name: string): Entry | undefined {
    if (this.#present[position] !== 1) return undefined
    const s = position * small
    const w = position * wide
    return {
      type: types[this.#small[s] as number] as Entry['type'],
      directory,
      name,
      mode: this.#small[s + 1] as number,
      uid: this.#small[s + 2] as number,
      gid: this.#small[s + 3] as number,
      size: this.#wide[w] as number,
      mtime: this.#wide[w + 1] as number,
      mtimeNs: this.#small[s + 4] as number,
      ctime: this.#wide[w + 2] as number,
      // -1 was stored modulo 2^32.
      ctimeNs: (this.#small[s + 5] as number) | 0,
      inode: this.#wide[w + 3] as number,
      link: this.#links.get(position) ?? '',
      place: {
        level: this.#small[s + 6] as number,
        offset: this.#wide[w + 4] as number,
        length: this.#wide[w + 5] as number,
      },
    }
  }
}
