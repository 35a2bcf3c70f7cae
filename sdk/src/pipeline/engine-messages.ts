/** What the thread of an engine and its host tell each other. */
import type { Warning } from '../contracts/context.ts'
import type {
  Action,
  EntryDetails,
  StreamSource,
  TreeDifference,
  TreeSource,
  TreeTarget,
} from '../contracts/engine.ts'
import type { Entry } from '../contracts/entry.ts'
import type { FailureRecord } from '../contracts/failures.ts'
import type { Page } from '../repository/entries.ts'

/** What the thread is started with. */
export interface EngineStart {
  readonly module: string
  readonly engine: string
}

/** What it has to do. */
export interface EngineTask {
  readonly options: Readonly<Record<string, unknown>>
  readonly job:
    | {
        readonly verb: 'backup'
        /** The content of a stream comes by messages. */
        readonly source: TreeSource | Omit<StreamSource, 'open'>
        readonly level: number
        readonly previous: boolean
      }
    | {
        readonly verb: 'restore'
        readonly target: TreeTarget | { readonly kind: 'entries'; readonly content: boolean }
        readonly promised: number
        /** Whether every path is told of, or only how many there are of each action. */
        readonly listing: boolean
      }
    | {
        readonly verb: 'list'
        readonly level: number
        readonly previous: boolean
      }
  /** Bytes of a block, and blocks that the archive may have under way. */
  readonly blockSize: number
  readonly blocks: number
}

export interface TreeSize {
  readonly entries: number
  /** Bytes of content. */
  readonly bytes: number
}

export type FromEngine =
  /** A block of the archive is full, or the last. Its memory is shared, and not touched before it comes back. */
  | { readonly type: 'block'; readonly bytes: Uint8Array<SharedArrayBuffer> }
  /** Wants this memory filled with what comes next of the source, which is a stream. */
  | { readonly type: 'fill'; readonly bytes: Uint8Array<SharedArrayBuffer> }
  /** A page of the index is full, or the last. */
  | { readonly type: 'page'; readonly page: Page }
  /** Asks for the next page of the tree it reads. */
  | { readonly type: 'more' }
  /** Will ask for these places of archives, in this order: level, offset, length of each. */
  | { readonly type: 'plan'; readonly places: Float64Array<ArrayBuffer> }
  /** Waits for the block at this place; `seen` planned blocks had arrived when it asked. */
  | { readonly type: 'need'; readonly level: number; readonly offset: number; readonly seen: number }
  /** Has done with this many blocks that were sent. */
  | { readonly type: 'taken'; readonly blocks: number }
  /** Entries that an `EntryTarget` got, with their content. */
  | { readonly type: 'lot'; readonly lot: Lot }
  /** How often each action was told since the last time, and of which paths. */
  | { readonly type: 'told'; readonly counts: ActionCounts; readonly told: readonly Told[] }
  | { readonly type: 'warning'; readonly warning: Warning }
  /** The archive that is listed ends before its end. */
  | { readonly type: 'cut'; readonly failure: FailureRecord }
  | { readonly type: 'count'; readonly entries: number; readonly bytes: number }
  /** A backup also says how large the tree is. */
  | { readonly type: 'done'; readonly tree: TreeSize }
  | { readonly type: 'failure'; readonly failure: FailureRecord }

export type ActionCounts = Partial<Record<Action, number>>

/** What an engine told of a path, which is a byte string. */
export type Told = readonly [action: Action, path: string, differs: readonly TreeDifference[]]

export type ToEngine =
  /** The first message. */
  | { readonly type: 'task'; readonly task: EngineTask }
  /** A block that may be filled again. */
  | { readonly type: 'space'; readonly bytes: Uint8Array<SharedArrayBuffer> }
  /** The content of the source that was asked for, in that memory; fewer bytes than it holds, or none, at the end. */
  | { readonly type: 'filled'; readonly bytes: Uint8Array<SharedArrayBuffer> }
  /** The page that was asked for; undefined after the last. */
  | { readonly type: 'page'; readonly bytes: Uint8Array<ArrayBuffer> | undefined }
  /** A decoded block of an archive: as planned, or the answer to `need`. */
  | SentBlock
  /** A lot was taken. */
  | { readonly type: 'lot taken' }
  /** No more content of the entry of this number is wanted. Entries are counted from 1. */
  | { readonly type: 'left'; readonly entry: number }
  | { readonly type: 'abort' }

export interface SentBlock {
  readonly type: 'block'
  readonly level: number
  /** Bytes of the archive before it. */
  readonly start: number
  /** Undefined, with no failure, beyond the end of the archive. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined
  readonly failure: FailureRecord | undefined
  /** Bytes it would have had. */
  readonly size: number
  /** The offset that `need` asked for, when this answers it; undefined for a planned block. */
  readonly answers: number | undefined
}

/** What calls of an `EntryTarget` were made, in their order, and the content that they brought. */
export interface Lot {
  readonly parts: readonly LotPart[]
  readonly bytes: Uint8Array<ArrayBuffer>
}

export type LotPart =
  | {
      readonly type: 'begin'
      readonly entry: Entry
      readonly attributes: EntryDetails['attributes']
      readonly device: EntryDetails['device']
      readonly failure: FailureRecord | undefined
    }
  /** Content at `position` of the file: `length` of the bytes of the lot, behind those of the part before. */
  | { readonly type: 'write'; readonly position: number; readonly length: number }
  | { readonly type: 'end'; readonly failure: FailureRecord | undefined }
