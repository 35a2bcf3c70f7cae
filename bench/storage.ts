import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

const buffer = Buffer.allocUnsafeSlow(1024 * 1024)
const WORTH_EMPTYING = 64 * 1024
const PROBE_FILES = 2000
const PROBE_DIRECTORIES = 20

interface Found {
  readonly path: string
  readonly size: number
  readonly allocated: number
}

function* files(directory: string): Generator<Found, void> {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const stat = lstatSync(path)
    if (stat.isDirectory()) yield* files(path)
    else if (stat.isFile()) yield { path, size: stat.size, allocated: stat.blocks * 512 }
  }
}

/** The sizes of all files below a directory, in MiB. */
export function storedMib(directory: string): number {
  let bytes = 0
  for (const { size } of files(directory)) bytes += size
  return bytes / 2 ** 20
}

/** Reads every file once, so that it lies in the page cache; but not the sparse ones, whose holes would fill it. */
export function warm(directory: string): void {
  for (const { path, size, allocated } of files(directory)) {
    if (allocated < size / 2) continue
    const descriptor = openSync(path, 'r')
    while (readSync(descriptor, buffer, 0, buffer.length, null) > 0);
    closeSync(descriptor)
  }
}

/**
 * Gives back the room of a tree without deleting anything: ext4 steps over recently deleted inodes one by one, so that
 * whoever makes files within minutes of a deletion pays half a millisecond for each.
 */
export function empty(directory: string): void {
  for (const { path, size } of files(directory)) if (size >= WORTH_EMPTYING) truncateSync(path)
}

/** How long making one small file takes in new directories, in microseconds; leaves the files there. See `empty`. */
export function creationMicroseconds(directory: string): number {
  const start = process.hrtime.bigint()
  for (let i = 0; i < PROBE_FILES; i++) {
    const part = join(directory, String(i % PROBE_DIRECTORIES))
    if (i < PROBE_DIRECTORIES) mkdirSync(part, { recursive: true })
    writeFileSync(join(part, String(i)), '.')
  }
  return Number(process.hrtime.bigint() - start) / 1000 / PROBE_FILES
}
