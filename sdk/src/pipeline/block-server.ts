/** Fetches, decodes and sends the blocks that an engine needs while it restores, a few ahead of it. */
import { Failure, fromRecord, isFailure, toRecord } from '../contracts/failures.ts'
import type { StoredChain, StoredLevel } from '../repository/chain.ts'
import type { ArchiveBlock } from '../repository/root.ts'
import type { SentBlock } from './engine-messages.ts'

/** Decoded blocks sent ahead of an engine that restores. */
export const blocksAhead = 14
/** Bytes of the blocks that such an engine would write, if it wrote any. */
export const blockSize = 2 ** 20

/** Stored bytes that one read brings at most. */
const readLimit = 2 * 2 ** 20
/** Reads under way at a time unless said. */
export const defaultDownloadStreams = 2
/** Blocks whose sending may cross with a question for them. */
const remembered = 256

interface Planned {
  readonly level: number
  readonly block: ArchiveBlock
}

type Send = (block: SentBlock) => void

export class BlockServer {
  readonly #chain: Pick<StoredChain, 'level'>
  readonly #window: number
  readonly #streams: number
  /** Tells how many stored bytes were read. */
  readonly #onRead: (bytes: number) => void
  /** Tells of each block that was decoded, or why it was not. */
  readonly #onBlock: ((block: ArchiveBlock, failure: Failure | undefined) => void) | undefined
  readonly #planned: Planned[] = []
  /** Number of the last block planned of each level. */
  readonly #last = new Map<number, number>()
  /** The last blocks sent, and how many were sent in all. */
  readonly #recent: Planned[] = []
  #sent = 0
  /** Blocks that are being read or decoded. */
  #fetching: Planned[] = []
  /** Settles when everything fetched so far was sent. */
  #delivery: Promise<void> = Promise.resolve()
  /** Blocks being fetched or sent and not yet taken. */
  #ahead = 0
  #planning: Promise<void> = Promise.resolve()
  #pumping: Promise<void> | undefined
  /** Blocks that could not be had. */
  damaged = 0

  /**
   * @param window blocks sent ahead at most
   * @param streams reads under way at a time
   */
  constructor(
    chain: Pick<StoredChain, 'level'>,
    {
      window,
      streams = defaultDownloadStreams,
    }: { readonly window: number; readonly streams?: number | undefined },
    onRead: (bytes: number) => void,
    onBlock?: (block: ArchiveBlock, failure: Failure | undefined) => void,
  ) {
    this.#chain = chain
    this.#window = window
    this.#streams = streams
    this.#onRead = onRead
    this.#onBlock = onBlock
  }

