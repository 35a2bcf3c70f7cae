import {
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { stamp, write } from './files.ts'
import { Random } from './random.ts'
import { prose, source } from './text.ts'

const SHARE = 0.02

/**
 * Changes 2 % of the files: of ten, five are edited, two added, two deleted, one renamed. Returns the bytes written.
 * Files with several names stay as they are: not every tool follows those.
 */
export function changeFiles(root: string, tree: string, step: number, seed: number): number {
  const random = new Random('change', tree, seed, step)
  const files = filesBelow(root)
  const changes = Math.max(1, Math.round(files.length * SHARE))
  const touched = new Set<string>()
  let written = 0

  const take = (): string => {
    const file = random.pick(files)
    files[files.indexOf(file)] = files.at(-1) ?? file
    files.pop()
    return file
  }

  for (let i = 0; i < changes; i++) {
    const kind = i % 10
    const file = take()
    if (kind < 5) {
      const content = edit(readFileSync(file), random)
      writeFileSync(file, content)
      stamp(file, random, step)
      written += content.length
      continue
    }
    touched.add(dirname(file))
    if (kind < 7) {
      const added = join(dirname(file), `added-${step}-${i}.txt`)
      const size = statSync(file).size
      write(added, prose(size, random), random)
      stamp(added, random, step)
      written += size
    } else if (kind < 9) unlinkSync(file)
    else renameSync(file, join(dirname(file), `renamed-${step}-${i}-${basename(file).slice(-40)}`))
  }
  for (const directory of touched) stamp(directory, random, step)
  return written
}

function edit(old: Buffer, random: Random): Buffer {
  if (random.below(2) === 0) return Buffer.concat([old, source(1 + random.below(2000), random)])
  const place = random.below(old.length + 1)
  return Buffer.concat([old.subarray(0, place), prose(1 + random.below(200), random), old.subarray(place)])
}

function filesBelow(directory: string, found: string[] = []): string[] {
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name)
    const stat = lstatSync(path)
    if (stat.isDirectory()) filesBelow(path, found)
    else if (stat.isFile() && stat.nlink === 1) found.push(path)
  }
  return found
}
