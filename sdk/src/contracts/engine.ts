/**
 * An engine makes an archive of a source and brings it back. It sees neither storage nor codec: it writes a stream of
 * bytes (the archive of one level) and entries (the index), and reads both back. All of an engine runs on a
 * thread of its own, where the pipeline loads it anew by `module`; synchronous file calls are welcome there.
 */
import { resolve } from 'node:path'
import type { Warning } from './context.ts'
import type { Entry, EntryReader, EntryWriter } from './entry.ts'
import { Failure } from './failures.ts'
import type { OptionDeclarations, Options } from './options.ts'

/** A directory tree, or one file, of this machine. Plain data: it crosses threads. */
export interface TreeSource {
  readonly kind: 'tree'
  /** Absolute. */
  readonly path: string
  /** Patterns of what to leave out, as `GNU tar --exclude` takes them: unanchored, `*` also matches `/`. */
  readonly exclude: readonly string[]
  /** Stay on the file system of `path`. */
  readonly oneFileSystem: boolean
  /** Follow symbolic links (`soft`), store hard links as files of their own (`hard`), or both. */
  readonly dereference: 'none' | 'soft' | 'hard' | 'all'
  /**
   * Of a snapshot: milliseconds since 1970 between which the tree was frozen. What changed then may have changed once more
   * right after, without its change time showing it. Not said of a tree that is alive.
   */
  readonly frozen?: { readonly from: number; readonly to: number } | undefined
}

/** The tree at `path`, whole when nothing more is said. A relative path counts from the working directory. */
export function treeSource(path: string, more: Partial<Omit<TreeSource, 'kind' | 'path'>> = {}): TreeSource {
  return {
    kind: 'tree',
    exclude: [],
    oneFileSystem: false,
    dereference: 'none',
    ...more,
    path: resolve(path),
  }
}

/** One stream of bytes with a name: a dump, an image. It is read once, on the main thread. */
export interface StreamSource {
  readonly kind: 'stream'
  /** What it is called in the backup: the name of a file, without directories. */
  readonly name: string
  /** Bytes, where known beforehand; a stream that ends earlier or goes on is a failed backup. */
  readonly size?: number | undefined
  /**
   * Called once. Chunks are of any size, and are copied before the next one is asked for. An iteration that ends is a stream
   * that is whole: whatever keeps it from being that is thrown, be it after the last byte. When `signal` is aborted the run
   * has failed elsewhere: let go of everything, and throw. `return` is awaited, on every path.
   * @throws Failure `source`, or anything, which then becomes the cause of one
   */
  readonly open: (signal: AbortSignal) => AsyncIterable<Uint8Array>
}

export type Source = TreeSource | StreamSource

/** A directory of this machine to restore into. */
export interface TreeTarget {
  readonly kind: 'tree'
  /** Absolute. Made, with its parents, when missing. */
  readonly path: string
  /**
   * What becomes of an entry that is there already. `false`: it is left, and reported as `unrestored`. `never`: it is left.
   * `always`: it is replaced. `if-changed`: a file that is still the one that was backed up (by inode, times, size, mode
   * and owner) is left and not even read from the archive; one of the same size and modification time keeps its content
   * and gets its metadata; everything else is replaced. Directories keep what is in them.
   */
  readonly overwrite: false | 'never' | 'if-changed' | 'always'
  /** Remove what is there and the backup does not hold: everywhere, or only in these directories and below. */
  readonly remove: boolean | readonly string[]
  /**
   * `preview`: change nothing and tell what a restore would do. `verify`: change nothing and tell what differs; `remove` then
   * says where to look for what the backup does not hold. Without it, restore.
   */
  readonly purpose?: 'preview' | 'verify'
  /** Patterns of what the backup left out, which is nothing extra to `verify`. */
  readonly leftOut?: readonly string[]
}

/** The directory `path`, where nothing that is there is touched when nothing more is said. A relative path counts from the working directory. */
export function treeTarget(path: string, more: Partial<Omit<TreeTarget, 'kind' | 'path'>> = {}): TreeTarget {
  return { kind: 'tree', overwrite: false, remove: false, ...more, path: resolve(path) }
}

/**
 * What a restore does to a path, or would do: `create`, `replace`, `update` (its metadata alone), `keep`, `delete`. What a
 * comparison finds: `same`, `changed`, `missing` (the backup alone has it), `extra` (the backup does not have it).
 */
