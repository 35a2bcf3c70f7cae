/** Where running programs can be talked to: a directory that belongs to one user alone. */
import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '@freezer/sdk'

/**
 * The directories in which a run of this user may have left its socket, the likeliest first. They depend on nothing that
 * differs between a login and a cron job, unless FREEZER_RUNTIME_DIR names one.
 */
export function runtimeDirectories(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  user = process.getuid?.() ?? 0,
): readonly string[] {
  const given = environment['FREEZER_RUNTIME_DIR']
  if (given !== undefined && given !== '') return [given]
  return user === 0
    ? ['/run/freezer', '/tmp/freezer-0']
    : [`/run/user/${user}/freezer`, `/tmp/freezer-${user}`]
}

/**
 * The first of `directories` whose parent is there, made when it is missing.
 * @throws Failure `denied` when it is not this user's alone: somebody else could answer there, or ask
 */
export function openRuntimeDirectory(directories: readonly string[]): string {
  const directory = directories.find((one) => existsSync(dirname(one)))
  if (directory === undefined) throw new Failure('not-found', 'There is no place for a socket.')
  mkdirSync(directory, { mode: 0o700, recursive: true })
  expectPrivate(directory)
  return directory
}

/** @throws Failure `denied` unless `directory` is one, of this user, and nobody else may enter it */
export function expectPrivate(directory: string): void {
  const found = lstatSync(directory)
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return
  throw new Failure('denied', `${directory} is not a directory that belongs to you alone.`, {
    remedy: 'Remove it, or name another with FREEZER_RUNTIME_DIR.',
  })
}
