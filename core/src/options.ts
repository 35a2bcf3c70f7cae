/** Options that several commands share. Values of type only, so that declaring them loads nothing. */
import type { OptionDeclarations, Options } from '@freezer/sdk'
import type { Contradiction } from './configuration.ts'

/** How every command reads its configuration and shows what it does. */
export const commonOptions = {
  config: { type: 'path', value: 'FILE', help: 'Ini file with more options' },
  json: { type: 'boolean', help: 'One JSON object on stdout, events as JSON lines on stderr' },
  quiet: { type: 'boolean', help: 'Show nothing but failures' },
  progress: { type: 'boolean', default: true, help: 'Show progress' },
  debug: { type: 'boolean', help: 'Show more of what happens, and where a failure came from' },
  pluginLock: {
    type: 'path',
    value: 'FILE',
    help: 'Of the plugins that were added, use those that FILE allows alone',
  },
} as const satisfies OptionDeclarations

/** Which container a command works on, and with which key. */
export const containerOptions = {
  storage: { type: 'string', default: 'local', value: 'NAME', help: 'Where the container is' },
  encryptPassFile: {
    type: 'path',
    value: 'FILE',
    help: 'File whose first line is the passphrase',
  },
  uploadLimit: {
    type: 'bytes',
    min: 1,
    value: 'BYTES',
    help: 'Send no more than that a second: 10K, 120M',
  },
  downloadLimit: { type: 'bytes', min: 1, value: 'BYTES', help: 'Fetch no more than that a second' },
  retries: {
    type: 'integer',
    default: 7,
    min: 0,
    max: 100,
    value: 'N',
    help: 'How often a call to a storage that does not answer, or is busy, is tried again',
  },
  keyFile: {
    type: 'path',
    value: 'FILE',
    help: 'File that opens the container in place of a passphrase: all of its bytes',
  },
} as const satisfies OptionDeclarations

export const containerContradictions: readonly Contradiction[] = [{ names: ['encryptPassFile', 'keyFile'] }]

/** Who is told how a run ended. Every command that says what it is about (`watched`) has them. */
export const watchOptions = {
  metricsFile: {
    type: 'path',
    value: 'FILE.prom',
    help: 'Keep figures of the run in FILE.prom, for the textfile collector of Prometheus',
  },
  notify: { type: 'list', value: 'NAME', help: 'Who is told how the run ended (repeatable)' },
} as const satisfies OptionDeclarations

export type WatchOptions = Partial<Options<typeof watchOptions>>

/** Which backups are meant, by whose they are. */
export const filterOptions = {
  backupName: { type: 'string', short: 'N', value: 'NAME', help: 'Only backups of this name' },
  hostname: { type: 'string', value: 'HOST', help: 'Only backups of this machine' },
} as const satisfies OptionDeclarations

export type ContainerOptions = OptionDeclarations & typeof containerOptions

/** Which backups stay and which go. */
export const retentionOptions = {
  keepLast: { type: 'integer', min: 1, value: 'N', help: 'Keep the newest N backups' },
  keepHourly: {
    type: 'integer',
    min: 1,
    value: 'N',
    help: 'Keep the newest backup of each of the last N hours that have one',
  },
  keepDaily: { type: 'integer', min: 1, value: 'N', help: 'The same for days' },
  keepWeekly: { type: 'integer', min: 1, value: 'N', help: 'The same for weeks, from Monday' },
  keepMonthly: { type: 'integer', min: 1, value: 'N', help: 'The same for months' },
  keepYearly: { type: 'integer', min: 1, value: 'N', help: 'The same for years' },
  keepWithin: {
    type: 'string',
    value: 'SPAN',
    help: 'Keep what is at most SPAN older than the newest: 30d, 12h, 2y5m7d3h',
  },
  removeOlderThan: {
    type: 'number',
    short: 'R',
    min: 0,
    value: 'DAYS',
    help:
      'Remove what is older than DAYS days, but for the newest\n' +
      'Beside rules that keep, what they keep stays, and nothing younger is removed.',
  },
  removeFromDate: {
    type: 'string',
    value: 'DATE',
    help:
      'Remove what is older than DATE, be it the newest: 2026-07-01, 2026-07-01T10:30:00\n' +
      'A day means its beginning; local time unless a zone follows. Beside rules that keep, what they keep stays, and ' +
      'nothing younger is removed.',
  },
} as const satisfies OptionDeclarations
