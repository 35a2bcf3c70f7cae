/**
 * What a second storage costs: first backups of one tree to one directory and to two, in turns, through the program. Prints
 * what each took, and how much longer two take than one: 1.00 is as long. The directories should not be on a disk, which the
 * two would share: in memory, what is measured is Freezer.
 *
 * Usage: node bench/several.ts [MIB] [ROUNDS] [DIRECTORY]
 */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { programFile } from '../test/support/program.ts'

const mib = Number(process.argv[2] ?? 512)
const rounds = Number(process.argv[3] ?? 5)
const work = fs.mkdtempSync(path.join(process.argv[4] ?? '/dev/shm', 'freezer-several-'))

/** Files of 4 MiB, half of which is noise and half compresses. */
function makeTree(directory: string): void {
  fs.mkdirSync(directory)
  const bytes = Buffer.allocUnsafeSlow(4 * 2 ** 20)
  for (let at = 0; at < mib / 4; at++) {
    randomFillSync(bytes, 0, bytes.length / 2)
    bytes.fill(`entry ${at} of a log that says much the same; `, bytes.length / 2)
    fs.writeFileSync(path.join(directory, `file-${at}`), bytes)
  }
}

/** Seconds and peak memory in MiB of a backup to `storages` new containers. */
function backUp(tree: string, storages: number): { seconds: number; memory: number } {
  const ini = path.join(work, 'several.ini')
  const containers = Array.from({ length: storages }, (_, at) => path.join(work, `container-${at}`))
  const sections = containers.map(
    (container, at) => `[storage:s${at}]\nstorage = local\ncontainer = ${container}\n`,
  )
  fs.writeFileSync(ini, sections.join(''))
  const report = path.join(work, 'time')
  const words = ['backup', tree, '-N', 'bench', '--config', ini, '--quiet', '--no-progress']
  const start = performance.now()
  execFileSync('/usr/bin/time', ['-f', '%M', '-o', report, process.execPath, programFile, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const seconds = (performance.now() - start) / 1000
  for (const container of containers) fs.rmSync(container, { recursive: true })
  return { seconds, memory: Number(fs.readFileSync(report, 'utf8').trim()) / 1024 }
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

try {
  const tree = path.join(work, 'tree')
  makeTree(tree)
  const taken = new Map([1, 2].map((storages) => [storages, [] as ReturnType<typeof backUp>[]]))
  for (const storages of [1, 2]) backUp(tree, storages)
  for (let round = 0; round < rounds; round++) {
    for (const [storages, times] of taken) times.push(backUp(tree, storages))
  }
  const seconds = [...taken.values()].map((times) => median(times.map((one) => one.seconds)))
  for (const [storages, times] of taken) {
    const shown = times.map((one) => one.seconds.toFixed(2)).join(', ')
    const memory = median(times.map((one) => one.memory)).toFixed(0)
    console.log(
      `${storages}: ${median(times.map((one) => one.seconds)).toFixed(2)} s (${shown}), ${memory} MiB of memory`,
    )
  }
  console.log(`ratio ${((seconds[1] ?? Number.NaN) / (seconds[0] ?? Number.NaN)).toFixed(2)}`)
} finally {
  fs.rmSync(work, { recursive: true, force: true })
}
