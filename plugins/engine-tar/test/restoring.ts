/** Restoring and listing archives that are in memory. */
import assert from 'node:assert/strict'
import {
  type EngineRestore,
  type Entry,
  type EntryTarget,
  entryPath,
  type Failure,
  type TreeTarget,
  type Warning,
} from '@freezer/sdk'
import { list } from '../src/list.ts'
import { restore } from '../src/restore.ts'
import { MemoryIndex, readArchives, readEntries } from './support.ts'

/** Small, and no multiple of 512: so that records lie across blocks. */
const block = 100_000

const run = () => ({ tell: () => {}, options: {}, signal: new AbortController().signal, count: () => {} })

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

/** What comes of an entry that was handed out. */
export interface Extracted {
  readonly path: string
  readonly content: Buffer
  readonly failure: Failure | undefined
}

/** Hands entries out; every other call is waited for, and no more than 50 MiB are taken. */
export async function extractEntries(
  entries: readonly Entry[],
  archives: readonly Buffer[],
  more: Partial<EngineRestore> = {},
): Promise<Extracted[]> {
  const found: Extracted[] = []
  let chunks: Buffer[] = []
  let taken = 0
  let at: { path: string; failure: Failure | undefined } | undefined
  const later = () => (found.length % 2 === 0 ? undefined : Promise.resolve())
  const target: EntryTarget = {
    kind: 'entries',
    content: true,
    begin(entry, { failure }) {
      assert.equal(at, undefined, 'an entry began before the last one ended')
      at = { path: entryPath(entry), failure }
      chunks = []
      return later()
    },
    write(bytes, position) {
      assert.ok(at !== undefined && bytes.length > 0)
      taken += bytes.length
      if (taken > 50 * 2 ** 20) return false
      const before = chunks.reduce((sum, { length }) => sum + length, 0)
      assert.ok(position >= before, 'content came out of order')
      if (position - before < 2 ** 20) chunks.push(Buffer.alloc(position - before))
      chunks.push(Buffer.from(bytes))
      return found.length % 2 === 0 || Promise.resolve(true)
    },
    end(failure) {
      assert.ok(at !== undefined)
      found.push({ path: at.path, content: Buffer.concat(chunks), failure: failure ?? at.failure })
      at = undefined
      return later()
    },
  }
  await restore({
    target,
    entries: readEntries(entries),
    archive: readArchives(archives, block),
    promised: Number.MAX_SAFE_INTEGER,
    warn: () => assert.fail('an entry target is told, not warned'),
    ...run(),
    ...more,
  })
  return found
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
