/** Runs an engine on its thread with nothing between it and a test: archive and index stay in memory. */
import type { Warning } from '../src/contracts/context.ts'
import type { ArchiveReader, Engine, TreeSource } from '../src/contracts/engine.ts'
import type { Entry, EntryReader } from '../src/contracts/entry.ts'
import { Failure, toRecord } from '../src/contracts/failures.ts'
import { EngineThread } from '../src/pipeline/engine-host.ts'
import type { TreeSize } from '../src/pipeline/engine-messages.ts'
import { PageReader, PageWriter } from '../src/repository/entries.ts'

/** Bytes of a block, and blocks that an engine may be ahead of whoever takes them. */
export const blockSize = 64 * 1024
export const blocks = 2

/** An engine with the options that it is run with. */
export interface ReadyEngine {
  readonly engine: Engine
  readonly options: Readonly<Record<string, unknown>>
}

/** What an engine made of a source. */
export interface Archived {
  readonly archive: Uint8Array
  readonly entries: readonly Entry[]
  readonly warnings: readonly Warning[]
  /** The sum of what `count` told, and what the index says. */
  readonly counted: TreeSize
  readonly tree: TreeSize
}

export interface Restored {
  readonly warnings: readonly Warning[]
  readonly counted: TreeSize
}

export function treeSource(path: string, exclude: readonly string[] = []): TreeSource {
  return { kind: 'tree', path, exclude, oneFileSystem: false, dereference: 'none' }
}

interface Watch {
  /** Called when the engine has filled block `number` of its archive and before it may fill the next but one. */
  readonly onBlock?: (number: number) => void
  /** Called when the engine asks what the level below knew. */
  readonly onMore?: () => void
  readonly signal?: AbortSignal
}

/** Backs up `source` on top of `below`, level 0 first. */
export async function archiveTree(
  { engine, options }: ReadyEngine,
  source: TreeSource,
  below: readonly Archived[] = [],
  { onBlock, onMore, signal = never }: Watch = {},
): Promise<Archived> {
  const filled: Uint8Array[] = []
  const pages: Uint8Array[] = []
  const told = listen()
  const previous = below.at(-1)
  const next = packed(previous?.entries ?? [])
  await using thread = new EngineThread(engine)
  const tree = await thread.run(
    {
      options,
      job: { verb: 'backup', source, level: below.length, previous: previous !== undefined },
      blockSize,
      blocks,
    },
    {
      ...told.handlers,
      block: async (bytes) => {
        onBlock?.(filled.length)
        filled.push(new Uint8Array(bytes))
      },
      page: async (page) => void pages.push(page.bytes),
      more: async () => {
        onMore?.()
        return next()
      },
    },
    signal,
  )
  const { warnings, counted } = told
  return { archive: Buffer.concat(filled), entries: pages.flatMap(unpack), warnings, counted, tree }
}

export interface BringOptions {
  readonly overwrite?: boolean
  readonly remove?: boolean
  readonly promised?: number
  /** What to restore; without it, the tree of the last level. */
  readonly entries?: readonly Entry[]
  /** Called when the engine waits for a block. */
  readonly onNeed?: () => void
  readonly signal?: AbortSignal
}

/** Restores the last level of `chain` into `directory`. */
export async function bringTree(
  { engine, options }: ReadyEngine,
  chain: readonly Archived[],
  directory: string,
  { overwrite = false, remove = false, promised, entries, onNeed, signal = never }: BringOptions = {},
): Promise<Restored> {
  const top = chain.at(-1)
  const told = listen()
  const archive = archiveReader(chain)
  await using thread = new EngineThread(engine)
  await thread.run(
    {
      options,
      job: {
        verb: 'restore',
        target: { kind: 'tree', path: directory, overwrite: overwrite && 'always', remove },
        promised: promised ?? top?.tree.bytes ?? 0,
        listing: false,
      },
      blockSize,
      blocks,
    },
    {
      ...told.handlers,
      more: toPromise(packed(entries ?? top?.entries ?? [])),
      plan: async () => {},
      taken: async () => {},
      need: async (level, offset, _seen, send) => {
        onNeed?.()
        const start = offset - (offset % blockSize)
        const message = { type: 'block', level, start, answers: offset } as const
        const bytes = archive.block(level, start)
        if (bytes instanceof Failure) {
          send({ ...message, bytes: undefined, size: 0, failure: toRecord(bytes) })
        } else {
          const given = offset < start + bytes.length ? bytes : undefined
          send({ ...message, bytes: given, size: given?.length ?? 0, failure: undefined })
        }
      },
    },
    signal,
  )
  return { warnings: told.warnings, counted: told.counted }
}

const never = new AbortController().signal

/** The entries that `engine.list` finds in the last archive of `chain`. */
export async function listArchive(
  { engine, options }: ReadyEngine,
  chain: readonly Archived[],
): Promise<Entry[]> {
  const level = chain.length - 1
  const pages: Uint8Array[] = []
  const index = new PageWriter((page) => void pages.push(page.bytes))
  await engine.list({
    options: options as Parameters<Engine['list']>[0]['options'],
    signal: never,
    warn: () => {},
    count: () => {},
    level,
    previous: level === 0 ? undefined : entryReader(chain[level - 1]?.entries ?? []),
    archive: archiveReader(chain),
    index,
  })
  index.end()
  return pages.flatMap(unpack)
}

function listen() {
  const warnings: Warning[] = []
  const counted = { entries: 0, bytes: 0 }
  const handlers = {
    warning: (warning: Warning) => void warnings.push(warning),
    count: (entries: number, bytes: number) => {
      counted.entries += entries
      counted.bytes += bytes
    },
  }
  return { warnings, counted, handlers }
}

/** Gives `entries` page by page, undefined after the last. */
function packed(entries: readonly Entry[]): () => Uint8Array<ArrayBuffer> | undefined {
  const pages: Uint8Array<ArrayBuffer>[] = []
  const writer = new PageWriter((page) => void pages.push(page.bytes))
  for (const entry of entries) writer.add(entry)
  writer.end()
  return () => pages.shift()
}

function toPromise<T>(give: () => T): () => Promise<T> {
  return async () => give()
}

function unpack(page: Uint8Array): Entry[] {
  const reader = new PageReader(page)
  const entries: Entry[] = []
  for (let entry = reader.next(); entry !== undefined; entry = reader.next()) entries.push(entry)
  return entries
}

function archiveReader(chain: readonly Archived[]) {
  const block = (level: number, start: number): Uint8Array<ArrayBuffer> | Failure => {
    const archive = chain[level]?.archive
    if (archive === undefined) return new Failure('damaged', 'There is no such level.')
    return new Uint8Array(archive.subarray(start, start + blockSize))
  }
  const at = (level: number, offset: number): Uint8Array | undefined => {
    const start = offset - (offset % blockSize)
    const bytes = block(level, start)
    if (bytes instanceof Failure) throw bytes
    return offset < start + bytes.length ? bytes.subarray(offset - start) : undefined
  }
  return { block, at } satisfies ArchiveReader & { block: unknown }
}

function entryReader(entries: readonly Entry[]): EntryReader {
  let at = entries.length
  let fetched = false
  return {
    peek: () => entries[at],
    next: () => void at++,
    more: async () => {
      at = fetched ? entries.length : 0
      const first = !fetched
      fetched = true
      return first && entries.length > 0
    },
  }
}
