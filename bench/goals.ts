import { type Figure, figure, type Results } from './results.ts'

/** One bound on one of our figures: a factor of the best of `peers`, or an absolute limit where there are none. */
interface Bound {
  readonly scenario: string
  readonly phase: string
  readonly figure: Figure
  readonly ours?: string
  readonly peers: readonly string[]
  readonly most: number
}

interface Line {
  readonly title: string
  readonly goal: readonly Bound[]
  readonly least: readonly Bound[]
}

export interface Verdict {
  readonly title: string
  readonly goal: Judged
  readonly least: Judged
}

export interface Judged {
  /** `undefined`: not all that it takes was measured. */
  readonly holds: boolean | undefined
  /** Every bound in words, with the figures that it was judged by. */
  readonly words: string
}

const TARS = ['tar-zstd', 'tar-gzip']
const UNITS: Readonly<Record<Figure, string>> = {
  wall: 's',
  cpu: 's CPU',
  memory: 'MiB',
  stored: 'MiB',
  added: 'MiB',
}
const DIGITS: Readonly<Record<Figure, number>> = { wall: 2, cpu: 2, memory: 0, stored: 1, added: 2 }

function wall(scenario: string, phase: string, most: number, ...peers: readonly string[]): Bound {
  return { scenario, phase, figure: 'wall', peers, most }
}

function memory(scenario: string, phases: readonly string[], most: number): Bound[] {
  return phases.map((phase) => ({ scenario, phase, figure: 'memory', peers: [], most }))
}

function everyday(most: number): Bound[] {
  return ['small', 'mixed', 'large'].flatMap((scenario) =>
    memory(scenario, ['first', 'unchanged', 'changed', 'restore'], most),
  )
}

const LINES: readonly Line[] = [
  {
    title: 'first backup, 40,000 small files',
    goal: [
      wall('small', 'first', 1, 'tar-zstd'),
      { scenario: 'small', phase: 'first', figure: 'cpu', peers: ['tar-zstd'], most: 1.15 },
    ],
    least: [wall('small', 'first', 0.6, 'restic')],
  },
  {
    title: 'first backup, one large file',
    goal: [wall('large', 'first', 0.6, 'borg')],
    least: [wall('large', 'first', 1, 'borg'), wall('large', 'first', 0.5, 'restic')],
  },
  {
    title: 'first backup, mixed',
    goal: [wall('mixed', 'first', 0.7, 'borg')],
    least: [wall('mixed', 'first', 1, 'borg')],
  },
  {
    title: 'first backup, small files, gzip 6, no encryption',
    goal: [{ ...wall('small', 'first', 0.45, 'python-freezer'), ours: 'freezer-gzip' }],
    least: [{ ...wall('small', 'first', 0.75, 'python-freezer'), ours: 'freezer-gzip' }],
  },
  {
    title: 'nothing changed, 40,000 files',
    goal: [
      wall('small', 'unchanged', 2, ...TARS),
      { scenario: 'small', phase: 'unchanged', figure: 'added', peers: [], most: 0.1 },
    ],
    least: [wall('small', 'unchanged', 0.5, 'restic')],
  },
  {
    title: 'nothing changed, few files',
    goal: [wall('few', 'unchanged', 0.15)],
    least: [wall('few', 'unchanged', 1, 'borg')],
  },
  {
    title: '2 % changed, 40,000 files',
    goal: [wall('small', 'changed', 1.5, ...TARS)],
    least: [wall('small', 'changed', 0.5, 'restic')],
  },
  {
    title: 'restore, small files',
    goal: [wall('small', 'restore', 1, ...TARS)],
    least: [wall('small', 'restore', 0.8, 'restic')],
  },
  {
    title: 'restore, large file, verified',
    goal: [wall('large', 'restore', 1.5, 'rsync')],
    least: [wall('large', 'restore', 0.8, 'borg')],
  },
  {
    title: 'peak memory',
    goal: everyday(100),
    least: [
      ...everyday(160),
      ...memory('many', ['first', 'unchanged', 'restore'], 250),
      ...memory('sparse', ['first', 'unchanged', 'restore'], 250),
    ],
  },
]

/** Every line of the goals, judged by what was measured. */
export function judge(results: Results): Verdict[] {
  return LINES.map(({ title, goal, least }) => ({
    title,
    goal: judgeAll(goal, results),
    least: judgeAll(least, results),
  }))
}

/** Bounds that differ in scenario and phase alone are shown by the one that comes off worst. */
function judgeAll(bounds: readonly Bound[], results: Results): Judged {
  const judged = bounds.map((bound) => ({ bound, ...judgeOne(bound, results) }))
  const open = judged.some(({ ratio }) => Number.isNaN(ratio))
  const holds = judged.some(({ ratio }) => ratio > 1) ? false : open ? undefined : true
  const alike = Map.groupBy(judged, ({ bound }) => `${bound.figure} ${bound.peers.join()} ${bound.most}`)
  return { holds, words: [...alike.values()].map(worstInWords).join('; ') }
}

function worstInWords(judged: readonly { readonly ratio: number; readonly words: string }[]): string {
  const [worst, ...others] = judged
    .filter(({ ratio }) => !Number.isNaN(ratio))
    .sort((a, b) => b.ratio - a.ratio)
  if (worst === undefined) return judged[0]?.words ?? ''
  return others.length + 1 < judged.length ? `${worst.words}, others not measured` : worst.words
}

/** `ratio` is of the figure to the most that it may be; NaN when either was not measured. */
function judgeOne(bound: Bound, results: Results): { readonly ratio: number; readonly words: string } {
  const { contestants = {} } = results.scenarios[bound.scenario] ?? {}
  const show = (value: number): string => `${value.toFixed(DIGITS[bound.figure])} ${UNITS[bound.figure]}`
  const value = figure(contestants[bound.ours ?? 'freezer'], bound.phase, bound.figure)
  if (bound.peers.length === 0) {
    const limit = `≤ ${bound.most} ${UNITS[bound.figure]}`
    const where = bound.figure === 'memory' ? ` (${bound.scenario}, ${bound.phase})` : ''
    if (Number.isNaN(value)) return { ratio: Number.NaN, words: `${limit}: not measured` }
    return { ratio: value / bound.most, words: `${limit}: ${show(value)}${where}` }
  }
  const [best] = bound.peers
    .map((name) => ({ name, value: figure(contestants[name], bound.phase, bound.figure) }))
    .filter((peer) => !Number.isNaN(peer.value))
    .sort((a, b) => a.value - b.value)
  const unit = bound.figure === 'cpu' ? ' CPU' : ''
  const limit = `≤ ${bound.most} × ${best?.name ?? bound.peers.join(' or ')}${unit}`
  if (best === undefined || Number.isNaN(value)) return { ratio: Number.NaN, words: `${limit}: not measured` }
  const times = value / best.value
  return {
    ratio: times / bound.most,
    words: `${limit}: ${times.toFixed(2)} × (${show(value)} / ${show(best.value)})`,
  }
}