  /** Plans the blocks of places (level, offset, length of each, in the order of use). */
  plan(places: Float64Array, send: Send): Promise<void> {
    this.#planning = this.#planning.then(async () => {
      for (let i = 0; i + 2 < places.length; i += 3) {
        await this.#planPlace(places[i] ?? 0, places[i + 1] ?? 0, places[i + 2] ?? 0, send)
      }
    })
    return this.#planning.then(() => this.#pump(send))
  }

  taken(blocks: number, send: Send): Promise<void> {
    this.#ahead -= blocks
    return this.#pump(send)
  }

  /** Answers a question for one block, unless that is on its way as planned. */
  async need(level: number, offset: number, seen: number, send: Send): Promise<void> {
    await this.#planning
    const wanted = (p: Planned): boolean =>
      p.level === level && offset >= p.block.start && offset < p.block.start + p.block.size
    // What was planned before it was passed over.
    const planned = this.#planned.findIndex(wanted)
    if (planned > 0) this.#planned.splice(0, planned)
    const crossing = this.#recent.slice(Math.max(0, this.#recent.length - (this.#sent - seen)))
    if (crossing.some(wanted) || planned >= 0 || this.#fetching.some(wanted)) return this.#pump(send)
    let stored: StoredLevel
    let block: ArchiveBlock | undefined
    try {
      stored = this.#chain.level(level)
      block = await stored.blockAt(offset)
    } catch (error) {
      send({
        type: 'block',
        level,
        start: offset,
        bytes: undefined,
        size: 0,
        answers: offset,
        failure: this.#failed(error),
      })
      return
    }
    if (block === undefined) {
      send({
        type: 'block',
        level,
        start: offset,
        bytes: undefined,
        size: 0,
        answers: offset,
        failure: undefined,
      })
      return
    }
    send({ ...(await this.#decoded(level, block, stored.readBlock('data', block))), answers: offset })
    this.#onRead(block.stored)
  }

  async #planPlace(level: number, offset: number, length: number, send: Send): Promise<void> {
    let block: ArchiveBlock | undefined
    let stored: StoredLevel
    try {
      stored = this.#chain.level(level)
      const last = this.#last.get(level)
      block = await stored.blockAt(offset)
      while (block !== undefined && block.start < offset + length) {
        if (last === undefined || block.number > last) {
          this.#planned.push({ level, block })
          this.#last.set(level, block.number)
        }
        block = await stored.blockAfter(block)
        // A large file has many blocks: fetch the first while the rest is being planned.
        if (this.#planned.length >= this.#window) void this.#pump(send)
      }
    } catch (error) {
      // Whoever asks for the block is told.
      if (!isFailure(error) || (error.code !== 'damaged' && error.code !== 'hostile')) throw error
    }
  }

  /** Fetches what is planned, in order, while fewer than `window` blocks are ahead. */
  #pump(send: Send): Promise<void> {
    this.#pumping ??= this.#fetchAll(send)
    return this.#pumping
  }

  /** Several blocks come with one read: it waits until half of the window is free. */
  get #hasRoom(): boolean {
    return this.#planned.length > 0 && this.#ahead <= this.#window / 2
  }

  async #fetchAll(send: Send): Promise<void> {
    const reading = new Set<Promise<void>>()
    try {
      // Whoever takes blocks, or needs one, while this waits asks nobody else: so it looks again after every wait.
      for (;;) {
        while (this.#hasRoom && reading.size < this.#streams) {
          const run = this.#takeRun()
          this.#ahead += run.length
          this.#fetching.push(...run)
          const level = run[0]?.level ?? 0
          const read = this.#fetchRun(level, this.#chain.level(level), run, send)
          reading.add(read)
          void read.then(() => reading.delete(read))
        }
        if (reading.size > 0) {
          await Promise.race(reading)
          continue
        }
        await this.#delivery
        if (!this.#hasRoom) return
      }
    } finally {
      this.#pumping = undefined
    }
  }

  /** Fetches `run` with one read; each of its blocks has its turn now, and is sent when that comes. */
  async #fetchRun(level: number, stored: StoredLevel, run: readonly Planned[], send: Send): Promise<void> {
    const waiting = run.map(({ block }) => {
      const fetched = Promise.withResolvers<Uint8Array<ArrayBuffer>>()
      this.#deliver(level, block, fetched.promise, send)
      return { block, resolve: fetched.resolve }
    })
    try {
      const blocks = run.map(({ block }) => block)
      for await (const bytes of stored.fetch('data', blocks)) {
        const next = waiting.shift()
        if (next === undefined) break
        this.#onRead(bytes.length)
        next.resolve(stored.decode('data', next.block, bytes))
      }
    } catch (error) {
      // The rest of this read is missing; each may still be had on its own.
      for (const { block, resolve } of waiting) {
        resolve(run.length > 1 ? stored.readBlock('data', block) : Promise.reject(error as Error))
      }
    }
  }

  /** Planned blocks that lie behind one another in one segment, as many as one read may bring. */
  #takeRun(): Planned[] {
    const run: Planned[] = []
    let length = 0
    for (const next of this.#planned) {
      const before = run.at(-1)
      const follows =
        before === undefined ||
        (next.level === before.level &&
          next.block.segment === before.block.segment &&
          next.block.offset === before.block.offset + before.block.stored)
      length += next.block.stored
      if (!follows || run.length >= this.#window - this.#ahead || (length > readLimit && run.length > 0))
        break
      run.push(next)
    }
    this.#planned.splice(0, run.length)
    return run
  }

  /** Sends a block in its turn, however long the ones before it take to decode. */
  #deliver(level: number, block: ArchiveBlock, bytes: Promise<Uint8Array<ArrayBuffer>>, send: Send): void {
    const before = this.#delivery
    const decoded = this.#decoded(level, block, bytes)
    this.#delivery = (async () => {
      await before
      const message = await decoded
      this.#recent.push({ level, block })
      if (this.#recent.length > remembered) this.#recent.shift()
      this.#sent++
      this.#fetching = this.#fetching.filter((p) => p.block !== block)
      send(message)
    })()
    decoded.catch(() => {})
    this.#delivery.catch(() => {})
  }

  async #decoded(
    level: number,
    block: ArchiveBlock,
    reading: Promise<Uint8Array<ArrayBuffer>>,
  ): Promise<SentBlock> {
    const message = {
      type: 'block',
      level,
      start: block.start,
      size: block.size,
      answers: undefined,
    } as const
    try {
      const bytes = await reading
      this.#onBlock?.(block, undefined)
      return { ...message, bytes, failure: undefined }
    } catch (error) {
      const failure = this.#failed(error)
      this.#onBlock?.(block, fromRecord(failure))
      return { ...message, bytes: undefined, failure }
    }
  }

  #failed(error: unknown): ReturnType<typeof toRecord> {
    if (!isFailure(error) || (error.code !== 'damaged' && error.code !== 'hostile')) throw error
    this.damaged++
    return toRecord(new Failure('damaged', error.message, error))
  }
}
