// Runs Freezer beside what else a user could pick, and judges the figures: bench/README.md.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type CourseOptions, runScenario } from './course.ts'
import type { Contestant } from './peers/contestant.ts'
import { contestants } from './peers/index.ts'
import { install, releaseOf, remedyFor } from './presence.ts'
import { report } from './report.ts'
import { earlierResults, readResults, type Sample, type ScenarioResult, writeResults } from './results.ts'
import { groups, type Scenario, scenarios } from './scenarios.ts'
import { measureStartup } from './startup.ts'
import { creationMicroseconds } from './storage.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const README = join(HERE, 'README.md')
const BEGIN = '<!-- results: written by node bench/run.ts --write-readme -->'
const END = '<!-- end of results -->'
const STARTUP_RUNS = 20
const SLOW_CREATION = 150

const USAGE = `usage: npm run bench -- [OPTIONS]
  --scenario NAMES  of ${scenarios.map(({ name }) => name).join(', ')}, startup; or speed, memory, all (default: speed,startup)
  --scale N         size of the trees, 1 is the full size (default: 1 for small, 0.5 for mixed and large)
  --rounds N        how often everybody takes a turn (default: 5; memory 1)
  --only NAMES      of ${contestants.map(({ name }) => name).join(', ')}
  --json FILE       where the figures are kept (default: bench/results/latest.local.json)
  --work DIR        where the trees are made (default: bench/work)
  --limit SECONDS   a command that takes longer is killed (default: 1800)
  --install         install the Debian packages of missing contestants, and do nothing else
  --write-readme    write the figures of --json into bench/README.md, and do nothing else`

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'speed,startup' },
    scale: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string', default: join(HERE, 'results', 'latest.local.json') },
    work: { type: 'string', default: join(HERE, 'work') },
    limit: { type: 'string', default: '1800' },
    install: { type: 'boolean', default: false },
    'write-readme': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

try {
  if (values.help) console.log(USAGE)
  else if (values.install) process.exitCode = install(contestants)
  else if (values['write-readme']) writeReadme()
  else await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const wanted = values.scenario.split(',').flatMap((name) => groups[name] ?? [name])
  const unknown = wanted.find(
    (name) => name !== 'startup' && !scenarios.some((scenario) => scenario.name === name),
  )
  if (unknown !== undefined) throw new Error(`There is no scenario ${unknown}.\n${USAGE}`)
  const remedy = remedyFor()
  if (remedy !== undefined) throw new Error(`GNU time is needed: ${remedy}`)

  mkdirSync(values.work, { recursive: true })
  const work = mkdtempSync(join(values.work, 'run-'))
  const interruption = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort())
  try {
    for (const scenario of scenarios.filter(({ name }) => wanted.includes(name))) {
      const result = await measureScenario(scenario, join(work, scenario.name), interruption.signal)
      const results = earlierResults(values.json)
      writeResults(values.json, { ...results, scenarios: { ...results.scenarios, [scenario.name]: result } })
    }
    if (wanted.includes('startup')) {
      writeResults(values.json, { ...earlierResults(values.json), startup: measureStartup(STARTUP_RUNS) })
    }
    console.log(`\n${report(readResults(values.json))}`)
  } finally {
    rmSync(work, { recursive: true })
  }
}

async function measureScenario(
  scenario: Scenario,
  work: string,
  signal: AbortSignal,
): Promise<ScenarioResult> {
  const asked = contestants.filter(
    ({ name }) => scenario.contestants.includes(name) && (values.only?.split(',').includes(name) ?? true),
  )
  const absent: Record<string, string> = {}
  for (const contestant of asked) {
    const remedy = remedyFor(contestant)
    if (remedy === undefined) continue
    absent[contestant.name] = remedy
    console.log(`${contestant.name} is not there: ${remedy}`)
  }
  const present = asked
    .filter(({ name }) => !(name in absent))
    .map((one) => ({ ...one, release: releaseOf(one) }))
  const memoryOnly = groups['memory']?.includes(scenario.name) ?? false
  const options: CourseOptions = {
    work,
    scale: Number(values.scale ?? scenario.scale),
    rounds: Number(values.rounds ?? (memoryOnly ? 1 : 5)),
    limitSeconds: Number(values.limit),
    signal,
    onSample: (phase, contestant, sample) => console.log(line(scenario.name, phase, contestant, sample)),
  }
  const creation = creationMicroseconds(`${work}-probe`)
  if (creation > SLOW_CREATION) {
    console.warn(
      `Making a file takes ${creation.toFixed(0)} µs now. On ext4 that comes from trees deleted in the last minutes: ` +
        'restores will come out too slow. Wait five minutes and measure again.',
    )
  }
  await rehearse(present, { ...options, work: `${work}-rehearsal` })
  return { ...(await runScenario(scenario, present, options)), absent, creation }
}

/** Everybody once over a handful of files, so that no first run pays for reading its program from disk. */
async function rehearse(
  present: readonly (Contestant & { release: string })[],
  options: CourseOptions,
): Promise<void> {
  const few = scenarios.find(({ name }) => name === 'few')
  if (few === undefined) return
  await runScenario({ ...few, phases: ['first', 'restore'] }, present, {
    ...options,
    rounds: 1,
    onSample: () => {},
  })
}

function line(scenario: string, phase: string, contestant: string, sample: Sample): string {
  const { round, wall, cpu, memory, added, load, status, error, differs } = sample
  const figures = `${wall.toFixed(2)} s, CPU ${cpu.toFixed(2)} s, ${memory.toFixed(0)} MiB, added ${added.toFixed(2)} MiB`
  const outcome =
    status === 0 ? (differs ? `, RESTORED DIFFERS: ${differs}` : '') : `, FAILED ${status}: ${error}`
  return `${scenario} ${round} ${phase.padEnd(9)} ${contestant.padEnd(14)} ${figures} (load ${load.toFixed(1)})${outcome}`
}

/** Throws when there are no figures. */
function writeReadme(): void {
  if (!existsSync(values.json)) throw new Error(`${values.json} does not exist; measure first.`)
  const text = readFileSync(README, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin === -1 || end < begin) throw new Error(`${README} has no place for the results.`)
  const results = report(readResults(values.json))
  writeFileSync(README, `${text.slice(0, begin + BEGIN.length)}\n\n${results}\n\n${text.slice(end)}`)
}
