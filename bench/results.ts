import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import type { Sum } from './corpus/inspect.ts'
import type { Measured } from './measure.ts'
import type { Startup } from './startup.ts'

/** `init` makes the repository; the other phases are those of the scenario. */
export interface Sample extends Measured {
  readonly round: number
  /** MiB in the store after the run, and how much of it the run added. */
  readonly stored: number
  readonly added: number
  /** After a restore: empty when it equals the source, else what differs. */
  readonly differs?: string
}

export interface ContestantResult {
  readonly label: string
  readonly settings: string
  readonly version: string
  readonly phases: Record<string, Sample[]>
}

export interface ScenarioResult {
  readonly title: string
  readonly scale: number
  readonly rounds: number
  readonly date: string
  readonly source: Sum
  readonly contestants: Record<string, ContestantResult>
  /** Who could not take part, and what would help. */
  readonly absent: Record<string, string>
  /** Microseconds that making a file took before the start, to tell when ext4 was slow. */
  readonly creation: number
}

/** What the JSON file holds: the newest result of each scenario. */
export interface Results {
  readonly machine: string
  readonly scenarios: Record<string, ScenarioResult>
  readonly startup?: Startup
}

function machine(): string {
  const all = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${all.length} × ${all[0]?.model.trim() ?? 'processor'}, ${memory} GiB, Linux ${release()}, Node ${process.versions.node}`
}

/** The results of earlier runs on this machine; none when there is no file or another machine made it. */
export function earlierResults(file: string): Results {
  const earlier = existsSync(file) ? readResults(file) : undefined
  return earlier?.machine === machine() ? earlier : { machine: machine(), scenarios: {} }
}

export function readResults(file: string): Results {
  return JSON.parse(readFileSync(file, 'utf8'))
}

export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.new`, `${JSON.stringify(results, null, 1)}\n`)
  renameSync(`${file}.new`, file)
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >>> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export type Figure = 'wall' | 'cpu' | 'memory' | 'stored' | 'added'

/** The median over the runs that succeeded; of memory the worst. NaN when there is none. */
export function figure(result: ContestantResult | undefined, phase: string, of: Figure): number {
  const values = (result?.phases[phase] ?? [])
    .filter(({ status }) => status === 0)
    .map((sample) => sample[of])
  return of === 'memory' && values.length > 0 ? Math.max(...values) : median(values)
}
