/** Which backup is read, and what part of it: the options of restore and verify. */
import { hostname } from 'node:os'
import type { BackupReference, Manifest, OptionDeclarations, Options, Selection } from '@freezer/sdk'

export const backupOptions = {
  backup: {
    type: 'string',
    value: 'BACKUP',
    help: 'Which backup: an id or the beginning of one, latest, or a date',
  },
  backupName: { type: 'string', short: 'N', value: 'NAME', help: 'Name of the backup' },
  hostname: { type: 'string', value: 'HOST', help: 'Machine that was backed up; this one when not given' },
} as const satisfies OptionDeclarations

export const selectionOptions = {
  path: {
    type: 'list',
    value: 'P',
    help:
      'Only this path and what is in it; may be given several times\n' +
      'As "freezer ls" shows it, or an absolute path in what was backed up.',
  },
  include: {
    type: 'list',
    value: 'PATTERN',
    help: 'Only what matches; patterns are those of backup --exclude',
  },
  exclude: { type: 'list', value: 'PATTERN', help: 'Leave out what matches' },
} as const satisfies OptionDeclarations

export interface ChosenOptions {
  readonly host: string | undefined
  readonly name: string | undefined
  readonly backup: BackupReference | undefined
}

/** @throws Failure `usage` when nothing says which backup is meant */
export async function chosenBackup(
  options: Options<typeof backupOptions>,
  date?: string,
): Promise<ChosenOptions> {
  const { Failure } = await import('@freezer/sdk')
  const { backup, backupName: name, hostname: host } = options
  if (backup === undefined && name === undefined) {
    throw new Failure('usage', '--backup-name is required.', {
      remedy: 'Or name a backup itself with --backup: "freezer list" shows the ids.',
    })
  }
  const { parseReference } = await import('./reference.ts')
  const { parseDate } = await import('./dates.ts')
  const reference =
    backup !== undefined
      ? parseReference(backup)
      : date === undefined
        ? 'latest'
        : { before: parseDate(date) }
  // An id says whose backup it is.
  const anywhere = typeof reference === 'object' && 'id' in reference
  return { host: host ?? (anywhere ? undefined : hostname()), name, backup: reference }
}

/** The selection of a backup whose facts may say where its tree lay. */
export async function selection(
  options: Options<typeof selectionOptions>,
): Promise<(manifest: Manifest) => Selection> {
  const { bytePath, Failure } = await import('@freezer/sdk')
  const { path, include, exclude } = options
  const relative = (own: string, root: unknown): string => {
    if (!own.startsWith('/')) return own.replace(/^(?:\.\/+)+|^\.$/, '')
    if (typeof root === 'string' && own === root) return ''
    const above = root === '/' ? '/' : `${String(root)}/`
    if (typeof root === 'string' && own.startsWith(above)) return own.slice(above.length)
    throw new Failure('not-found', `${own} is not in what was backed up.`, {
      remedy: 'Give a path relative to it: "freezer ls" shows them.',
    })
  }
  const trimmed = path.map((own) => own.replaceAll(/\/{2,}/g, '/').replace(/(?<=.)\/$/, ''))
  return ({ mode: { facts } }) => ({
    paths: trimmed.map((own) => bytePath(relative(own, facts['path']))),
    include,
    exclude,
  })
}
