/**
 * `freezer.lock`: the plugins that an administrator allows, each with a digest of its code. Plugins of the program itself are
 * part of it, and need no line there.
 *
 *     { "format": 1, "plugins": [{ "package": "…", "version": "1.0.0", "digest": "sha256-…" }] }
 */
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure, fromSystem } from '@freezer/sdk'
import type { Candidate, Registry } from '../admission.ts'
import { digestOf } from './digest.ts'

export interface LockedPlugin {
  readonly package: string
  readonly version: string
  readonly digest: string
}

/**
 * `registry` with what `file` allows.
 *
 * @throws Failure `configuration` for a lock that cannot be read: then nothing is allowed
 */
export function locked(registry: Registry, file: string): Registry {
  const allowed = new Map(readLock(file).map((plugin) => [plugin.package, plugin]))
  return registry.without((candidate) => {
    if (candidate.origin === 'bundled') return undefined
    const entry = allowed.get(candidate.package)
    const remedy = `Look at what changed, then write the lock anew with "freezer plugins lock ${file}".`
    if (entry === undefined) return { message: `it is not listed in ${file}.`, remedy }
    const digest = tryDigest(candidate)
    if (digest === entry.digest) return undefined
    const version = candidate.version === entry.version ? '' : ` (version ${entry.version})`
    return { message: `its files are not those that ${file} allows${version}.`, remedy }
  })
}

/** The lines of a lock for these plugins. */
export function lockEntries(candidates: readonly Candidate[]): LockedPlugin[] {
  return candidates
    .filter(({ origin }) => origin !== 'bundled')
    .map((candidate) => ({
      package: candidate.package,
      version: candidate.version,
      digest: digestOf(dirname(candidate.file)),
    }))
    .sort((a, b) => (a.package < b.package ? -1 : 1))
}

/** @throws Failure `denied`, `not-found`, `no-space` */
export async function writeLock(file: string, plugins: readonly LockedPlugin[]): Promise<void> {
  const fresh = `${file}.${process.pid}`
  try {
    await writeFile(fresh, `${JSON.stringify({ format: 1, plugins }, undefined, 2)}\n`)
    await rename(fresh, file)
  } catch (error) {
    throw fromSystem(error, `write ${file}`)
  }
}

/** Undefined for a package that cannot be read whole: that is not what was allowed either. */
function tryDigest({ file }: Candidate): string | undefined {
  try {
    return digestOf(dirname(file))
  } catch {
    return undefined
  }
}

function readLock(file: string): readonly LockedPlugin[] {
  const fail = (why: string, cause?: unknown) =>
    new Failure('configuration', `The plugin lock ${file} ${why}.`, {
      remedy: 'Write it with "freezer plugins lock", or name another one with --plugin-lock.',
      cause,
    })
  let lock: unknown
  try {
    lock = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw fail(error instanceof SyntaxError ? 'is not JSON' : 'cannot be read', error)
  }
  const { format, plugins }: { format?: unknown; plugins?: unknown } = Object(lock)
  if (format !== 1) throw fail('is of a format that this Freezer does not know')
  if (!Array.isArray(plugins) || !plugins.every(isEntry)) throw fail('has a line that is not understood')
  return plugins
}

function isEntry(entry: unknown): entry is LockedPlugin {
  const one: Partial<Record<string, unknown>> = Object(entry)
  return ['package', 'version', 'digest'].every((member) => typeof one[member] === 'string')
}
