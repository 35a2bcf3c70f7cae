/** Restoring and listing archives that are in memory. */
import type { EngineRestore, Entry, TreeTarget, Warning } from '@freezer/sdk'
import { list } from '../src/list.ts'
import { restore } from '../src/restore.ts'
import { MemoryIndex, readArchives, readEntries } from './support.ts'

/** Small, and no multiple of 512: so that records lie across blocks. */
const block = 100_000

const run = () => ({ options: {}, signal: new AbortController().signal, count: () => {} })

/** Restores entries into `path`; returns what it warned of. */
export async function restoreEntries(
  path: string,
  entries: readonly Entry[],
  archives: readonly Buffer[],
  target: Partial<TreeTarget> = {},
  more: Partial<EngineRestore> = {},
): Promise<Warning[]> {
  const warnings: Warning[] = []
  await restore({
    target: { kind: 'tree', path, overwrite: false, remove: false, ...target },
    entries: readEntries(entries),
    archive: readArchives(archives, block),
    promised: Number.MAX_SAFE_INTEGER,
    warn: (warning) => warnings.push(warning),
    ...run(),
    ...more,
  })
  return warnings
}

/** The entries of the newest of `archives`, on top of those of the level below. */
export async function listArchive(
  archives: readonly Buffer[],
  previous: readonly Entry[] | undefined,
  warnings: Warning[] = [],
): Promise<Entry[]> {
  const index = new MemoryIndex()
  await list({
    level: archives.length - 1,
    previous: previous === undefined ? undefined : readEntries(previous),
    archive: readArchives(archives, block),
    index,
    warn: (warning) => warnings.push(warning),
    ...run(),
  })
  return index.entries
}
