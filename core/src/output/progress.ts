import type { Progress } from '@freezer/sdk'
import { clock, count, size, visible, width } from './text.ts'

const barLength = 20

/** Seconds after which a measured rate has lost most of its weight. */
const memory = 5

/** Bytes a second, smoothed: what happened lately counts more. */
export class Rate {
  #bytes = 0
  #at = 0
  #value: number | undefined

  /** @param at seconds since the start of the run */
  add(bytes: number, at: number): void {
    const elapsed = at - this.#at
    if (elapsed <= 0) return
    // What is done before the first byte says nothing of how fast the others come.
    if (this.#value === undefined && bytes === 0) {
      this.#at = at
      return
    }
    const now = (bytes - this.#bytes) / elapsed
    const weight = this.#value === undefined ? 1 : 1 - Math.exp(-elapsed / memory)
    this.#value = (this.#value ?? 0) * (1 - weight) + now * weight
    this.#bytes = bytes
    this.#at = at
  }

  /** Undefined until something was measured. */
  get value(): number | undefined {
    return this.#value
  }
}

/**
 * One line of at most `columns` columns: phase, bar and share where the total is known, bytes, rate, time left,
 * entries. What does not fit is left away, the least telling first.
 *
 * @param seconds since the start of the run
 */
export function progressLine(
  progress: Progress,
  rate: number | undefined,
  seconds: number,
  columns: number,
): string {
  const { bytes, entries, total } = progress
  const known = total !== undefined && total > 0
  const share = known ? Math.min(1, bytes / total) : 0
  const done = Math.round(share * barLength)
  const left = known && rate !== undefined && rate > 0 ? Math.max(0, total - bytes) / rate : undefined
  // As they stand on the line, each with its rank: while there is room, the next in rank takes part.
  const parts: [text: string, rank: number][] = [
    [visible(progress.phase), 0],
    [known ? `[${'#'.repeat(done)}${'.'.repeat(barLength - done)}]` : '', 4],
    [known ? `${Math.floor(share * 100)}%`.padStart(4) : '', 1],
    [known ? `${size(bytes)} / ${size(total)}` : size(bytes), 2],
    [rate === undefined ? '' : `${size(Math.round(rate))}/s`, 5],
    [left === undefined ? clock(seconds) : `${clock(left)} left`, 3],
    [`${count(entries)} entries`, 6],
  ]
  let line = ''
  for (let rank = 0; rank < parts.length; rank++) {
    const texts = parts.filter((part) => part[0] !== '' && part[1] <= rank).map(([text]) => text)
    const longer = texts.join('  ')
    if (width(longer) > columns) break
    line = longer
  }
  return line
}