export type Action =
  | 'create'
  | 'replace'
  | 'update'
  | 'keep'
  | 'delete'
  | 'same'
  | 'changed'
  | 'missing'
  | 'extra'

/** What a comparison can find different. `link`: where a symbolic link points. `names`: what else is the same file. */
export type TreeDifference =
  | 'type'
  | 'size'
  | 'content'
  | 'link'
  | 'device'
  | 'names'
  | 'mode'
  | 'owner'
  | 'time'
  | 'attributes'

/** What the record of an entry holds besides content, and the entry itself does not. */
export interface EntryDetails {
  /** Extended attributes, ACLs among them. Their names are byte strings: `user.color`. */
  readonly attributes: readonly { readonly name: string; readonly value: Uint8Array }[]
  /** What a device node stands for; zeros for all else. */
  readonly device: { readonly major: number; readonly minor: number }
  /** Why the record could not be read; there are no attributes then, and no content. */
  readonly failure?: Failure | undefined
}

/**
 * Takes entries with all that belongs to them, one after the other, in walk order: `begin`, for a file any number of
 * `write`, then `end`. Nothing is made on this machine. An engine gives it every entry that it reads, those whose
 * record or content is damaged too, and checks all that it checks before it writes to a tree. Await what a call returns,
 * if that is a promise, before the next one.
 */
export interface EntryTarget {
  readonly kind: 'entries'
  /** Whether the content of files is wanted. Without it nothing is written, and no content is to be read. */
  readonly content: boolean
  /** Keeps `entry` and `details`: they must not change afterwards. A hard link comes without details. */
  begin(entry: Entry, details: EntryDetails): Promise<void> | undefined
  /**
   * Content of the file at hand, which stands at `position` of it. Positions ascend; what is skipped is a hole. `bytes`
   * are copied.
   * @returns false when no more of this file is wanted: go on with `end`
   */
  write(bytes: Uint8Array, position: number): boolean | Promise<boolean>
  /** The entry at hand is complete; or, with `failure`, the rest of its content cannot be had. */
  end(failure?: Failure): Promise<void> | undefined
}

/**
 * Where the content of one file is restored to, whatever engine stored it. The host calls it, on the main thread; an engine
 * never sees it.
 */
export interface StreamTarget {
  readonly kind: 'stream'
  /** `preview`: `write` is not called. `verify`: `write` compares, and throws `different` or `not-found`. */
  readonly purpose?: 'preview' | 'verify' | undefined
  /** What is told of it; `create` without it. */
  readonly action?: 'create' | 'replace' | undefined
  /**
   * Takes the chunks as fast as it can use them; every byte was verified. Only an iteration that ends by itself was all of the
   * stream. When it throws (stored data is damaged, the run is aborted), nothing may stay that looks complete: a file under its
   * own name, a program that saw the end of its input. It then rejects, with whatever it likes.
   * @param name a byte string: what the stream is called in the backup
   * @throws Failure when the stream cannot be brought where it is to go
   */
  readonly write: (chunks: AsyncIterable<Uint8Array>, name: string, signal: AbortSignal) => Promise<void>
}

export type Target = TreeTarget | EntryTarget | StreamTarget

/** The archive of the level that is being written. */
export interface ArchiveWriter {
  /** Bytes written so far. */
  readonly position: number
  /** Appends a copy of `bytes`. Await what it returns, if anything, before the next call. */
  write(bytes: Uint8Array): Promise<void> | undefined
  /**
   * The free rest of the block at hand, at least one byte: fill it from its start and say so with `commit`. The fast
   * way to bring a file's content in without copying it.
   */
  space(): Uint8Array
  /** The first `length` bytes of `space()` are content. Await what it returns, if anything, before the next call. */
  commit(length: number): Promise<void> | undefined
}

/** The archives of a chain, of any level up to the one that is being restored. Every byte it gives was verified. */
export interface ArchiveReader {
  /**
   * The bytes from `offset` of the archive of `level` to the end of their block, at least one; undefined at the end
   * of the archive. They stay as they are until the next call. A promise only where it must be waited for. Fast
   * when places are asked for in the order in which their entries come.
   * @throws Failure `damaged` for a block that is missing or is not what was stored; other blocks can still be read
   */
  at(level: number, offset: number): Uint8Array | undefined | Promise<Uint8Array | undefined>
}

