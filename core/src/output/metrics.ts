/**
 * Figures of runs in the text format 0.0.4 of Prometheus
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). All of them are gauges.
 */
import type { RunReport } from '@freezer/sdk'
import { Failure } from '@freezer/sdk'

interface Family {
  readonly help: string
  /** `gauge`; another word only in a file that a newer Freezer wrote. */
  readonly type: string
  /** Values by labels, both as they stand in the file. */
  readonly samples: Map<string, string>
}

/** Families by name. */
export type Metrics = Map<string, Family>

interface Figure {
  /** Of a `ReportedBackup`. A text is a time in ISO 8601 and becomes seconds since 1970, a boolean 0 or 1. */
  readonly fact: string
  readonly metric: string
  readonly help: string
}

/** What is kept of each backup name and host, by the command that finds it out. */
const figures: Readonly<Record<string, readonly Figure[]>> = {
  backup: [
    {
      fact: 'time',
      metric: 'freezer_backup_last_success_timestamp_seconds',
      help: 'The moment that the newest stored backup shows.',
    },
    { fact: 'seconds', metric: 'freezer_backup_duration_seconds', help: 'How long it took.' },
    { fact: 'level', metric: 'freezer_backup_level', help: 'Its level: 0 is whole.' },
    { fact: 'entries', metric: 'freezer_backup_entries', help: 'Files, directories and all else in it.' },
    { fact: 'bytes', metric: 'freezer_backup_size_bytes', help: 'What a restore of it brings back.' },
    { fact: 'stored', metric: 'freezer_backup_stored_bytes', help: 'What it added to the container.' },
    { fact: 'unread', metric: 'freezer_backup_unread_entries', help: 'Entries that could not be read.' },
    {
      fact: 'changed',
      metric: 'freezer_backup_changed_entries',
      help: 'Entries that changed while they were read.',
    },
    {
      fact: 'locked',
      metric: 'freezer_backup_locked_seconds',
      help: 'How long what was backed up was held still.',
    },
  ],
  restore: [
    {
      fact: 'time',
      metric: 'freezer_restore_shown_timestamp_seconds',
      help: 'The moment that the last restored backup shows.',
    },
    { fact: 'seconds', metric: 'freezer_restore_duration_seconds', help: 'How long the last restore took.' },
    {
      fact: 'entries',
      metric: 'freezer_restore_entries',
      help: 'Entries that the last restore brought back.',
    },
    { fact: 'bytes', metric: 'freezer_restore_size_bytes', help: 'What the last restore brought back.' },
    {
      fact: 'unrestored',
      metric: 'freezer_restore_unrestored_entries',
      help: 'Entries that the last restore could not bring back.',
    },
  ],
  status: [
    {
      fact: 'time',
      metric: 'freezer_status_newest_timestamp_seconds',
      help: 'The moment that the newest backup shows.',
    },
    {
      fact: 'age',
      metric: 'freezer_status_age_seconds',
      help: 'How old the newest backup was when the status was taken.',
    },
    { fact: 'fresh', metric: 'freezer_status_fresh', help: '1 when that is within the age asked for.' },
    {
      fact: 'complete',
      metric: 'freezer_status_complete',
      help: '1 when every entry of the newest backup could be read.',
    },
    { fact: 'backups', metric: 'freezer_status_backups', help: 'How many backups there are.' },
  ],
}

/** What is kept of the last run of each command. */
const runFigures: readonly (Omit<Figure, 'fact'> & { readonly of: (report: RunReport) => number })[] = [
  {
    metric: 'freezer_last_run_timestamp_seconds',
    help: 'When the last run ended.',
    of: ({ ended }) => Date.parse(ended) / 1000,
  },
  {
    metric: 'freezer_last_run_duration_seconds',
    help: 'How long the last run took.',
    of: ({ seconds }) => seconds,
  },
  {
    metric: 'freezer_last_run_exit_status',
    help: 'Its exit status: 0 is success.',
    of: ({ exitStatus }) => exitStatus,
  },
]

/**
 * Brings the figures of a run into those of earlier ones. Of a run that failed only that is new: what is known of
 * earlier backups stays, so that their age goes on being watched.
 */
