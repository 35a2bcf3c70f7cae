import { linkSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { write } from './files.ts'
import { noise, Random } from './random.ts'
import { name, prose, source } from './text.ts'

const KIB = 1024
const ENDINGS = ['.c', '.h', '.ts', '.js', '.py', '.go', '.json', '.md', '.txt', '.yaml']

/** `files` files of source-like text, some 7 KiB each, 14 to a directory, with some links and some names beyond ASCII. */
export function makeSmall(root: string, files: number, seed: number): void {
  const random = new Random('small', seed)
  const directories = makeDirectories(root, Math.max(1, Math.round(files / 14)), random)
  const licence = prose(11 * KIB, new Random('licence', seed))
  let last: string | undefined
  for (let i = 0; i < files; i++) {
    const file = join(random.pick(directories), `${name(random)}-${i}${random.pick(ENDINGS)}`)
    const kind = random.below(1000)
    if (kind < 10 && last !== undefined) symlinkSync(relative(dirname(file), last), file)
    else if (kind < 13 && last !== undefined) linkSync(last, file)
    else if (kind < 23) write(file, Buffer.alloc(0), random)
    else if (kind < 60) write(file, licence, random)
    else {
      const size = random.size(4350, 1.45, 512 * KIB)
      const mode = kind < 100 ? 0o755 : kind < 120 ? 0o600 : 0o644
      if (kind < 150) write(file, noise(size, 'small', seed, i), random, mode)
      else write(file, kind < 260 ? prose(size, random) : source(size, random), random, mode)
      last = file
    }
  }
}

function makeDirectories(root: string, count: number, random: Random): string[] {
  const top = join(root, 'src')
  const depths = new Map([[top, 0]])
  mkdirSync(top)
  for (let i = 1; i < count; i++) {
    const candidate = random.pick([...depths.keys()])
    const parent = (depths.get(candidate) ?? 0) < 9 ? candidate : top
    const directory = join(parent, `${name(random)}${random.below(50) === 0 ? ' größer' : ''}${i}`)
    mkdirSync(directory)
    depths.set(directory, (depths.get(parent) ?? 0) + 1)
  }
  return [...depths.keys()]
}
