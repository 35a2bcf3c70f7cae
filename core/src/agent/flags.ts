/**
 * The command line of the Python Freezer, flag by flag: which option of ours each one is, or why it means nothing here, or
 * why it is refused. One table, from which parsing, help, the ini file and docs/migrating.md follow.
 */
/** Values of our options, by their names; as text, or booleans. */
export type Settings = Readonly<Record<string, string | boolean>>

export interface Flag {
  readonly short?: string
  /** Other long names that it had. */
  readonly aliases?: readonly string[]
  /** What follows it; `maybe`: true, false or the like, or nothing, which is true. */
  readonly takes: 'value' | 'nothing' | 'maybe'
  /** The action that it says something to; all where this is missing. */
  readonly only?: string
  readonly meaning: Meaning
}

export type Meaning =
  /** Our option of this name, or several. */
  | { readonly to: string | ((value: string) => Settings) }
  /** The agent itself sees to it. */
  | { readonly own: true }
  /** Accepted with a warning that says why it means nothing. */
  | { readonly ignored: string }
  | { readonly refused: string; readonly instead: string }

type Flags = Readonly<Record<string, Flag>>

/** `ssh-key` → `sshKey`. */
export function optionName(flag: string): string {
  return flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

const guide = 'docs/migrating.md says how.'

/** Flags that are options of ours by the same name. */
function same(takes: Flag['takes'], ...names: readonly string[]): Flags {
  return Object.fromEntries(names.map((name) => [name, { takes, meaning: { to: optionName(name) } }]))
}

function own(takes: Flag['takes'], ...names: readonly string[]): Flags {
  return Object.fromEntries(names.map((name) => [name, { takes, meaning: { own: true } }]))
}

function ignored(why: string, takes: Flag['takes'], ...names: readonly string[]): Flags {
  return Object.fromEntries(names.map((name) => [name, { takes, meaning: { ignored: why } }]))
}

function refused(why: string, instead: string, takes: Flag['takes'], ...names: readonly string[]): Flags {
  return Object.fromEntries(names.map((name) => [name, { takes, meaning: { refused: why, instead } }]))
}

const no = /^(?:false|none|no|off|0|)$/i

export function isTrue(value: string): boolean {
  return !no.test(value)
}

const limit = (name: string): Flag => ({
  takes: 'value',
  // That was how to say "no limit".
  meaning: { to: (value) => (value.startsWith('-') ? {} : { [name]: value }) },
})

/** By their long names, with dashes. */
export const flags: Flags = {
  action: { takes: 'value', meaning: { own: true } },
  ...own('value', 'config', 'config-file', 'config-dir', 'metadata-out', 'log-dir'),
  command: { takes: 'value', only: 'exec', meaning: { to: 'command' } },
  help: { takes: 'nothing', short: 'h', meaning: { own: true } },
  version: { takes: 'nothing', short: 'V', meaning: { own: true } },
  'list-objects': { takes: 'nothing', short: 'l', meaning: { own: true } },
  'max-priority': { takes: 'maybe', meaning: { own: true } },
  sync: { takes: 'maybe', meaning: { own: true } },

  // What is backed up.
  'path-to-backup': {
    takes: 'value',
    short: 'F',
    aliases: ['file-to-backup', 'src-file'],
    meaning: { to: (value) => ({ pathToBackup: value.trimEnd() }) },
  },
  'backup-name': { takes: 'value', short: 'N', meaning: { to: 'backupName' } },
  hostname: { takes: 'value', aliases: ['restore-from-host'], meaning: { to: 'hostname' } },
  mode: { takes: 'value', short: 'm', meaning: { own: true } },
  engine: { takes: 'value', short: 'e', meaning: { own: true } },
  snapshot: { takes: 'maybe', short: 's', meaning: { own: true } },
  exclude: { takes: 'value', only: 'backup', meaning: { to: 'exclude' } },
  'dereference-symlink': { takes: 'value', only: 'backup', meaning: { to: 'dereferenceSymlink' } },

  // Where it goes, and how.
  ...same('value', 'storage', 'compression', 'encrypt-pass-file'),
  container: { takes: 'value', short: 'C', meaning: { to: 'container' } },
  'max-segment-size': {
    takes: 'value',
    short: 'M',
    aliases: ['max-seg-size'],
    meaning: { to: 'maxSegmentSize' },
  },
  'upload-limit': limit('uploadLimit'),
  'download-limit': limit('downloadLimit'),
  proxy: { takes: 'value', meaning: { to: 'proxy' } },
  insecure: { takes: 'nothing', meaning: { to: 'insecure' } },
  'dry-run': { takes: 'nothing', meaning: { to: 'dryRun' } },

  // Levels.
  ...same('value', 'max-level', 'always-level', 'restart-always-level'),
  incremental: { takes: 'maybe', meaning: { to: (value) => ({ incremental: isTrue(value) }) } },
  'no-incremental': { takes: 'maybe', meaning: { to: (value) => ({ incremental: !isTrue(value) }) } },

  // Restore and retention.
  ...same('value', 'restore-abs-path', 'restore-from-date'),
  overwrite: {
    takes: 'nothing',
    only: 'restore',
    meaning: { to: (value): Settings => (isTrue(value) ? { overwrite: 'always', delete: true } : {}) },
  },
  'remove-older-than': {
    takes: 'value',
    only: 'admin',
    short: 'R',
    aliases: ['remove-older-then'],
    meaning: { to: 'removeOlderThan' },
  },

  'remove-from-date': { takes: 'value', only: 'admin', meaning: { to: 'removeFromDate' } },

  // Storages.
  ...same('value', 'ssh-key', 'ssh-username', 'ssh-host', 'ssh-port', 'ssh-password'),
  ...same('value', 'ftp-host', 'ftp-port', 'ftp-username', 'ftp-password', 'ftp-keyfile', 'ftp-certfile'),
  ...same('value', 'access-key', 'secret-key', 'endpoint'),
  ...same('value', 'osrc', 'os-auth-url', 'os-username', 'os-password', 'os-project-id', 'os-project-name'),
  ...same('value', 'os-region-name', 'os-cacert', 'os-token', 'os-user-domain-name', 'os-user-domain-id'),
  ...same('value', 'os-project-domain-name', 'os-project-domain-id', 'os-interface'),
  'os-tenant-name': { takes: 'value', meaning: { to: 'osProjectName' } },
  'os-tenant-id': { takes: 'value', meaning: { to: 'osProjectId' } },
  'os-auth-method': { takes: 'value', meaning: { to: 'osAuthType' } },
  'os-endpoint-type': {
    takes: 'value',
    meaning: { to: (value) => ({ osInterface: value.replace(/URL$/, '') }) },
  },

  // What is shown.
  quiet: { takes: 'nothing', short: 'q', meaning: { to: 'quiet' } },
  debug: { takes: 'nothing', short: 'd', meaning: { to: 'debug' } },
  'log-file': { takes: 'value', meaning: { to: 'logFile' } },
  'use-syslog': { takes: 'nothing', meaning: { to: 'useSyslog' } },

  // What means nothing here.
  ...ignored(
    'every backup has digests of all that is in it, and every restore checks them',
    'nothing',
    'consistency-check',
  ),
  ...ignored(
    'that checksum depended on the order of a directory; a restore checks the digests that the backup has',
    'value',
    'consistency-checksum',
  ),
  ...ignored('blocks of files are found by another method', 'value', 'rsync-block-size'),
  ...ignored(
    'Keystone v3 is what is spoken',
    'value',
    'os-identity-api-version',
    'os-auth-version',
    'os-auth-ver',
  ),
  ...ignored(
    'no such service is asked',
    'value',
    'os-compute-api-version',
    'os-volume-api-version',
    'os-image-api-version',
    'temp-resource-prefix',
    'timeout',
    'nova-restore-network',
    'fullbackup-rotation',
  ),
  ...ignored(
    'the log has one form; --log-file and --use-syslog say where it goes',
    'value',
    'log-config-append',
    'log-config',
    'log-date-format',
    'syslog-log-facility',
    'logging-context-format-string',
    'logging-default-format-string',
    'logging-debug-format-suffix',
    'logging-exception-prefix',
    'logging-user-identity-format',
    'default-log-levels',
    'instance-format',
    'instance-uuid-format',
    'rate-limit-interval',
    'rate-limit-burst',
    'rate-limit-except-level',
    'log-rotate-interval',
    'log-rotate-interval-type',
    'log-rotation-type',
    'max-logfile-count',
    'max-logfile-size-mb',
  ),
  ...ignored(
    'the log has one form; --log-file and --use-syslog say where it goes',
    'nothing',
    'use-journal',
    'use-json',
    'use-stderr',
    'watch-log-file',
    'publish-errors',
    'fatal-deprecations',
    'log-color',
    'verbose',
  ),

  // What is refused, because the run would not do what was asked for.
  ...Object.fromEntries(
    ['srcvol', 'volgroup', 'snapname', 'dirmount', 'snapsize', 'snap-perm', 'auto-snap'].map((name) => [
      `lvm-${name}`,
      {
        takes: 'value',
        only: 'backup',
        meaning: {
          refused: 'this version makes no LVM snapshots',
          instead: `Make and mount one with --before, and remove it with --after; ${guide}`,
        },
      } satisfies Flag,
    ]),
  ),
  ...refused('this version makes no VSS snapshots', guide, 'value', 'vssadmin'),
  ...refused(
    'there is no mode for databases of that kind',
    `Back up a dump, or a snapshot; ${guide}`,
    'value',
    'mysql-conf',
    'sql-server-conf',
  ),
  ...refused(
    'this version backs up no servers, images and volumes of OpenStack',
    guide,
    'value',
    'cinder-vol-id',
    'cinder-vol-name',
    'cinder-inst-id',
    'cinderbrick-vol-id',
    'cindernative-vol-id',
    'cindernative-backup-id',
    'cindernative-backup-az',
    'cindernative-backup-container',
    'nova-inst-id',
    'nova-inst-name',
    'glance-image-id',
    'glance-image-name',
    'glance-image-name-filter',
    'project-id',
    'os-trust-id',
  ),
  ...refused(
    'files of a container are not handled one by one',
    'Use "freezer cat" or "freezer dump", or a client of the storage.',
    'value',
    'get-object',
    'dst-file',
  ),
  ...refused(
    'files of a container are not handled one by one',
    'Use a client of the storage.',
    'nothing',
    'upload',
  ),
  'list-containers': {
    takes: 'nothing',
    short: 'L',
    meaning: {
      refused: 'containers are not listed',
      instead: 'Use a client of the storage; "--action info --container NAME" tells of one.',
    },
  },
}

/** A flag, by any of its long names in dashes. */
export function flagNamed(name: string): { readonly name: string; readonly flag: Flag } | undefined {
  const direct = Object.hasOwn(flags, name) ? flags[name] : undefined
  if (direct !== undefined) return { name, flag: direct }
  const found = Object.entries(flags).find(([, { aliases = [] }]) => aliases.includes(name))
  return found === undefined ? undefined : { name: found[0], flag: found[1] }
}

export function flagLettered(letter: string): { readonly name: string; readonly flag: Flag } | undefined {
  const found = Object.entries(flags).find(([, { short }]) => short === letter)
  return found === undefined ? undefined : { name: found[0], flag: found[1] }
}

/** Every long name that is accepted. */
export function allFlagNames(): string[] {
  return Object.entries(flags).flatMap(([name, { aliases = [] }]) => [name, ...aliases])
}

/** What a value of a flag says in our options; undefined when it is none of them. */
export function optionsOf({ meaning, takes }: Flag, value: string): Settings | undefined {
  if (!('to' in meaning)) return undefined
  const { to } = meaning
  if (typeof to !== 'string') return to(value)
  return { [to]: takes === 'nothing' ? isTrue(value) : value }
}
