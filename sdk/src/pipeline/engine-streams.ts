/** The streams that an engine sees, on its thread: bytes and pages come and go by messages to the host. */
import type { ArchiveReader, ArchiveWriter } from '../contracts/engine.ts'
import type { Entry, EntryReader } from '../contracts/entry.ts'
import { asFailure, type Failure, fromRecord } from '../contracts/failures.ts'
import { release } from '../contracts/memory.ts'
import { readEntries } from '../repository/entries.ts'
import type { FromEngine, SentBlock } from './engine-messages.ts'

type Post = (message: FromEngine, transfer?: readonly ArrayBuffer[]) => void

const nothing = new Uint8Array(new SharedArrayBuffer(0))

/** Fills blocks and hands each over when it is full; waits while `blocks` of them are under way. */
export class ThreadArchiveWriter implements ArchiveWriter {
  readonly #post: Post
  readonly #blockSize: number
  readonly #free: Uint8Array<SharedArrayBuffer>[] = []
  #allowance: number
  #block: Uint8Array<SharedArrayBuffer>
  #filled = 0
  #waiting: PromiseWithResolvers<void> | undefined
  #failure: Failure | undefined
  position = 0

  constructor(post: Post, blockSize: number, blocks: number) {
    this.#post = post
    this.#blockSize = blockSize
    this.#allowance = blocks - 1
    this.#block = nothing
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    const space = this.space()
    if (bytes.length <= space.length) {
      space.set(bytes)
      return this.commit(bytes.length)
    }
    return this.#writeLong(bytes)
  }

  async #writeLong(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const space = this.space()
      const part = bytes.subarray(done, done + space.length)
      space.set(part)
      await this.commit(part.length)
      done += part.length
    }
  }

  space(): Uint8Array {
    // Made on first use: a thread that restores has no need of it.
    if (this.#block.length === 0) this.#block = new Uint8Array(new SharedArrayBuffer(this.#blockSize))
    return this.#block.subarray(this.#filled)
  }

  commit(length: number): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure
    this.#filled += length
    this.position += length
    if (this.#filled < this.#block.length || length === 0) return undefined
    this.#hand()
    const free = this.#free.pop()
    if (free !== undefined) {
      this.#block = free
      return undefined
    }
    if (this.#allowance > 0) {
      this.#allowance--
      this.#block = new Uint8Array(new SharedArrayBuffer(this.#blockSize))
      return undefined
    }
    this.#waiting = Promise.withResolvers<void>()
    return this.#waiting.promise
  }

  /** Hands over the last, shorter block. */
  end(): void {
    if (this.#filled > 0) this.#hand()
  }

  returned({ buffer }: Uint8Array<SharedArrayBuffer>): void {
    const bytes = new Uint8Array(buffer)
    if (this.#waiting === undefined) {
      this.#free.push(bytes)
      return
    }
    this.#block = bytes
    this.#waiting.resolve()
    this.#waiting = undefined
  }

  fail(failure: Failure): void {
    this.#failure = failure
    this.#waiting?.reject(failure)
  }

  #hand(): void {
    const bytes = this.#block.subarray(0, this.#filled)
    this.#filled = 0
    this.#block = nothing
    this.#post({ type: 'block', bytes })
  }
}

/** Reads pages, one asked for ahead; with `plan` tells the host which places of archives its entries will need. */
export class ThreadEntryReader implements EntryReader {
  readonly #post: Post
  readonly #plan: boolean
  #needed = ({ place }: Entry): number => place.length
  readonly #pages: (readonly Entry[] | undefined)[] = []
  #asked = 0
  #page: readonly Entry[] = []
  #at = 0
  #ended = false
  #waiting: PromiseWithResolvers<void> | undefined
  #failure: Failure | undefined

  constructor(post: Post, plan: boolean) {
    this.#post = post
    this.#plan = plan
  }

  /** Plans only so many bytes of each record. */
  expect(needed: (entry: Entry) => number): void {
    this.#needed = needed
  }

  peek(): Entry | undefined {
    return this.#page[this.#at]
  }

  next(): void {
    this.#at++
  }

