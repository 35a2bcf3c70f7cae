/** Options that several commands share. Values of type only, so that declaring them loads nothing. */
import type { OptionDeclaration, OptionDeclarations, Options } from '@freezer/sdk'
import type { Contradiction } from './configuration.ts'

/** How every command reads its configuration and shows what it does. */
export const commonOptions = {
  config: { type: 'path', value: 'FILE', help: 'Ini file with more options' },
  json: { type: 'boolean', help: 'One JSON object on stdout, events as JSON lines on stderr' },
  quiet: { type: 'boolean', help: 'Show nothing but failures' },
  progress: { type: 'boolean', default: true, help: 'Show progress' },
  debug: { type: 'boolean', help: 'Show more of what happens, and where a failure came from' },
  logFile: { type: 'path', value: 'FILE', help: 'Add what happens to FILE, also what --quiet does not show' },
  useSyslog: { type: 'boolean', help: "Write what happens to the system's log" },
  pluginLock: {
    type: 'path',
    value: 'FILE',
    help: 'Of the plugins that were added, use those that FILE allows alone',
  },
} as const satisfies OptionDeclarations

/** Which container a command works on, and with which key. */
export const containerOptions = {
  storage: {
    type: 'list',
    default: ['local'],
    value: 'NAME',
    help:
      'Where the container is (repeatable)\n' +
      'NAME may also be that of a section [storage:NAME] of the file of --config; without --storage, all of those sections ' +
      'are meant. A backup goes to all that are named; what reads, reads from the first that answers.',
  },
  storagePolicy: {
    type: 'string',
    default: 'all',
    value: 'all|any|N',
    help:
      'How many of several storages must hold what was done, for success\n' +
      'With all, a run goes on while one is left, but fails at its end when another failed. With a number, it stops as soon ' +
      'as fewer are left; any is 1.',
  },
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
  verifyUploads: {
    type: 'boolean',
    help: 'Read everything back once it is stored, and compare; store anew what differs',
  },
  keyFile: {
    type: 'path',
    value: 'FILE',
    help: 'File that opens the container in place of a passphrase: all of its bytes',
  },
} as const satisfies OptionDeclarations

/** What a section `[storage:NAME]` may say beside the options of its storage: all that is not of the container itself. */
export const {
  storage: _storage,
  storagePolicy: _storagePolicy,
  encryptPassFile: _encryptPassFile,
  keyFile: _keyFile,
  ...connectionOptions
} = containerOptions

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

/** What else is run around a run. Every command whose spec says `hooked` has them. */
export const hookOptions = {
  before: {
    type: 'string',
    value: 'COMMAND',
    help:
      'Run COMMAND first, without a shell; when it fails, nothing else is done\n' +
      'It is split into words as a shell would. docs/hooks.md says what these commands are told.',
  },
  after: {
    type: 'string',
    value: 'COMMAND',
    help: 'Run COMMAND at the end, however it ended, be it by an interruption',
  },
  onFailure: { type: 'string', value: 'COMMAND', help: 'Run COMMAND last when the exit status is not 0' },
  hookTimeout: {
    type: 'duration',
    default: 3_600_000,
    min: 1000,
    max: 604_800_000,
    help: 'How long each of these commands may take; then it is ended, and has failed',
  },
} as const satisfies OptionDeclarations

export type HookOptions = Options<typeof hookOptions>

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

/** How many calls of a storage are under way at a time. */
export const uploadStreams = {
  type: 'integer',
  min: 1,
  max: 64,
  value: 'N',
  help: 'Segments on their way to the storage at a time, 2 unless said; each is in memory',
} as const satisfies OptionDeclaration
export const downloadStreams = {
  type: 'integer',
  min: 1,
  max: 64,
  value: 'N',
  help: 'Reads of the storage under way at a time, 2 unless said',
} as const satisfies OptionDeclaration
