/** Entries that an engine hands out, on its thread: collected into lots, which go to the host by message. */
import type { EntryDetails, EntryTarget } from '../contracts/engine.ts'
import type { Entry } from '../contracts/entry.ts'
import { type Failure, toRecord } from '../contracts/failures.ts'
import type { FromEngine, LotPart } from './engine-messages.ts'

type Post = (message: FromEngine, transfer?: readonly ArrayBuffer[]) => void

/** A lot goes out when it has so many bytes of content and attributes, or so many entries. */
const lotBytes = 512 * 1024
const lotParts = 1024
/** Lots that the host has not taken yet; the engine waits when there are more. */
const lotsUnderWay = 4

const nothing = new Uint8Array(0)

export class ThreadEntryTarget implements EntryTarget {
  readonly kind = 'entries'
  readonly content: boolean
  readonly #post: Post
  #parts: LotPart[] = []
  /** Content of this lot, and how much of it is filled; attributes count too, but lie elsewhere. */
  #bytes: Uint8Array<ArrayBuffer> = nothing
  #filled = 0
  #attributeBytes = 0
  #underWay = 0
  /** Number of the entry at hand, and of the last one of which the host wants no more. */
  #number = 0
  #left = 0
  #waiting: PromiseWithResolvers<void> | undefined
  #failure: Failure | undefined

  constructor(post: Post, content: boolean) {
    this.#post = post
    this.content = content
  }

  begin(entry: Entry, details: EntryDetails): Promise<void> | undefined {
    this.#number++
    // A view would take the whole buffer behind it along.
    const attributes = details.attributes.map(({ name, value }) => ({ name, value: new Uint8Array(value) }))
    for (const { name, value } of attributes) this.#attributeBytes += name.length + value.length
    const failure = details.failure === undefined ? undefined : toRecord(details.failure)
    this.#parts.push({ type: 'begin', entry, attributes, device: details.device, failure })
    return this.#room()
  }

  write(bytes: Uint8Array, position: number): boolean | Promise<boolean> {
    if (this.#left >= this.#number) return false
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(lotBytes)
    if (bytes.length > this.#bytes.length - this.#filled) return this.#writeLong(bytes, position)
    this.#put(bytes, position)
    return true
  }

  end(failure?: Failure): Promise<void> | undefined {
    this.#parts.push({ type: 'end', failure: failure === undefined ? undefined : toRecord(failure) })
    return this.#room()
  }

  /** Hands over the last lot. */
  finish(): void {
    if (this.#parts.length > 0) this.#hand()
  }

  taken(): void {
    this.#underWay--
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  leave(entry: number): void {
    this.#left = Math.max(this.#left, entry)
  }

  fail(failure: Failure): void {
    this.#failure = failure
    this.#waiting?.reject(failure)
  }

  async #writeLong(bytes: Uint8Array, position: number): Promise<boolean> {
    for (let done = 0; done < bytes.length; ) {
      if (this.#left >= this.#number) return false
      if (this.#bytes.length === 0) this.#bytes = new Uint8Array(lotBytes)
      const part = bytes.subarray(done, done + this.#bytes.length - this.#filled)
      this.#put(part, position + done)
      done += part.length
      await this.#room()
    }
    return true
  }

  #put(bytes: Uint8Array, position: number): void {
    this.#bytes.set(bytes, this.#filled)
    this.#filled += bytes.length
    this.#parts.push({ type: 'write', position, length: bytes.length })
  }

  /** Hands a full lot over; waits while too many were not taken. */
  #room(): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure
    const full = this.#filled + this.#attributeBytes >= lotBytes || this.#parts.length >= lotParts
    if (full) this.#hand()
    if (this.#underWay < lotsUnderWay) return undefined
    this.#waiting = Promise.withResolvers<void>()
    return this.#waiting.promise
  }

  #hand(): void {
    // What is mostly empty is not worth keeping alive on the other side.
    const content = this.#bytes.subarray(0, this.#filled)
    // Nor may `nothing` go: it would be gone for the next lot.
    const copied = this.#filled === 0 || this.#filled * 2 < this.#bytes.length
    const bytes = copied ? content.slice() : content
    const parts = this.#parts
    this.#parts = []
    this.#bytes = nothing
    this.#filled = 0
    this.#attributeBytes = 0
    this.#underWay++
    this.#post({ type: 'lot', lot: { parts, bytes } }, [bytes.buffer])
  }
}
