import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** What is compared of one name in a tree. The times and modes of symbolic links are left out: not every tool keeps them. */
export interface Entry {
  readonly path: string
  readonly kind: 'directory' | 'file' | 'link' | 'other'
  readonly mode: number
  /** Nanoseconds since 1970; 0 for links. */
  readonly mtime: bigint
  readonly size: number
  /** SHA-256 of a file's bytes, or what a link points to. */
  readonly content: string
  /** The first name of the same file when it has several, this one included. */
  readonly firstName: string
}

export interface Sum {
  readonly sha256: string
  readonly files: number
  readonly directories: number
  readonly bytes: number
}

const buffer = Buffer.allocUnsafeSlow(4 * 1024 * 1024)

/** Every entry below `root`, parents first, in the order of names: the same on every machine. */
export function* entries(root: string): Generator<Entry, void> {
  yield* below(root, '', new Map())
}

function* below(root: string, directory: string, firstNames: Map<bigint, string>): Generator<Entry, void> {
  for (const name of readdirSync(join(root, directory)).sort()) {
    const path = join(directory, name)
    const full = join(root, path)
    const stat = lstatSync(full, { bigint: true })
    const common = {
      path,
      mode: Number(stat.mode) & 0o7777,
      mtime: stat.mtimeNs,
      size: 0,
      content: '',
      firstName: path,
    }
    if (stat.isDirectory()) {
      yield { ...common, kind: 'directory' }
      yield* below(root, path, firstNames)
    } else if (stat.isSymbolicLink()) {
      yield { ...common, kind: 'link', mode: 0, mtime: 0n, content: readlinkSync(full) }
    } else if (stat.isFile()) {
      const firstName = firstNames.get(stat.ino) ?? path
      if (stat.nlink > 1n) firstNames.set(stat.ino, firstName)
      yield { ...common, kind: 'file', size: Number(stat.size), content: digest(full), firstName }
    } else yield { ...common, kind: 'other' }
  }
}

function digest(file: string): string {
  const hash = createHash('sha256')
  const descriptor = openSync(file, 'r')
  try {
    for (let length = 1; length > 0; ) {
      length = readSync(descriptor, buffer, 0, buffer.length, null)
      hash.update(buffer.subarray(0, length))
    }
  } finally {
    closeSync(descriptor)
  }
  return hash.digest('hex')
}

/** One SHA-256 over everything that `entries` sees, to show that two machines have the same tree. */
export function sumOf(root: string): Sum {
  const hash = createHash('sha256')
  const counts = { files: 0, directories: 0, bytes: 0 }
  for (const { path, kind, mode, mtime, size, content, firstName } of entries(root)) {
    hash.update(JSON.stringify([path, kind, mode, String(mtime), size, content, firstName]))
    if (kind === 'directory') counts.directories++
    else counts.files++
    counts.bytes += size
  }
  return { sha256: hash.digest('hex'), ...counts }
}

/** In how many entries two trees differ, by what differs; empty when they are equal. */
export function differences(left: string, right: string): Map<string, number> {
  const found = new Map<string, number>()
  const count = (what: string): void => void found.set(what, (found.get(what) ?? 0) + 1)
  const ours = entries(left)
  const theirs = entries(right)
  let a = ours.next().value
  let b = theirs.next().value
  while (a !== undefined || b !== undefined) {
    const order = a === undefined ? 1 : b === undefined ? -1 : compareByTree(a.path, b.path)
    if (a !== undefined && b !== undefined && order === 0) {
      for (const what of aspects(a, b)) count(what)
    } else count(order < 0 ? 'missing' : 'too many')
    if (order <= 0) a = ours.next().value
    if (order >= 0) b = theirs.next().value
  }
  return found
}

/** The order of `entries`: a name sorts before all that it holds, and that before the next name. */
function compareByTree(left: string, right: string): number {
  const a = left.replaceAll('/', '\0')
  const b = right.replaceAll('/', '\0')
  return a < b ? -1 : a > b ? 1 : 0
}

function aspects(a: Entry, b: Entry): string[] {
  if (a.kind !== b.kind) return ['kind']
  const found: string[] = []
  if (a.content !== b.content) found.push(a.kind === 'link' ? 'link target' : 'content')
  if (a.mode !== b.mode) found.push('mode')
  if (a.mtime !== b.mtime) found.push(`${a.kind} time`)
  if (a.firstName !== b.firstName) found.push('hard link')
  return found
}
