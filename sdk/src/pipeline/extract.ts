/** Entries of a backup with their content, one after the other, without writing anything. */
import type { Context } from '../contracts/context.ts'
import type { Engine, EntryDetails } from '../contracts/engine.ts'
import { displayPath, type Entry } from '../contracts/entry.ts'
import { type Failure, fromRecord } from '../contracts/failures.ts'
import { everything, type Selection } from '../contracts/selection.ts'
import type { BackupReference } from '../repository/choose.ts'
import type { BackupFilter } from '../repository/listing.ts'
import type { Repository } from '../repository/repository.ts'
import { BlockServer, blockSize, blocksAhead } from './block-server.ts'
import { EngineThread, engineOf } from './engine-host.ts'
import type { Lot, LotPart } from './engine-messages.ts'
import { Meter } from './meter.ts'
import { isOpen, type OpenBackup, openBackup } from './open-backup.ts'
import { selectPages } from './selection.ts'

export interface ExtractRequest {
  readonly repository: Repository
  /** Every engine that stored backups may need. */
  readonly engines: readonly Engine[]
  /** One that is open stays open. */
  readonly backup: BackupReference | OpenBackup
  /** Which backups a reference is looked for among. */
  readonly filter?: BackupFilter | undefined
  /** Without it, everything. */
  readonly select?: Selection | undefined
  /** Whether the content of files is wanted; without it, only the blocks with their headers are read. */
  readonly content?: boolean
}

export interface ExtractedEntry {
  readonly entry: Entry
  /** Of a hard link: none; they are those of its first name. */
  readonly attributes: EntryDetails['attributes']
  readonly device: EntryDetails['device']
  /** Why nothing but the entry itself can be had of it: its record is damaged. */
  readonly failure: Failure | undefined
  /**
   * The content of a file, `entry.size` bytes in all, in chunks of a MiB at most that nobody writes to again; nothing for
   * all else. Holes come as zeros. To be read once, and before the next entry is asked for.
   * @throws Failure `damaged` where the rest of it cannot be had; the next entries can
   */
  content(): AsyncGenerator<Uint8Array>
}

/** Bytes of a chunk of zeros. */
const zeros = 64 * 1024

/**
 * What is selected of a backup, in walk order. Asking for the next entry leaves what was not read of the one before; leaving
 * the loop ends threads and reads. Part of the index that is damaged is a warning.
 * @throws Failure `not-found`, `damaged` when the backup cannot be opened at all, `hostile`, `interrupted`
 */
export async function* extract(request: ExtractRequest, context: Context): AsyncGenerator<ExtractedEntry> {
  const stop = new AbortController()
  const signal = AbortSignal.any([context.signal, stop.signal])
  await using stack = new AsyncDisposableStack()
  const { backup } = request
  const opened = isOpen(backup)
    ? backup
    : stack.use(await openBackup(request.repository, backup, request.filter ?? {}, { ...context, signal }))
  const { manifest, chain } = opened
  const meter = new Meter(context, 'extract')
  const blocks = new BlockServer(chain, blocksAhead, (bytes) => meter.transferred(bytes))
  const more = await selectPages(opened, request.select ?? everything, ({ directory, name }) => {
    const path = displayPath(directory === '' || name === '' ? directory + name : `${directory}/${name}`)
    const message =
      'Part of the index is damaged: entries from here on, up to the next named one, are missing.'
    meter.warn({ kind: 'unrestored', path, message })
  })
  const thread = stack.use(new EngineThread(engineOf(manifest, request.engines)))
  const lots = new Lots()
  const { content = true } = request
  const running = thread
    .run(
      {
        options: manifest.engine.options,
        job: {
          verb: 'restore',
          target: { kind: 'entries', content },
          promised: manifest.tree.bytes,
          listing: false,
        },
        blockSize,
        blocks: 1,
      },
      {
        more,
        plan: (places, send) => blocks.plan(places, send),
        need: (level, offset, seen, send) => blocks.need(level, offset, seen, send),
        taken: (count, send) => blocks.taken(count, send),
        lot: (lot, leave) => lots.add(lot, leave),
        warning: (warning) => meter.warn(warning),
        count: (entries, bytes) => meter.count(entries, bytes),
      },
      signal,
    )
    .then(
      () => lots.end(),
      (error: unknown) => lots.end(error),
    )
  try {
    yield* entriesOf(lots, content)
    meter.end()
  } finally {
    stop.abort()
    lots.close()
    await running
  }
}

