/** What the engine contract expects, each with words for what is wrong. */
import fs from 'node:fs'
import type { Warning } from '../src/contracts/context.ts'
import { displayPath, type Entry, entryPath } from '../src/contracts/entry.ts'
import { expect, expectEqual, expectFailure } from './contract.ts'
import type { Archived } from './engine-run.ts'
import { rawPath } from './small-tree.ts'

/** How long an engine may take to end after an abort, in milliseconds; its thread is killed a second later. */
const abortTime = 4_000

export function expectNone(warnings: readonly Warning[]): void {
  const [first] = warnings
  expect(first === undefined, `a warning that nothing gives reason for: ${JSON.stringify(first)}`)
}

/** Every path is named by a warning of `kind`, itself or by something in it, and no other is. */
export function expectNamed(
  warnings: readonly Warning[],
  kind: Warning['kind'],
  paths: readonly string[],
): void {
  const named = warnings.filter((warning) => warning.kind === kind).map((warning) => warning.path)
  const belongs = (name: string, own: string) => name === own || name.startsWith(`${own}/`)
  for (const own of paths) {
    expect(
      named.some((name) => belongs(name, own)),
      `no warning "${kind}" names "${own}"`,
    )
  }
  const other = named.find((name) => !paths.some((own) => belongs(name, own)))
  expect(other === undefined, `a warning "${kind}" names "${other}" without reason`)
}

export function expectAsItIs(entry: Entry, tree: string): void {
  const own = entryPath(entry)
  const stat = fs.lstatSync(rawPath(tree, own), { bigint: true })
  const type = stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'symlink' : 'file'
  const second = 1_000_000_000n
  const expected = {
    type,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === 'file' ? Number(stat.size) : 0,
    mtimeNs: BigInt(entry.mtime) * second + BigInt(entry.mtimeNs),
    link: type === 'symlink' ? fs.readlinkSync(rawPath(tree, own), { encoding: 'latin1' }) : '',
  }
  const { mode, uid, gid, size, link: target } = entry
  const told = { type: entry.type, mode, uid, gid, size, mtimeNs: stat.mtimeNs, link: target }
  expect(
    expected.mtimeNs === told.mtimeNs && entry.mtimeNs >= 0 && entry.mtimeNs < 1e9,
    `"${displayPath(own)}" has another modification time in the index`,
  )
  expectEqual({ ...told, mtimeNs: 0 }, { ...expected, mtimeNs: 0 }, `entry of "${displayPath(own)}"`)
}

export function expectPlaces(chain: readonly Archived[]): void {
  const written = new Map<number, Entry[]>()
  for (const entry of chain.at(-1)?.entries ?? []) {
    const { level, offset, length } = entry.place
    const size = chain[level]?.archive.length
    const own = displayPath(entryPath(entry))
    expect(size !== undefined, `"${own}" is placed at level ${level}, which does not exist`)
    expect(
      offset >= 0 && length >= 0 && offset + length <= size,
      `"${own}" is placed at ${offset} to ${offset + length} of an archive of ${size} bytes`,
    )
    if (entry.type !== 'file' || entry.size === 0) continue
    expect(length > 0, `"${own}" has content and no place`)
    written.set(level, [...(written.get(level) ?? []), entry])
  }
  for (const files of written.values()) {
    files.sort((a, b) => a.place.offset - b.place.offset)
    for (const [at, { place, ...entry }] of files.entries()) {
      const next = files[at + 1]
      expect(
        next === undefined || place.offset + place.length <= next.place.offset,
        `the records of "${entryPath(entry)}" and "${next && entryPath(next)}" overlap`,
      )
    }
  }
}

export async function expectAbort(
  run: (abort: () => void, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const controller = new AbortController()
  let aborted = Number.NaN
  const abort = (): void => {
    aborted = performance.now()
    controller.abort()
  }
  await expectFailure(['interrupted'], () => run(abort, controller.signal), 'an aborted run')
  const took = Math.round(performance.now() - aborted)
  expect(took < abortTime, `it took ${took} ms to end after an abort`)
}
