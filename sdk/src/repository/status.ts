/** Whether what should be backed up is: the newest backup of every name, judged by its age and by what it lacks. */
import { isFailure, toRecord } from '../contracts/failures.ts'
import type { DamagedBackup } from './listing.ts'
import type { Manifest } from './manifest.ts'
import { type BackupName, groupOf } from './names.ts'
import type { Repository } from './repository.ts'

export interface StatusRequest {
  readonly repository: Repository
  /** Only backups of this machine, only those of this name. */
  readonly host?: string | undefined
  readonly name?: string | undefined
  /** How old the newest backup of a name may be, in milliseconds. Without it nothing is said of freshness. */
  readonly maxAge?: number | undefined
}

/** One backup name of one host. */
export interface NameStatus {
  readonly host: string
  readonly name: string
  /** How many backups there are, those whose manifest is damaged included. */
  readonly backups: number
  /** The newest backup that can be read. */
  readonly newest: {
    readonly id: string
    readonly level: number
    /** ISO 8601, UTC: the moment that it shows, and when it was complete. */
    readonly time: string
    readonly completed: string
    /** Entries of the tree and bytes of their content. */
    readonly entries: number
    readonly bytes: number
    /** Bytes that it added to the storage. */
    readonly stored: number
    readonly unread: number
    readonly changed: number
  }
  /** Seconds since the moment that the newest backup shows; below 0 when a clock is wrong. */
  readonly age: number
  /** Whether it is young enough; undefined when nobody said how young that is. */
  readonly fresh: boolean | undefined
  /** Whether every entry could be read. Entries that changed meanwhile are in it, so they do not count here. */
  readonly complete: boolean
}

export interface ContainerStatus {
  /** ISO 8601, UTC: the moment from which ages are counted. */
  readonly time: string
  /** Seconds. */
  readonly maxAge: number | undefined
  readonly names: readonly NameStatus[]
  /** Manifests newer than the newest one that can be read: older ones are not looked at. */
  readonly damaged: readonly DamagedBackup[]
}

/**
 * The newest backup of every name and host. It costs a listing of the manifests and reads one manifest of each.
 *
 * @param now milliseconds since 1970
 */
export async function containerStatus(
  { repository, host, name, maxAge }: StatusRequest,
  now: number,
  signal: AbortSignal,
): Promise<ContainerStatus> {
  const of = host !== undefined && name !== undefined ? { host, name } : undefined
  const groups = Map.groupBy(await repository.names(of, signal), ({ key }) => groupOf(key))
  const names = new Map<string, NameStatus>()
  const damaged: DamagedBackup[] = []
  for (const backups of groups.values()) {
    const found = await newestReadable(repository, backups, signal)
    const { manifest } = found
    const wanted =
      (host === undefined || (manifest?.host ?? host) === host) &&
      (name === undefined || (manifest?.name ?? name) === name)
    if (!wanted) continue
    damaged.push(...found.damaged)
    if (manifest === undefined) continue
    const status = judge(manifest, found.backups, maxAge, now)
    // A container with several repository keys keeps a name in several groups.
    const key = JSON.stringify([status.host, status.name])
    names.set(key, joined(names.get(key), status))
  }
  return {
    time: new Date(now).toISOString(),
    maxAge: maxAge === undefined ? undefined : maxAge / 1000,
    names: [...names.values()].sort((a, b) => compare(a.name, b.name) || compare(a.host, b.host)),
    damaged,
  }
}

/** From the newest backwards; what a prune took away meanwhile is passed over. */
async function newestReadable(
  repository: Repository,
  backups: readonly BackupName[],
  signal: AbortSignal,
): Promise<{ manifest: Manifest | undefined; backups: number; damaged: DamagedBackup[] }> {
  const damaged: DamagedBackup[] = []
  let gone = 0
  for (const backup of backups.toReversed()) {
    try {
      const manifest = await repository.manifest(backup, signal)
      return { manifest, backups: backups.length - gone, damaged }
    } catch (error) {
      if (!isFailure(error)) throw error
      if (error.code === 'not-found') gone++
      else if (error.code === 'damaged') damaged.push({ manifest: backup.key, failure: toRecord(error) })
      else throw error
    }
  }
  return { manifest: undefined, backups: damaged.length, damaged }
}

function judge(manifest: Manifest, backups: number, maxAge: number | undefined, now: number): NameStatus {
  const { id, host, name, level, time, completed, tree, stored, unread, changed } = manifest
  // Times of a name never run back. So once a clock was ahead, only `completed` tells when a backup was really made.
  const [shows, made] = [Date.parse(time), Date.parse(completed)]
  const age = now - (made < shows ? made : shows)
  return {
    host,
    name,
    backups,
    newest: { id, level, time, completed, ...tree, stored, unread, changed },
    age: age / 1000,
    // As far in the future as it may lie in the past: a clock a little ahead is no alarm, one far ahead is.
    fresh: maxAge === undefined ? undefined : Math.abs(age) <= maxAge,
    complete: unread === 0,
  }
}

function joined(a: NameStatus | undefined, b: NameStatus): NameStatus {
  if (a === undefined) return b
  const newest = Date.parse(a.newest.time) > Date.parse(b.newest.time) ? a : b
  return { ...newest, backups: a.backups + b.backups }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
