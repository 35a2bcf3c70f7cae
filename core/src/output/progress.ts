import type { Progress } from '@freezer/sdk'
import { clock, count, size, visible, width } from './text.ts'

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
  const percent = known ? `${Math.floor(share * 100)}%`.padStart(4) : ''
  const left = known && rate !== undefined && rate > 0 ? Math.max(0, total - bytes) / rate : undefined
  // From the most telling to the least; each takes part while there is room for it.
  const parts = [
    visible(progress.phase),
    percent,
    known ? `${size(bytes)} / ${size(total)}` : size(bytes),
    left === undefined ? clock(seconds) : `${clock(left)} left`,
    rate === undefined ? '' : `${size(Math.round(rate))}/s`,
    `${count(entries)} entries`,
  ]
  let line = ''
  for (const part of parts) {
    if (part === '') continue
    const longer = line === '' ? part : `${line}  ${part}`
    if (width(longer) > columns) break
    line = longer
  }
  const room = columns - width(line) - 4
  if (!known || room < 10) return line
  const length = Math.min(room, 30)
  const done = Math.round(share * length)
  const [phase = '', ...rest] = line.split('  ')
  return [phase, `[${'#'.repeat(done)}${'.'.repeat(length - done)}]`, ...rest].join('  ')
}
