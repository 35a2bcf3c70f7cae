/** Sets of whole numbers as ranges: bytes of an archive that are damaged, blocks that are to be read. */
import { lastAtMost } from '../repository/order.ts'

/** From `start` up to and without `end`. */
export interface NumberRange {
  readonly start: number
  readonly end: number
}

/** Ranges in order, with none that touch. */
export class Ranges {
  #ranges: readonly NumberRange[] = []

  constructor(ranges: Iterable<NumberRange> = []) {
    this.#ranges = joined(ranges)
  }

  *[Symbol.iterator](): IterableIterator<NumberRange> {
    yield* this.#ranges
  }

  get empty(): boolean {
    return this.#ranges.length === 0
  }

  /** How many numbers are in it. */
  get size(): number {
    return this.#ranges.reduce((sum, { start, end }) => sum + end - start, 0)
  }

  add(...ranges: readonly NumberRange[]): void {
    const last = this.#ranges.at(-1)
    const [only] = ranges
    // What comes in order is many times the rule.
    if (ranges.length === 1 && only !== undefined && only.start === last?.end && only.end > only.start) {
      this.#ranges = [...this.#ranges.slice(0, -1), { start: last.start, end: only.end }]
    } else this.#ranges = joined([...this.#ranges, ...ranges])
  }

  /** Whether a number from `start` up to and without `end` is in it. */
  meets(start: number, end: number): boolean {
    const last = this.#ranges[lastAtMost(this.#ranges, (range) => range.start - (end - 1))]
    return last !== undefined && last.end > start
  }

  /** Whether all of them are. */
  covers(start: number, end: number): boolean {
    const last = this.#ranges[lastAtMost(this.#ranges, (range) => range.start - start)]
    return last !== undefined && last.end >= end
  }

  without(others: Iterable<NumberRange>): Ranges {
    const left: NumberRange[] = []
    const cuts = joined(others)
    for (const { start, end } of this.#ranges) {
      let at = start
      for (const cut of cuts) {
        if (cut.end <= at || cut.start >= end) continue
        if (cut.start > at) left.push({ start: at, end: cut.start })
        at = Math.max(at, cut.end)
      }
      if (at < end) left.push({ start: at, end })
    }
    return new Ranges(left)
  }
}

function joined(ranges: Iterable<NumberRange>): NumberRange[] {
  const sorted = [...ranges].filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start)
  const result: NumberRange[] = []
  for (const { start, end } of sorted) {
    const last = result.at(-1)
    if (last !== undefined && start <= last.end) {
      if (end > last.end) result[result.length - 1] = { start: last.start, end }
    } else result.push({ start, end })
  }
  return result
}