  async more(): Promise<boolean> {
    if (this.#ended) return false
    for (; this.#asked < 2; this.#asked++) this.#post({ type: 'more' })
    while (this.#pages.length === 0) {
      if (this.#failure !== undefined) throw this.#failure
      this.#waiting = Promise.withResolvers<void>()
      await this.#waiting.promise
    }
    this.#asked--
    const page = this.#pages.shift()
    this.#page = page ?? []
    this.#at = 0
    this.#ended = page === undefined
    return !this.#ended
  }

  arrived(bytes: Uint8Array | undefined): void {
    try {
      this.#pages.push(bytes === undefined ? undefined : this.#read(bytes))
      this.#waiting?.resolve()
    } catch (error) {
      this.fail(asFailure(error))
    }
  }

  fail(failure: Failure): void {
    this.#failure = failure
    this.#waiting?.reject(failure)
  }

  #read(bytes: Uint8Array): Entry[] {
    const entries = readEntries(bytes)
    if (this.#plan) {
      const places = new Float64Array(entries.length * 3)
      let at = 0
      for (const entry of entries) {
        const length = Math.min(entry.place.length, this.#needed(entry))
        if (length <= 0) continue
        places[at++] = entry.place.level
        places[at++] = entry.place.offset
        places[at++] = length
      }
      const planned = places.slice(0, at)
      if (at > 0) this.#post({ type: 'plan', places: planned }, [planned.buffer])
    }
    return entries
  }
}

/**
 * Blocks of archives, sent ahead as planned. Holds the last ones used of each level, and asks for what is not there. A
 * block that arrived and was passed over is dropped when something later is waited for.
 */
export class ThreadArchiveReader implements ArchiveReader {
  readonly #post: Post
  /** The one that was used last comes last. */
  readonly #held: SentBlock[] = []
  #ahead: SentBlock[] = []
  #waiting: { level: number; offset: number; arrival: PromiseWithResolvers<SentBlock> } | undefined
  #failure: Failure | undefined
  #heldBytes = 0
  #seen = 0

  constructor(post: Post) {
    this.#post = post
  }

  at(level: number, offset: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (this.#failure !== undefined) throw this.#failure
    const held = this.#held.findLastIndex((block) => contains(block, level, offset))
    const last = this.#held[held]
    if (last !== undefined) {
      if (held < this.#held.length - 1) this.#held.push(...this.#held.splice(held, 1))
      return this.#view(last, offset)
    }
    const found = this.#ahead.findIndex((block) => contains(block, level, offset))
    if (found >= 0) {
      const [block] = this.#ahead.splice(found, 1)
      if (block !== undefined) return this.#use(block, offset)
    }
    return this.#wait(level, offset)
  }

  async #wait(level: number, offset: number): Promise<Uint8Array | undefined> {
    const dropped = this.#ahead.length
    this.#ahead = []
    if (dropped > 0) this.#post({ type: 'taken', blocks: dropped })
    this.#waiting = { level, offset, arrival: Promise.withResolvers<SentBlock>() }
    this.#post({ type: 'need', level, offset, seen: this.#seen })
    return this.#use(await this.#waiting.arrival.promise, offset)
  }

  #use(block: SentBlock, offset: number): Uint8Array | undefined {
    if (block.size > 0) {
      this.#held.push(block)
      this.#heldBytes += block.size
      const ofLevel = this.#held.filter(({ level }) => level === block.level)
      const [oldest] = ofLevel
      if (ofLevel.length > heldOfLevel && oldest !== undefined) this.#drop(oldest)
      // Chains of many levels must not hold blocks of each; the least recently read goes first.
      for (let first = this.#held[0]; this.#heldBytes > heldLimit; first = this.#held[0]) {
        if (first === undefined || first === block) break
        this.#drop(first)
      }
    }
    if (block.answers === undefined) this.#post({ type: 'taken', blocks: 1 })
    return this.#view(block, offset)
  }

  #drop(block: SentBlock): void {
    this.#held.splice(this.#held.indexOf(block), 1)
    this.#heldBytes -= block.size
    if (block.bytes !== undefined) release(block.bytes)
  }

  #view(block: SentBlock, offset: number): Uint8Array | undefined {
    if (block.failure !== undefined) throw fromRecord(block.failure)
    return block.bytes?.subarray(offset - block.start)
  }

  arrived(block: SentBlock): void {
    if (block.answers === undefined) this.#seen++
    const waiting = this.#waiting
    const answers = block.level === waiting?.level && block.answers === waiting.offset
    if (waiting !== undefined && (answers || contains(block, waiting.level, waiting.offset))) {
      this.#waiting = undefined
      waiting.arrival.resolve(block)
    } else if (block.answers !== undefined) {
      return
    } else if (waiting === undefined) {
      this.#ahead.push(block)
    } else {
      // Planned before what is waited for now: its entries were passed over.
      this.#post({ type: 'taken', blocks: 1 })
    }
  }

  fail(failure: Failure): void {
    this.#failure = failure
    this.#waiting?.arrival.reject(failure)
  }
}

/** Bytes of blocks held for levels that may be read again. */
const heldLimit = 24 * 2 ** 20
/** Blocks held of a level: archives of GNU tar have all directories first, so two places of them are read in turns. */
const heldOfLevel = 3

function contains(block: SentBlock, level: number, offset: number): boolean {
  return block.level === level && offset >= block.start && offset < block.start + block.size
}