export function recordRun(metrics: Metrics, report: RunReport): void {
  const { command, storage, host, name, backups } = report
  for (const { metric, help, of } of runFigures) {
    family(metrics, metric, help).samples.set(
      labels({ backup_name: name, command, host, storage }),
      `${of(report)}`,
    )
  }
  if (backups === undefined) return
  for (const { fact, metric, help } of figures[command] ?? []) {
    const { samples } = family(metrics, metric, help)
    // What the run was about and did not find is gone from the container.
    for (const known of samples.keys()) {
      if (lies(parseLabels(known), { backup_name: name, host, storage })) samples.delete(known)
    }
    for (const backup of backups) {
      const value = numberOf(backup.facts[fact])
      if (value === undefined) continue
      samples.set(labels({ backup_name: backup.name, host: backup.host, storage }), `${value}`)
    }
  }
}

/** Declares a family with the words of this version, and gives it. */
function family(metrics: Metrics, name: string, help: string): Family {
  const { samples } = metrics.get(name) ?? { samples: new Map<string, string>() }
  const declared = { help: escapeHelp(help), type: 'gauge', samples }
  metrics.set(name, declared)
  return declared
}

function numberOf(fact: string | number | boolean | undefined): number | undefined {
  const value =
    typeof fact === 'string' ? Date.parse(fact) / 1000 : fact === undefined ? Number.NaN : Number(fact)
  return Number.isFinite(value) ? value : undefined
}

type Labels = Readonly<Record<string, string | undefined>>

/** `{backup_name="home",host="web1"}`; a label that is missing or empty is the same to Prometheus and left away. */
function labels(values: Labels): string {
  const parts = Object.entries(values).map(([name, value]) =>
    value ? `${name}="${escapeLabel(value)}"` : '',
  )
  return `{${parts.filter((part) => part !== '').join(',')}}`
}

/** Whether `known`, which came from a file and so is well-formed, has every label that `asked` names. */
function lies(known: Labels, asked: Labels): boolean {
  return Object.entries(asked).every(([name, value]) => !value || known[name] === value.toWellFormed())
}

function escapeLabel(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, (character) => (character === '\n' ? '\\n' : '\\\\'))
}

function parseLabels(text: string): Labels {
  const found: Record<string, string> = {}
  for (const [, name = '', value = ''] of text.matchAll(labelPattern)) {
    found[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return found
}

const labelPattern = /(\w+)="((?:[^"\\\n]|\\[\\"n])*)"/g
// A name may hold characters that end a line elsewhere, so `.` is any.
const line = /^(?:# (HELP|TYPE) (freezer_\w+) (.*)|(freezer_\w+)(\{.*\})? ([^ {}]+))$/s

/** The file as text: families and samples in order of their names. */
export function renderMetrics(metrics: Metrics): string {
  const byText = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1)
  let text = ''
  for (const [name, { help, type, samples }] of [...metrics].sort(byText)) {
    if (samples.size === 0) continue
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    for (const [labelled, value] of [...samples].sort(byText)) text += `${name}${labelled} ${value}\n`
  }
  return text
}

/**
 * What `renderMetrics` of this or of another version wrote.
 * @throws Failure `refused` for anything else, which is not ours to replace
 */
export function parseMetrics(text: string): Metrics {
  const metrics: Metrics = new Map()
  for (const written of text.split('\n')) {
    if (written === '') continue
    const [, about, described = '', words = '', name = described, labelled = '', value = ''] =
      line.exec(written) ?? []
    if (name === '') {
      throw new Failure('refused', 'It exists and holds more than figures of Freezer.', {
        remedy: 'Name a file that is only for them.',
      })
    }
    const known = metrics.get(name) ?? { help: '', type: 'untyped', samples: new Map<string, string>() }
    if (about === 'HELP') metrics.set(name, { ...known, help: words })
    else if (about === 'TYPE') metrics.set(name, { ...known, type: words })
    else metrics.set(name, { ...known, samples: known.samples.set(labelled, value) })
  }
  return metrics
}
