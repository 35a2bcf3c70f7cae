import { closeSync, fstatSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { stamp, write } from './files.ts'
import { Random } from './random.ts'
import { records, word } from './text.ts'

const KIB = 1024
const PAGE = 16 * KIB
const PAGES_AT_ONCE = 64
const HEADER = 38

/** A table of `bytes` in pages of 16 KiB as a database keeps it, and a log of a thirty-second of that. */
export function makeLarge(root: string, bytes: number, seed: number): void {
  const random = new Random('large', seed)
  const pages = Math.max(1, Math.round(bytes / PAGE))
  const table = join(root, 'table.db')
  const descriptor = openSync(table, 'w')
  const buffer = Buffer.alloc(PAGES_AT_ONCE * PAGE)
  for (let first = 0; first < pages; first += PAGES_AT_ONCE) {
    const count = Math.min(PAGES_AT_ONCE, pages - first)
    for (let i = 0; i < count; i++) {
      fillPage(buffer.subarray(i * PAGE, (i + 1) * PAGE), first + i, first + i, random)
    }
    writeSync(descriptor, buffer, 0, count * PAGE)
  }
  closeSync(descriptor)
  stamp(table, random, 0)
  write(join(root, 'redo.log'), records(Math.max(64 * KIB, Math.round(bytes / 32)), random), random)
}

/** Rewrites 1 % of the pages where they are and inserts a line in the middle of the log. Returns the bytes written. */
export function changeLarge(root: string, step: number, seed: number): number {
  const random = new Random('change', 'large', seed, step)
  const table = join(root, 'table.db')
  const descriptor = openSync(table, 'r+')
  const pages = fstatSync(descriptor).size / PAGE
  const changes = Math.max(1, Math.round(pages / 100))
  const page = Buffer.alloc(PAGE)
  for (let i = 0; i < changes; i++) {
    const number = random.below(pages)
    fillPage(page, number, step * 5_000_000 + i, random)
    writeSync(descriptor, page, 0, PAGE, number * PAGE)
  }
  closeSync(descriptor)
  stamp(table, random, step)

  const log = join(root, 'redo.log')
  const old = readFileSync(log)
  const middle = old.length >>> 1
  const line = Buffer.from(`{"checkpoint":${step}}\n`)
  writeFileSync(log, Buffer.concat([old.subarray(0, middle), line, old.subarray(middle)]))
  stamp(log, random, step)
  return changes * PAGE
}

/** Header, rows of words and keys, some opaque bytes, and free space behind them. */
function fillPage(page: Buffer, number: number, version: number, random: Random): void {
  page.fill(0)
  page.writeUInt32BE(random.bits(), 0)
  page.writeUInt32BE(number, 4)
  page.writeUInt32BE(version, 16)
  const used = 9_000 + random.below(6_500)
  const opaque = used - random.below(6_000)
  const repeated = [word(random), word(random)]
  let end = HEADER
  while (end < opaque) {
    end = page.writeUInt32BE(random.bits(), end)
    end = page.writeUInt32BE(number, end)
    for (const text of [word(random), ...repeated]) {
      page.set(text, end)
      end += text.length
    }
  }
  while (end < used) end = page.writeUInt32LE(random.bits(), end)
}
