import { type Judged, judge } from './goals.ts'
import { type ContestantResult, figure, type Results, type ScenarioResult } from './results.ts'
import { startupTable } from './startup.ts'

const OURS = 'freezer'
const NONE = '–'

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function number(value: number, digits: number): string {
  return Number.isNaN(value) ? NONE : value.toFixed(digits)
}

/** All results as Markdown, to be read in a terminal as well. */
export function report(results: Results): string {
  const parts = [`Measured on ${results.machine}.`, goalTable(results)]
  for (const [name, scenario] of Object.entries(results.scenarios)) parts.push(scenarioReport(name, scenario))
  if (results.startup !== undefined) parts.push('### Start-up', startupTable(results.startup))
  return parts.join('\n\n')
}

function goalTable(results: Results): string {
  const cell = ({ holds, words }: Judged): string =>
    `**${holds === undefined ? 'open' : holds ? 'holds' : 'missed'}** ${words}`
  const rows = judge(results).map(({ title, goal, least }) => [title, cell(goal), cell(least)])
  return `### Goals\n\n${table(['Scenario', 'Goal', 'At least'], rows)}`
}

function scenarioReport(name: string, result: ScenarioResult): string {
  const { files, directories, bytes, sha256 } = result.source
  const ours = result.contestants[OURS]
  const phases = phasesOf(result)
  const timeRows = Object.entries(result.contestants).map(([who, one]) => [
    who,
    ...phases.map((phase) => time(one, ours, phase)),
    String(roundsOf(one)),
    restored(one),
  ])
  const spaceRows = Object.entries(result.contestants).map(([who, one]) => [
    who,
    ...phases.map((phase) => number(figure(one, phase, 'memory'), 0)),
    ...phases.filter((phase) => phase !== 'restore').map((phase) => number(figure(one, phase, 'added'), 2)),
  ])
  const parts = [
    `### ${name}: ${result.title}`,
    `Scale ${result.scale}: files ${files.toLocaleString('en')}, directories ${directories.toLocaleString('en')}, ` +
      `${(bytes / 2 ** 20).toFixed(0)} MiB, sum \`${sha256.slice(0, 16)}\`. Rounds: ${result.rounds}, on ${result.date}. ` +
      `Making a file took ${result.creation.toFixed(0)} µs.`,
    'Medians: wall seconds (how many times ours takes of that), CPU seconds.',
    table(['', ...phases, 'rounds', 'restored'], timeRows),
    'Peak memory in MiB, the worst of all rounds; MiB added to the store, median.',
    table(
      [
        '',
        ...phases.map((phase) => `${phase} memory`),
        ...phases.filter((phase) => phase !== 'restore').map((phase) => `${phase} added`),
      ],
      spaceRows,
    ),
    versions(result),
  ]
  const failures = failed(result)
  return [...parts, ...failures].join('\n\n')
}

function phasesOf(result: ScenarioResult): string[] {
  const known = ['first', 'unchanged', 'changed', 'restore']
  return known.filter((phase) => Object.values(result.contestants).some((one) => phase in one.phases))
}

function time(one: ContestantResult, ours: ContestantResult | undefined, phase: string): string {
  const wall = figure(one, phase, 'wall')
  if (Number.isNaN(wall)) return NONE
  const ratio = one === ours ? '' : ` (${number(figure(ours, phase, 'wall') / wall, 2)})`
  return `${number(wall, 2)}${ratio}, ${number(figure(one, phase, 'cpu'), 2)}`
}

function roundsOf({ phases }: ContestantResult): number {
  return phases['first']?.length ?? 0
}

function restored({ phases }: ContestantResult): string {
  const found = new Set(
    (phases['restore'] ?? []).map(({ status, differs }) => (status === 0 ? differs || 'equal' : 'failed')),
  )
  return found.size === 0 ? NONE : [...found].join('; ')
}

function versions(result: ScenarioResult): string {
  const present = Object.entries(result.contestants).map(([who, { version }]) => `${who} ${version}`)
  const absent = Object.entries(result.absent).map(([who, remedy]) => `${who} absent (${remedy})`)
  return `Versions: ${[...present, ...absent].join('; ')}.`
}

function failed(result: ScenarioResult): string[] {
  return Object.entries(result.contestants).flatMap(([who, { phases }]) =>
    Object.entries(phases).flatMap(([phase, samples]) =>
      samples
        .filter(({ status }) => status !== 0)
        .map(
          ({ status, error = '' }) =>
            `**${who} failed** in ${phase} with status ${status}: ${error.trim().split('\n').at(-1)}`,
        ),
    ),
  )
}
