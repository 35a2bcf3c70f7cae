import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { differences, sumOf } from './corpus/inspect.ts'
import { changeTree, makeTree } from './corpus.ts'
import { type Command, measure } from './measure.ts'
import type { Contestant, Place } from './peers/contestant.ts'
import type { Sample, ScenarioResult } from './results.ts'
import type { Phase, Scenario } from './scenarios.ts'
import { empty, storedMib, warm } from './storage.ts'

const PASSPHRASE = 'a passphrase for measuring'

export interface CourseOptions {
  /** A new directory, with room for the source and one round of everything stored and restored. */
  readonly work: string
  readonly scale: number
  readonly rounds: number
  readonly limitSeconds: number
  readonly signal: AbortSignal
  /** Told of every sample as it is taken. */
  readonly onSample: (phase: string, contestant: string, sample: Sample) => void
}

/** A contestant in one round. One that failed does nothing more in that round. */
interface Runner {
  readonly contestant: Contestant
  readonly place: Place
  generation: number
  failed: boolean
}

/**
 * Runs a scenario: in every round each contestant does the first phase, then each the second, and so on, in an order that
 * turns from round to round, so that a slow minute of the machine falls on all of them.
 */
export async function runScenario(
  scenario: Scenario,
  contestants: readonly (Contestant & { readonly release: string })[],
  options: CourseOptions,
): Promise<Omit<ScenarioResult, 'absent' | 'creation'>> {
  const source = join(options.work, 'source')
  makeTree(scenario.tree, source, options.scale)
  const sum = sumOf(source)
  const phases = new Map(contestants.map(({ name }): [string, Record<string, Sample[]>] => [name, {}]))

  for (let round = 0; round < options.rounds; round++) {
    const taking = contestants.filter(({ name }) => round === 0 || !scenario.once.includes(name))
    const runners = turned(taking, round).map((contestant) => ({
      contestant,
      place: makePlace(join(options.work, `round-${round}`, contestant.name), source),
      generation: 0,
      failed: false,
    }))
    for (const phase of ['init', ...scenario.phases] as const) {
      if (phase === 'changed') changeTree(scenario.tree, source, round + 1)
      for (const runner of runners) {
        const line =
          phase === 'init' || phase === 'restore' ? runner.contestant[phase] : runner.contestant.backup
        if (line === undefined || runner.failed) continue
        const sample = await takeSample(runner, phase, line, round, options)
        runner.failed = sample.status !== 0
        ;((phases.get(runner.contestant.name) ?? {})[phase] ??= []).push(sample)
        options.onSample(phase, runner.contestant.name, sample)
      }
    }
    for (const { place } of runners) for (const tree of [place.store, place.target]) empty(tree)
  }

  return {
    title: scenario.title,
    scale: options.scale,
    rounds: options.rounds,
    date: new Date().toISOString().slice(0, 10),
    source: sum,
    contestants: Object.fromEntries(
      contestants.map(({ name, label, settings, release }) => [
        name,
        { label, settings, version: release, phases: phases.get(name) ?? {} },
      ]),
    ),
  }
}

function turned<T>(items: readonly T[], by: number): T[] {
  const first = items.length === 0 ? 0 : by % items.length
  return [...items.slice(first), ...items.slice(0, first)]
}

function makePlace(directory: string, source: string): Place {
  const place = {
    source,
    store: join(directory, 'store'),
    work: join(directory, 'work'),
    target: join(directory, 'target'),
    passphrase: PASSPHRASE,
    passphraseFile: join(directory, 'passphrase'),
  }
  for (const path of [place.store, place.work, place.target]) mkdirSync(path, { recursive: true })
  writeFileSync(place.passphraseFile, PASSPHRASE, { mode: 0o600 })
  return place
}

async function takeSample(
  runner: Runner,
  phase: Phase | 'init',
  line: string,
  round: number,
  options: CourseOptions,
): Promise<Sample> {
  const { place } = runner
  warm(phase === 'restore' ? place.store : place.source)
  const before = storedMib(place.store)
  spawnSync('sync')
  const measured = await measure(command(runner, line, options))
  if (phase !== 'init') runner.generation++
  const stored = storedMib(place.store)
  const sample = { ...measured, round, stored, added: stored - before }
  if (phase !== 'restore' || measured.status !== 0) return sample
  const differs = [...differences(place.source, place.target)].map(([what, count]) => `${what} ${count}`)
  return { ...sample, differs: differs.join(', ') }
}

function command({ contestant, place, generation }: Runner, line: string, options: CourseOptions): Command {
  const environment = {
    HOME: place.work,
    SOURCE: place.source,
    STORE: place.store,
    WORK: place.work,
    TARGET: place.target,
    PASSPHRASE_FILE: place.passphraseFile,
    GENERATION: String(generation),
    PREVIOUS: generation === 0 ? '' : String(generation - 1),
    ...contestant.environment?.(place),
  }
  return {
    line,
    environment,
    scratch: place.work,
    limitSeconds: options.limitSeconds,
    signal: options.signal,
  }
}
