/** What a host gives to an engine, kept in memory. */
import type {
  ArchiveReader,
  ArchiveWriter,
  EngineBackup,
  Entry,
  EntryReader,
  EntryWriter,
  TreeSource,
  Warning,
} from '@freezer/sdk'
import { compareDirectories, entryPath } from '@freezer/sdk'
import { backup } from '../src/backup.ts'

/** Blocks of a MiB, kept. Every other full block is waited for, so that both ways are tried. */
export class MemoryArchive implements ArchiveWriter {
  readonly #blocks: Buffer[] = []
  #block: Buffer
  #filled = 0
  position = 0
  readonly #size: number

  constructor(size = 1 << 20) {
    this.#size = size
    this.#block = Buffer.alloc(size)
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    let full: Promise<void> | undefined
    for (let at = 0; at < bytes.length; ) {
      const space = this.space()
      const count = Math.min(space.length, bytes.length - at)
      space.set(bytes.subarray(at, at + count))
      full = this.commit(count) ?? full
      at += count
    }
    return full
  }

  space(): Uint8Array {
    return this.#block.subarray(this.#filled)
  }

  commit(length: number): Promise<void> | undefined {
    if (length > this.#size - this.#filled) throw new Error('more committed than there was space')
    this.#filled += length
    this.position += length
    if (this.#filled < this.#size) return undefined
    this.#blocks.push(this.#block)
    this.#block = Buffer.alloc(this.#size)
    this.#filled = 0
    return this.#blocks.length % 2 === 0 ? Promise.resolve() : undefined
  }

  get bytes(): Buffer {
    return Buffer.concat([...this.#blocks, this.#block.subarray(0, this.#filled)])
  }
}

/** Reads archives by level, in pieces as blocks would be; every other one must be waited for. */
export function readArchives(archives: readonly Buffer[], block = 1 << 20): ArchiveReader {
  let calls = 0
  return {
    at(level, offset) {
      const archive = archives[level]
      if (archive === undefined) throw new Error(`no archive of level ${level}`)
      if (offset >= archive.length) return undefined
      const piece = archive.subarray(
        offset,
        Math.min(archive.length, (Math.floor(offset / block) + 1) * block),
      )
      return calls++ % 2 === 0 ? piece : Promise.resolve(piece)
    },
  }
}

/** Keeps entries and insists on their order. */
export class MemoryIndex implements EntryWriter {
  readonly entries: Entry[] = []

  add(entry: Entry): void {
    const last = this.entries.at(-1)
    if (last !== undefined) {
      const order = compareDirectories(last.directory, entry.directory)
      if (order > 0 || (order === 0 && last.name >= entry.name)) {
        throw new Error(`${JSON.stringify(entryPath(entry))} after ${JSON.stringify(entryPath(last))}`)
      }
    }
    this.entries.push({ ...entry, place: { ...entry.place } })
  }
}

/** Reads entries in pages. */
export function readEntries(entries: readonly Entry[], page = 100): EntryReader {
  let at = 0
  let fetched = 0
  return {
    peek: () => (at < fetched ? entries[at] : undefined),
    next: () => {
      at++
    },
    more: async () => {
      fetched = Math.min(entries.length, fetched + page)
      return at < fetched
    },
  }
}

export interface Level {
  archive: Buffer
  entries: Entry[]
  warnings: Warning[]
}

/** Backs `path` up as the next level after `levels`. */
export async function backupLevel(
  path: string,
  levels: readonly Level[] = [],
  source: Partial<TreeSource> = {},
  run: Partial<EngineBackup> = {},
): Promise<Level> {
  const archive = new MemoryArchive()
  const index = new MemoryIndex()
  const warnings: Warning[] = []
  const before = levels.at(-1)
  await backup({
    source: { kind: 'tree', path, exclude: [], oneFileSystem: false, dereference: 'none', ...source },
    level: levels.length,
    previous: before === undefined ? undefined : readEntries(before.entries),
    archive,
    index,
    options: {},
    signal: new AbortController().signal,
    warn: (warning) => warnings.push(warning),
    count: () => {},
    ...run,
  })
  return { archive: archive.bytes, entries: index.entries, warnings }
}
