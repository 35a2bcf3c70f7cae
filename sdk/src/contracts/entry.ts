/**
 * An entry: what the index says of one path of a backed-up tree. Together the entries of a backup are the whole tree
 * at that moment, each naming the level and place of its newest content: the state for the next level, the plan of a
 * restore, and what `ls`, `find` and `diff` read.
 *
 * Names are bytes, not text. They travel as strings of the characters U+0000 to U+00FF, one a byte ("latin1"), which
 * compare like the bytes and lose nothing; `displayPath` makes text of them.
 *
 * Order ("walk order"): a directory, then what is in it and is no directory by name, then its subdirectories by
 * name, each followed by its own content. Names compare by their bytes.
 */

/** One letter each: file, directory, symbolic link, hard link to an earlier file, FIFO, character and block device. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'character' | 'block'

/** Where an entry's record (header and content) lies. */
export interface Place {
  /** The level of the chain whose archive holds it. */
  level: number
  /** Bytes from the start of that archive. */
  offset: number
  /** Bytes of the record. */
  length: number
}

export interface Entry {
  type: EntryType
  /** Path of the directory it is in, relative to the root of the tree; '' is the root itself. For a directory: its own path. */
  directory: string
  /** Name in that directory; '' for a directory. */
  name: string
  /** Permission bits with setuid, setgid and sticky. */
  mode: number
  uid: number
  gid: number
  /** Bytes of content; 0 for all but files. */
  size: number
  /** Whole seconds since 1970, may be negative, and nanoseconds 0 to 999999999. */
  mtime: number
  mtimeNs: number
  /**
   * Change time as the system gave it. -1 in `ctimeNs` means: not to be trusted, treat the file as changed next
   * time (it changed while it was read, or so recently that the clock could not tell).
   */
  ctime: number
  ctimeNs: number
  /**
   * As the system gave it; above 2^53 only good for comparison. 0 together with a `ctimeNs` of -1 means: the record may
   * have another path than the entry. So it is in archives of other programs, where a directory was renamed since, and
   * for a hard link that stands for the file itself because its first name is left out of a restore.
   */
  inode: number
  /** Target of a symbolic link; path of the first name of a hard link; '' otherwise. */
  link: string
  place: Place
}

/** Path of an entry relative to the root of the tree; '' is the root. */
export function entryPath(entry: Pick<Entry, 'directory' | 'name'>): string {
  if (entry.name === '') return entry.directory
  return entry.directory === '' ? entry.name : `${entry.directory}/${entry.name}`
}

/** Negative, 0 or positive as directory `a` comes before, is, or comes after `b` in walk order. */
export function compareDirectories(a: string, b: string): number {
  if (a === b) return 0
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return x === slash ? -1 : y === slash ? 1 : x - y
  }
  return a.length - b.length
}

const slash = 0x2f

/** Negative, 0 or positive as entry `a` comes before, is at, or comes after the place of `b` in walk order. */
export function compareEntries(
  a: Pick<Entry, 'directory' | 'name'>,
  b: Pick<Entry, 'directory' | 'name'>,
): number {
  const order = compareDirectories(a.directory, b.directory)
  return order !== 0 ? order : a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

/** Whether `path` lies below `directory`. */
export function isWithin(path: string, directory: string): boolean {
  return directory === ''
    ? path !== ''
    : path.length > directory.length && path[directory.length] === '/' && path.startsWith(directory)
}

/** A byte string as text for people; what is not UTF-8 shows as U+FFFD. */
export function displayPath(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Text as the byte string that paths are kept as. */
export function bytePath(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** Writes entries in walk order. */
export interface EntryWriter {
  /** @throws Failure `internal` when `entry` is out of order */
  add(entry: Entry): void
}

/**
 * Reads entries in walk order. `peek` and `next` are plain calls, so that a million entries cost no promise each;
 * when `peek` says undefined, `more` fetches the next page.
 */
export interface EntryReader {
  /** The entry at hand, or undefined when this page is used up. */
  peek(): Entry | undefined
  /** Goes on to the next entry. */
  next(): void
  /** Fetches the next page; false when there is none. @throws Failure `damaged` */
  more(): Promise<boolean>
}
