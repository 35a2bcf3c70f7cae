import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { stamp, write } from './files.ts'
import { noise, Random } from './random.ts'
import { source } from './text.ts'

const KIB = 1024
const MIB = 1024 * KIB
const PER_DIRECTORY = 1000
const ISLAND = 64 * KIB
const ISLAND_EVERY = 256 * MIB

/** `files` files of at most 128 bytes, a thousand to a directory. */
export function makeMany(root: string, files: number, seed: number): void {
  const random = new Random('many', seed)
  const text = source(MIB, random)
  for (let i = 0; i < files; i++) {
    const directory = join(root, `part-${Math.floor(i / PER_DIRECTORY)}`)
    if (i % PER_DIRECTORY === 0) mkdirSync(directory)
    const start = random.below(text.length - 128)
    write(join(directory, `item-${i}.txt`), text.subarray(start, start + random.below(129)), random)
  }
}

/** One file of `bytes`, a hole but for 64 KiB of data in each 256 MiB. */
export function makeSparse(root: string, bytes: number, seed: number): void {
  const file = join(root, 'disk.img')
  const descriptor = openSync(file, 'w')
  for (let offset = 0; offset < bytes; offset += ISLAND_EVERY) {
    const island = noise(Math.min(ISLAND, bytes - offset), 'sparse', seed, offset)
    writeSync(descriptor, island, 0, island.length, offset)
  }
  ftruncateSync(descriptor, bytes)
  closeSync(descriptor)
  stamp(file, new Random('sparse', seed), 0)
}
