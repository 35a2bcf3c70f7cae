// Trees to measure backups with. Every byte, name, mode and time follows from tree, scale, seed and step:
//   node bench/corpus.ts make small --dir DIR [--scale 1] [--seed 1]
//   node bench/corpus.ts change small --dir DIR --step 1 [--seed 1]
//   node bench/corpus.ts sum --dir DIR
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { changeFiles } from './corpus/change.ts'
import { makeMany, makeSparse } from './corpus/extremes.ts'
import { stamp } from './corpus/files.ts'
import { sumOf } from './corpus/inspect.ts'
import { changeLarge, makeLarge } from './corpus/large.ts'
import { makeMixed } from './corpus/mixed.ts'
import { Random } from './corpus/random.ts'
import { makeSmall } from './corpus/small.ts'

const GIB = 2 ** 30
const FEW = 5

/** What each tree is made of at a scale; `few` is the same at every scale. */
const TREES = {
  small: (dir: string, scale: number, seed: number) => makeSmall(dir, Math.round(40_000 * scale), seed),
  mixed: (dir: string, scale: number, seed: number) => makeMixed(dir, GIB * scale, seed),
  large: (dir: string, scale: number, seed: number) => makeLarge(dir, 2 * GIB * scale, seed),
  few: (dir: string, _scale: number, seed: number) => makeSmall(dir, FEW, seed),
  many: (dir: string, scale: number, seed: number) => makeMany(dir, Math.round(1_000_000 * scale), seed),
  sparse: (dir: string, scale: number, seed: number) => makeSparse(dir, Math.round(20 * GIB * scale), seed),
} as const

export type Tree = keyof typeof TREES

function isTree(name: string): name is Tree {
  return Object.hasOwn(TREES, name)
}

/** Makes a tree in `dir`, which must be new or empty. */
export function makeTree(tree: Tree, dir: string, scale = 1, seed = 1): void {
  mkdirSync(dir, { recursive: true })
  if (readdirSync(dir).length > 0) throw new Error(`${dir} is not empty.`)
  const umask = process.umask(0o022)
  try {
    TREES[tree](dir, scale, seed)
  } finally {
    process.umask(umask)
  }
  stampDirectories(dir, new Random('directories', tree, seed))
}

function stampDirectories(directory: string, random: Random): void {
  const within = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const name of within.map((entry) => entry.name).sort()) {
    stampDirectories(join(directory, name), random)
    stamp(join(directory, name), random, 0)
  }
}

/** Changes a tree as a day of work does; steps count from 1. Returns the bytes written. */
export function changeTree(tree: Tree, dir: string, step: number, seed = 1): number {
  return tree === 'large' ? changeLarge(dir, step, seed) : changeFiles(dir, tree, step, seed)
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dir: { type: 'string' },
      scale: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      step: { type: 'string', default: '1' },
    },
  })
  const [action, tree = ''] = positionals
  const { dir } = values
  if (dir === undefined || (action !== 'sum' && !isTree(tree))) {
    console.error(
      'usage: corpus.ts make|change small|mixed|large|few|many|sparse --dir DIR [--scale N] [--seed N] [--step N]',
    )
    console.error('       corpus.ts sum --dir DIR')
    process.exitCode = 2
    return
  }
  if (action === 'make' && isTree(tree)) makeTree(tree, dir, Number(values.scale), Number(values.seed))
  if (action === 'change' && isTree(tree)) changeTree(tree, dir, Number(values.step), Number(values.seed))
  console.log(JSON.stringify(sumOf(dir)))
}

if (import.meta.main) main()
