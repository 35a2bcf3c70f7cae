import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

/** Runs `btrfs`, and gives what it printed. */
export function btrfs(...words: readonly string[]): string {
  return execFileSync('btrfs', words, { encoding: 'utf8' })
}

export function makeSubvolume(at: string): string {
  btrfs('subvolume', 'create', at)
  return at
}

/** Snapshots of the plugin that there are on the file system at `root`, wherever. */
export function snapshotsOn(root: string): string[] {
  return btrfs('subvolume', 'list', root)
    .split('\n')
    .filter((line) => line.includes('.freezer-snapshot.'))
}

/** The content of every file below a directory, by paths relative to it. */
export function contents(directory: string): Record<string, string> {
  const names = fs.readdirSync(directory, { recursive: true, withFileTypes: true })
  const files = names
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
  return Object.fromEntries(
    files.sort().map((file) => [file, fs.readFileSync(path.join(directory, file), 'latin1')]),
  )
}
