import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { write } from './files.ts'
import { noise, Random } from './random.ts'
import { prose, records } from './text.ts'

const KIB = 1024
const MIB = 1024 * KIB
const INCOMPRESSIBLE = 0.4

interface File {
  readonly label: string
  readonly content: Uint8Array
  readonly incompressible: boolean
}

interface Kept {
  readonly path: string
  readonly incompressible: boolean
}

/**
 * About `bytes` of what an office keeps: reports, exports, pictures, and copies of them, whole or revised.
 * 40 % of the bytes cannot be compressed.
 */
export function makeMixed(root: string, bytes: number, seed: number): void {
  const random = new Random('mixed', seed)
  const kept: Kept[] = []
  let incompressibleBytes = 0
  for (let total = 0, i = 0; total < bytes; i++) {
    const file =
      incompressibleBytes < total * INCOMPRESSIBLE ? picture(i, random, seed) : another(i, random, seed, kept)
    const path = join(root, `department ${random.below(12)}`, `project-${random.below(30)}`, file.label)
    write(path, file.content, random)
    kept.push({ path, incompressible: file.incompressible })
    total += file.content.length
    if (file.incompressible) incompressibleBytes += file.content.length
  }
}

function picture(index: number, random: Random, seed: number): File {
  const content = noise(random.size(450 * KIB, 1.4, 16 * MIB), 'mixed', seed, index)
  return { label: `picture_${index}.jpg`, content, incompressible: true }
}

function another(index: number, random: Random, seed: number, kept: readonly Kept[]): File {
  const kind = random.below(100)
  if (kind < 18 && kept.length > 0) {
    const { path, incompressible } = random.pick(kept)
    const original = readFileSync(path)
    if (kind < 9) return { label: `copy of ${index}.bin`, content: original, incompressible }
    return { label: `revised ${index}.bin`, content: revise(original, random, index, seed), incompressible }
  }
  if (kind < 70) {
    const content = prose(random.size(200 * KIB, 1.5, 4 * MIB), random)
    return { label: `report ${index}.txt`, content, incompressible: false }
  }
  const content = records(random.size(260 * KIB, 1.6, 8 * MIB), random)
  return { label: `export-${index}.json`, content, incompressible: false }
}

/** Bytes put in near the front, so that all that follows has moved, and more written at the end. */
function revise(content: Buffer, random: Random, index: number, seed: number): Buffer {
  const cut = random.below(Math.min(content.length, 4000))
  const inserted = noise(1 + random.below(300), 'revision', seed, index)
  return Buffer.concat([
    content.subarray(0, cut),
    inserted,
    content.subarray(cut),
    prose(random.below(9000), random),
  ])
}
