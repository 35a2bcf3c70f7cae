/** Trees for the engine contract. Paths are byte strings ("latin1") relative to a directory. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { compareDirectories } from '../src/contracts/entry.ts'

/** The path of `name` in `directory`, as Node takes any bytes. */
export function rawPath(directory: string, name = ''): Buffer<ArrayBuffer> {
  const parts = [Buffer.from(directory), ...(name === '' ? [] : [Buffer.from(`/${name}`, 'latin1')])]
  return Buffer.concat(parts)
}

/** Writes a file, making the directories above it. */
export function write(directory: string, name: string, content: string | Uint8Array): void {
  const slash = name.lastIndexOf('/')
  fs.mkdirSync(rawPath(directory, name.slice(0, Math.max(0, slash))), { recursive: true })
  fs.writeFileSync(rawPath(directory, name), content)
}

export function makeDirectory(directory: string, name: string): void {
  fs.mkdirSync(rawPath(directory, name), { recursive: true })
}

export function link(directory: string, name: string, target: string): void {
  fs.symlinkSync(Buffer.from(target, 'latin1'), rawPath(directory, name))
}

export function remove(directory: string, name: string): void {
  fs.rmSync(rawPath(directory, name), { recursive: true })
}

/** Every path below `directory`, the directory itself ('') included, in walk order. */
export function walk(directory: string, below = ''): string[] {
  const names = fs.readdirSync(rawPath(directory, below), { withFileTypes: true, encoding: 'latin1' })
  const paths = names
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((entry) => ({ entry, path: below === '' ? entry.name : `${below}/${entry.name}` }))
  const others = paths.filter(({ entry }) => !entry.isDirectory()).map(({ path }) => path)
  const directories = paths.filter(({ entry }) => entry.isDirectory()).map(({ path }) => path)
  return [below, ...others, ...directories.sort(compareDirectories).flatMap((path) => walk(directory, path))]
}

/** What a restore must bring back of one path. */
export interface Described {
  readonly type: 'file' | 'directory' | 'symlink' | 'other'
  readonly mode?: string
  /** Milliseconds since 1970. */
  readonly mtime: number
  /** Bytes and SHA-256. */
  readonly content?: string
  readonly link?: string
}

/** Content, mode, time and link target of all that is in `directory`, by path. Reads with `node:fs` alone. */
export function describeTree(directory: string): Record<string, Described> {
  const described: Record<string, Described> = {}
  for (const path of walk(directory)) {
    const raw = rawPath(directory, path)
    const stat = fs.lstatSync(raw)
    const mode = (stat.mode & 0o7777).toString(8)
    const mtime = Math.floor(stat.mtimeMs)
    if (stat.isDirectory()) described[path] = { type: 'directory', mode, mtime }
    else if (stat.isFile()) described[path] = { type: 'file', mode, mtime, content: digest(raw) }
    else if (stat.isSymbolicLink())
      described[path] = { type: 'symlink', mtime, link: fs.readlinkSync(raw, { encoding: 'latin1' }) }
    else described[path] = { type: 'other', mode, mtime }
  }
  return described
}

function digest(file: Buffer): string {
  const content = fs.readFileSync(file)
  return `${content.length} ${createHash('sha256').update(content).digest('hex')}`
}

/** The content of every file and the target of every link in `directory`, by path. */
export function contents(directory: string): Record<string, string> {
  const described = Object.entries(describeTree(directory))
  return Object.fromEntries(
    described.map(([path, { type, content, link: target }]) => [path, content ?? target ?? type]),
  )
}

const million = 1_000_000n

/** Sets the time of a file, a directory or a link itself, in seconds since 1970. */
export function setTime(raw: Buffer, seconds: number): void {
  // As a number, Node would take a negative time for "now".
  fs.lutimesSync(raw, String(seconds), String(seconds))
}

/**
 * Moves times away from where one millisecond becomes the next: who sets a time in floating-point seconds may miss
 * it by a part of a microsecond.
 */
export function settleTimes(directory: string): void {
  for (const path of walk(directory)) {
    const raw = rawPath(directory, path)
    const { mtimeNs } = fs.lstatSync(raw, { bigint: true })
    const rest = Number(((mtimeNs % million) + million) % million)
    if (rest > 100_000 && rest < 900_000) continue
    setTime(raw, Number((mtimeNs - BigInt(rest)) / million) / 1000 + 0.0005)
  }
}
