/**
 * What a second storage costs: first backups of the mixed tree to one directory and to two, in turns, through the program. Prints
 * what each took, and how much longer two take than one: 1.00 is as long. The directories should not be on a disk, which the
 * two would share: in memory, what is measured is Freezer.
 *
 * Usage: node bench/several.ts [MIB] [ROUNDS] [DIRECTORY]
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { programFile } from '../test/support/program.ts'
import { makeTree } from './corpus.ts'

const mib = Number(process.argv[2] ?? 512)
const rounds = Number(process.argv[3] ?? 5)
const work = fs.mkdtempSync(path.join(process.argv[4] ?? '/dev/shm', 'freezer-several-'))

interface Taken {
  readonly seconds: number
  /** Seconds of processors, which other work on the machine does not change much. */
  readonly work: number
  /** Peak, MiB. */
  readonly memory: number
}

/** A backup to `storages` new containers. */
function backUp(tree: string, storages: number): Taken {
  const ini = path.join(work, 'several.ini')
  const containers = Array.from({ length: storages }, (_, at) => path.join(work, `container-${at}`))
  const sections = containers.map(
    (container, at) => `[storage:s${at}]\nstorage = local\ncontainer = ${container}\n`,
  )
  fs.writeFileSync(ini, sections.join(''))
  const report = path.join(work, 'time')
  const words = ['backup', tree, '-N', 'bench', '--config', ini, '--quiet', '--no-progress']
  const start = performance.now()
  execFileSync('/usr/bin/time', ['-f', '%M %U %S', '-o', report, process.execPath, programFile, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const seconds = (performance.now() - start) / 1000
  for (const container of containers) fs.rmSync(container, { recursive: true })
  const [memory = 0, user = 0, system = 0] = fs.readFileSync(report, 'utf8').trim().split(' ').map(Number)
  return { seconds, work: user + system, memory: memory / 1024 }
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

try {
  const tree = path.join(work, 'tree')
  makeTree('mixed', tree, mib / 1024)
  const taken = new Map([1, 2].map((storages) => [storages, [] as Taken[]]))
  for (const storages of taken.keys()) backUp(tree, storages)
  for (let round = 0; round < rounds; round++) {
    for (const [storages, times] of taken) times.push(backUp(tree, storages))
  }
  const of = (storages: number, what: keyof Taken) =>
    median((taken.get(storages) ?? []).map((one) => one[what]))
  for (const [storages, times] of taken) {
    const shown = times.map(({ seconds }) => seconds.toFixed(2)).join(', ')
    console.log(
      `${storages}: ${of(storages, 'seconds').toFixed(2)} s (${shown}), ` +
        `${of(storages, 'work').toFixed(2)} s of processors, ${of(storages, 'memory').toFixed(0)} MiB of memory`,
    )
  }
  const ratio = (what: keyof Taken) => (of(2, what) / of(1, what)).toFixed(2)
  console.log(`ratio: time ${ratio('seconds')}, processors ${ratio('work')}, memory ${ratio('memory')}`)
} finally {
  fs.rmSync(work, { recursive: true, force: true })
}