async function* entriesOf(lots: Lots, hasContent: boolean): AsyncGenerator<ExtractedEntry> {
  for (let number = 1; ; number++) {
    const part = await lots.next()
    if (part === undefined) return
    if (part.type !== 'begin') throw new Error('The engine gave content before an entry.')
    const { entry, attributes, device } = part
    const failure = part.failure === undefined ? undefined : fromRecord(part.failure)
    const reading = new Reading(lots, hasContent ? entry.size : undefined)
    yield { entry, attributes, device, failure, content: () => reading.content() }
    await reading.leave(number)
  }
}

/** The content of the entry at hand. */
class Reading {
  readonly #lots: Lots
  readonly #size: number | undefined
  #begun = false
  #over = false

  /** @param size bytes; undefined when the content was not asked for */
  constructor(lots: Lots, size: number | undefined) {
    this.#lots = lots
    this.#size = size
  }

  async *content(): AsyncGenerator<Uint8Array> {
    const size = this.#size
    if (size === undefined) throw new Error('The content of these entries was not asked for.')
    if (this.#begun) throw new Error('The content of an entry is read once, and before the next entry.')
    this.#begun = true
    let position = 0
    for (;;) {
      const part = await this.#next()
      if (part.type === 'end') {
        if (part.failure !== undefined) throw fromRecord(part.failure)
        yield* holes(position, size)
        return
      }
      yield* holes(position, part.position)
      // The next entry was asked for while these holes were being taken.
      if (this.#over) return
      yield this.#lots.bytes(part.length)
      position = part.position + part.length
    }
  }

  /** Passes over what was not read. */
  async leave(number: number): Promise<void> {
    this.#begun = true
    if (!this.#over) this.#lots.leave(number)
    while (!this.#over) {
      const part = await this.#next()
      if (part.type === 'write') this.#lots.bytes(part.length)
    }
  }

  async #next(): Promise<Exclude<LotPart, { type: 'begin' }>> {
    const part = this.#over ? undefined : await this.#lots.next()
    if (part === undefined || part.type === 'begin') throw new Error('The engine did not end an entry.')
    if (part.type === 'end') this.#over = true
    return part
  }
}

function* holes(from: number, to: number): Generator<Uint8Array> {
  for (let at = from; at < to; at += zeros) yield new Uint8Array(Math.min(zeros, to - at))
}

/** Lots on their way from the engine to whoever takes the entries. */
class Lots {
  readonly #waiting: { readonly lot: Lot; readonly taken: () => void }[] = []
  #leave: (entry: number) => void = () => {}
  /** Where in the first of them we are. */
  #part = 0
  #byte = 0
  #ended: { readonly error: unknown } | undefined
  #closed = false
  #arrival = Promise.withResolvers<void>()

  /** Resolves when all of `lot` was taken. */
  async add(lot: Lot, leave: (entry: number) => void): Promise<void> {
    if (this.#closed) return
    this.#leave = leave
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ lot, taken: resolve })
    this.#arrival.resolve()
    await promise
  }

  /** No more lots come. */
  end(error?: unknown): void {
    this.#ended = { error }
    this.#arrival.resolve()
  }

  /** Nobody takes any more. */
  close(): void {
    this.#closed = true
    for (const { taken } of this.#waiting.splice(0)) taken()
  }

  leave(entry: number): void {
    this.#leave(entry)
  }

  /** The next part; undefined after the last. @throws what ended the engine */
  async next(): Promise<LotPart | undefined> {
    for (;;) {
      const [first] = this.#waiting
      const part = first?.lot.parts[this.#part]
      if (part !== undefined) {
        this.#part++
        return part
      }
      if (first !== undefined) {
        this.#waiting.shift()
        this.#part = 0
        this.#byte = 0
        first.taken()
      } else if (this.#ended !== undefined) {
        if (this.#ended.error !== undefined) throw this.#ended.error
        return undefined
      } else {
        this.#arrival = Promise.withResolvers<void>()
        await this.#arrival.promise
      }
    }
  }

  /** The content of the part that was just given out. */
  bytes(length: number): Uint8Array {
    const start = this.#byte
    this.#byte += length
    return this.#waiting[0]?.lot.bytes.subarray(start, this.#byte) ?? new Uint8Array(0)
  }
}
