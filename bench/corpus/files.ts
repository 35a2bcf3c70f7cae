import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Random } from './random.ts'

const FIRST = 1_640_995_200
const YEAR = 31_536_000
const STEP = 1_000_000

/**
 * Gives a file or directory a modification time in whole seconds. Step 0 is the year 2022; each later step has a time of
 * its own after it, and all stay in the past, because GNU tar takes a file from the future as changed for ever.
 */
export function stamp(path: string, random: Random, step: number): void {
  const seconds = step === 0 ? FIRST + random.below(YEAR) : FIRST + YEAR + step * STEP + random.below(STEP)
  utimesSync(path, seconds, seconds)
}

/** Writes a new file of `mode` and makes its directory when there is none. */
export function write(path: string, content: Uint8Array, random: Random, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  chmodSync(path, mode)
  stamp(path, random, 0)
}
