/** What a container holds, from its manifests alone. */
import { type FailureRecord, isFailure, toRecord } from '../contracts/failures.ts'
import type { ForeignFacts } from './manifest.ts'
import type { BackupName } from './names.ts'
import type { Repository } from './repository.ts'

export interface BackupSummary {
  readonly id: string
  readonly host: string
  readonly name: string
  readonly level: number
  /** Id of the level 0 that it builds on. */
  readonly chain: string
  /** ISO 8601, UTC. */
  readonly time: string
  readonly mode: string
  readonly engine: string
  readonly codecs: readonly string[]
  readonly encrypted: boolean
  /** Entries of the tree and bytes of their content; undefined where only reading the backup would tell. */
  readonly entries: number | undefined
  readonly bytes: number | undefined
  /** Bytes that it added to the storage. */
  readonly stored: number
  readonly unread: number
  readonly changed: number
  /** In a container of another program. */
  readonly foreign?: ForeignFacts
}

/** A backup whose manifest cannot be read. */
export interface DamagedBackup {
  readonly manifest: string
  readonly failure: FailureRecord
}

export interface BackupFilter {
  readonly host?: string | undefined
  readonly name?: string | undefined
}

/**
 * Every backup, oldest first; one that cannot be read is given as such and does not hide the others.
 */
export async function* listBackups(
  repository: Repository,
  filter: BackupFilter,
  signal: AbortSignal,
): AsyncGenerator<BackupSummary | DamagedBackup> {
  const { host, name } = filter
  const of = host !== undefined && name !== undefined ? { host, name } : undefined
  for (const backup of await repository.names(of, signal)) {
    const summary = await summarize(repository, backup, signal)
    if (summary === undefined) continue
    if ('failure' in summary) yield summary
    else if ((host === undefined || summary.host === host) && (name === undefined || summary.name === name))
      yield summary
  }
}

/** Undefined for a backup that a prune removed since it was listed. */
async function summarize(
  repository: Repository,
  backup: BackupName,
  signal: AbortSignal,
): Promise<BackupSummary | DamagedBackup | undefined> {
  try {
    const manifest = await repository.manifest(backup, signal)
    const { id, host, name, level, chain, time, stored, unread, changed, foreign } = manifest
    return {
      id,
      host,
      name,
      level,
      chain,
      time,
      mode: manifest.mode.name,
      engine: manifest.engine.name,
      codecs: manifest.codecs.map((codec) => codec.name),
      encrypted: foreign?.encrypted ?? manifest.key !== undefined,
      entries: foreign === undefined ? manifest.tree.entries : undefined,
      bytes: foreign === undefined ? manifest.tree.bytes : undefined,
      stored,
      unread,
      changed,
      ...(foreign === undefined ? {} : { foreign }),
    }
  } catch (error) {
    if (isFailure(error) && error.code === 'not-found') return undefined
    if (!isFailure(error) || error.code !== 'damaged') throw error
    return { manifest: backup.key, failure: toRecord(error) }
  }
}

export interface ContainerInfo {
  readonly encrypted: boolean
  readonly backups: number
  readonly damaged: number
  readonly chains: number
  /** ISO 8601, UTC. */
  readonly oldest: string | undefined
  readonly newest: string | undefined
  /** Bytes of all blobs, and how many there are. */
  readonly stored: number
  readonly blobs: number
  readonly names: readonly {
    readonly host: string
    readonly name: string
    readonly backups: number
    readonly chains: number
    readonly newest: string
    /** Bytes that its backups added, and bytes of content of the newest. */
    readonly stored: number
    readonly bytes: number | undefined
  }[]
}

/** Sums up a container. */
export async function describeContainer(repository: Repository, signal: AbortSignal): Promise<ContainerInfo> {
  const backups: BackupSummary[] = []
  let damaged = 0
  for await (const backup of listBackups(repository, {}, signal)) {
    if ('failure' in backup) damaged++
    else backups.push(backup)
  }
  let stored = 0
  let blobs = 0
  for await (const { size } of repository.origin.list('', signal)) {
    stored += size
    blobs++
  }
  const byName = Map.groupBy(backups, ({ host, name }) => JSON.stringify([host, name]))
  const names = [...byName.values()].flatMap((group) => {
    const newest = group.at(-1)
    if (newest === undefined) return []
    const { host, name, bytes, time } = newest
    const chains = new Set(group.map((b) => b.chain)).size
    return {
      host,
      name,
      backups: group.length,
      chains,
      newest: time,
      stored: sum(group.map((b) => b.stored)),
      bytes,
    }
  })
  return {
    encrypted: repository.encrypted,
    backups: backups.length,
    damaged,
    chains: new Set(backups.map((b) => b.chain)).size,
    oldest: backups[0]?.time,
    newest: backups.at(-1)?.time,
    stored,
    blobs,
    names: names.sort((a, b) => (a.host + a.name < b.host + b.name ? -1 : 1)),
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}