interface EngineRun<D extends OptionDeclarations> {
  readonly options: Options<D>
  /** The thread looks at it between blocks; an engine that works long without writing should look too. */
  readonly signal: AbortSignal
  readonly warn: (warning: Warning) => void
  /** Tells how much was done since the last call: entries of the tree, bytes of content. */
  readonly count: (entries: number, bytes: number) => void
}

export interface EngineBackup<D extends OptionDeclarations = OptionDeclarations> extends EngineRun<D> {
  /** Of a stream, `open` may be called once; each of its chunks stays as it is until the next one is asked for. */
  readonly source: Source
  /** 0 for a whole backup. */
  readonly level: number
  /** The tree as the level below saw it; undefined at level 0. */
  readonly previous: EntryReader | undefined
  readonly archive: ArchiveWriter
  readonly index: EntryWriter
}

export interface EngineRestore<D extends OptionDeclarations = OptionDeclarations> extends EngineRun<D> {
  readonly target: TreeTarget | EntryTarget
  /** What to restore, in walk order. */
  readonly entries: EntryReader
  readonly archive: ArchiveReader
  /** Bytes of content that the manifest promised; more than that is `hostile`. */
  readonly promised: number
  /** Tells what was, or would be, done to a path (a byte string), or what a comparison found of it. */
  readonly tell: (action: Action, path: string, differs?: readonly TreeDifference[]) => void
  /**
   * Tells, before the first entry is read, how many bytes of each record are going to be asked for, from its start:
   * only those are fetched ahead. Without it, all of all records are. A wrong answer costs time and nothing else.
   */
  readonly expect?: (needed: (entry: Entry) => number) => void
}

export interface EngineList<D extends OptionDeclarations = OptionDeclarations> extends EngineRun<D> {
  readonly level: number
  readonly previous: EntryReader | undefined
  /** Read from front to back: a place that lies further back than the block before the last is not to be had again. */
  readonly archive: ArchiveReader
  readonly index: EntryWriter
  /**
   * Told why the archive ends before its end. What came before is listed then, and each path that the archive was to hold
   * and does not is a warning `unrestored` instead of an entry. Without it, that failure is thrown.
   */
  readonly cut?: (failure: Failure) => void
}

export interface Engine<D extends OptionDeclarations = OptionDeclarations> {
  readonly name: string
  readonly description: string
  readonly options: D
  /** `import.meta.url` of a module whose default export is the plugin that holds this engine. */
  readonly module: string
  /** The kinds of source that it takes; trees alone when it does not say. Since 1.2. */
  readonly sources?: readonly Source['kind'][]
  /** False for an engine of which every backup is a level 0, whatever levels are asked for. Since 1.2. */
  readonly incremental?: boolean
  /** Loads what a run will need. Called as soon as the thread is there, while its host still finds out what to do. */
  prepare?(): Promise<unknown>
  /**
   * Writes the archive of one level and the entries of the whole tree, each with the place of its newest content.
   * A file that cannot be read is a warning, and what `previous` knew of it goes on into the index.
   * @throws Failure `source` when there is nothing to back up
   */
  backup(run: EngineBackup<D>): Promise<void>
  /**
   * Brings the entries back to a tree, or hands them to an `EntryTarget`. What cannot be brought back is a warning (an
   * `EntryTarget` is told instead), and the rest goes on.
   * @throws Failure `hostile` for what no honest archive holds; nothing outside the target was touched
   */
  restore(run: EngineRestore<D>): Promise<void>
  /**
   * The entries of an archive from its bytes alone, on top of `previous`: for archives of other programs and for an
   * index that was lost. A path that the archive tells of and does not hold is a warning `unread`.
   * @throws Failure `damaged`, `hostile`
   */
  list(run: EngineList<D>): Promise<void>
}

/** Declares an engine with the types of its options kept. */
export function declareEngine<const D extends OptionDeclarations>(engine: Engine<D>): Engine<D> {
  return engine
}

/** The kinds of source that an engine takes. */
export function sourcesOf({ sources = ['tree'] }: Pick<Engine, 'sources'>): readonly Source['kind'][] {
  return sources
}

/** @throws Failure `usage` for an engine that does not take what is to be backed up */
export function expectTakes(engine: Pick<Engine, 'name' | 'sources'>, kind: Source['kind']): void {
  if (sourcesOf(engine).includes(kind)) return
  const what = { tree: 'trees of files', stream: 'streams' }[kind]
  throw new Failure('usage', `The engine "${engine.name}" does not back up ${what}.`, {
    remedy: 'Choose an engine that does, or leave the choice to Freezer.',
  })
}
