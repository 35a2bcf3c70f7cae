/**
 * Removes segments that no backup needs and nobody reads.
 *
 * Everything rests on the order in which the container is looked at, and on what a run does before what. A run puts its
 * lease before it looks for a backup to build on and before its first segment; its lease is gone only when its
 * manifest is there, or when there will be none. A reader puts its lease before it looks at the manifest again.
 * A removal is noted before the manifest goes, and nobody sees a backup that is noted. So, looking one after the other at
 *
 *     manifests and notes; leases; segments; leases; manifests and notes
 *
 * - a backup that was removed at the first look, and that no lease of the second may need, is needed by nobody ever
 *   again: who could have seen it had a lease then, and has either committed since, which the last look shows, or
 *   lost the lease;
 * - segments of the third look whose id has no lease at the fourth and no manifest at the last have no owner that could
 *   finish. Only one that stood still right before its manifest may still put that, and be killed before it finds its
 *   lease gone. So a note comes first which makes such a manifest count for nothing, then one more look whether it
 *   came before the note.
 *
 * Whatever is not as expected ends the attempt; another begins, or the next prune goes on.
 */
import type { Context } from '../contracts/context.ts'
import { type Lost, mayNeed, readLeases, type StoredLease } from '../repository/leases.ts'
import { type BackupName, parseSegment, removedKey, segmentsPrefix } from '../repository/names.ts'
import { readEach } from '../repository/records.ts'
import { noteRemoval, readRemovals, type StoredRemoval } from '../repository/removals.ts'
import type { Repository } from '../repository/repository.ts'
import { settle } from '../repository/settle.ts'
import type { Ancestry } from './ancestry.ts'

const attempts = 3

/** What a sweep does, or would do. */
export interface Swept {
  /** Removed backups, and runs that never became one, whose segments went. */
  readonly backups: number
  readonly runs: number
  /** Bytes of segments that went. */
  readonly bytes: number
  /** Removed backups whose segments stay for now, because a run may need them, and their bytes. */
  readonly inUse: { readonly backups: number; readonly bytes: number }
}

export const nothingSwept: Swept = { backups: 0, runs: 0, bytes: 0, inUse: { backups: 0, bytes: 0 } }

/** Bytes of segments by the id of their backup. What is not named like a segment is left out, and so left alone. */
export async function listSegments(
  { storage }: Repository,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for await (const { key, size } of storage.list(segmentsPrefix, signal)) {
    const id = parseSegment(key)?.id
    if (id !== undefined) found.set(id, (found.get(id) ?? 0) + size)
  }
  return found
}

/** What is known when it is decided which segments go. */
export interface Scene {
  readonly segments: ReadonlyMap<string, number>
  readonly listed: readonly BackupName[]
  /** Backups that were removed. */
  readonly removed: readonly (Lost & { readonly level: number | undefined })[]
  readonly leases: readonly StoredLease[]
}

interface Verdict {
  readonly backups: readonly string[]
  readonly runs: readonly string[]
  readonly inUse: readonly string[]
}

/** Which segments nobody needs; none as long as nobody can tell. */
export async function judge(
  { segments, listed, removed, leases }: Scene,
  ancestry: Ancestry,
): Promise<Verdict> {
  const known = new Map(removed.map((one) => [one.id, one]))
  const there = new Set(listed.map(({ id }) => id))
  const lost = [...segments.keys()].filter((id) => !there.has(id))
  const held = new Set(leases.map(({ id }) => id))
  const runs = lost.filter((id) => !known.has(id) && !held.has(id))
  const candidates = lost.flatMap((id) => known.get(id) ?? [])
  if (runs.length === 0 && candidates.length === 0) return { backups: [], runs: [], inUse: [] }

  // Of chains that lost nothing, and cannot have, no manifest need be read.
  const chains = new Set(candidates.map(({ chain }) => chain))
  const concerned =
    runs.length > 0 || chains.has(undefined) ? listed : listed.filter(({ chain }) => chains.has(chain))
  const levels = new Map<string, Set<number>>()
  for (const { chain, level } of removed) {
    if (chain === undefined || level === undefined) continue
    levels.set(chain, (levels.get(chain) ?? new Set()).add(level))
  }
  const needs = await ancestry.needs(concerned, levels)
  if (needs.anything) return { backups: [], runs: [], inUse: [] }
  const unneeded = candidates.filter(
    ({ id, chain }) =>
      !needs.ids.has(id) && !(chain === undefined ? needs.chains.size > 0 : needs.chains.has(chain)),
  )
  const free = unneeded.filter((one) => !leases.some((lease) => mayNeed(lease, one)))
  const inUse = unneeded.filter((one) => !free.includes(one))
  return {
    backups: free.map(({ id }) => id),
    runs: runs.filter((id) => !needs.ids.has(id)),
    inUse: inUse.map(({ id }) => id),
  }
}

/** What a sweep of `scene` would do. */
export async function foresee(scene: Scene, ancestry: Ancestry): Promise<Swept> {
  const { backups, runs, inUse } = await judge(scene, ancestry)
  const bytes = bytesOf(scene.segments)
  return {
    backups: backups.length,
    runs: runs.length,
    bytes: bytes([...backups, ...runs]),
    inUse: { backups: inUse.length, bytes: bytes(inUse) },
  }
}

/** @param prune id of the prune, 32 hexadecimal digits */
export async function sweep(
  repository: Repository,
  ancestry: Ancestry,
  prune: string,
  context: Context,
  onFreed: (bytes: number) => void,
): Promise<Swept> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const swept = await trySweep(repository, ancestry, prune, context, onFreed)
    if (swept !== undefined) return swept
  }
  const message = 'Other runs changed too much meanwhile; the next prune removes what nobody needs.'
  context.report({ type: 'log', level: 'info', message })
  return nothingSwept
}

/** Undefined when the container changed in a way that makes it necessary to look again. */
async function trySweep(
  repository: Repository,
  ancestry: Ancestry,
  prune: string,
  context: Context,
  onFreed: (bytes: number) => void,
): Promise<Swept | undefined> {
  const { storage } = repository
  const { signal } = context
  const settled = (times = 1): Promise<void> => settle(storage, signal, times)
  const look = async () => ({
    listed: await repository.manifestNames(undefined, signal),
    notes: final(await readRemovals(storage, signal)),
  })

  await settled()
  const first = await look()
  // Whoever sees an old listing may do so for as long as ours takes to show it.
  await settled(2)
  const leasesBefore = (await readLeases(storage, signal)).leases
  await settled()
  const segments = await listSegments(repository, signal)
  await settled()
  const leasesAfter = (await readLeases(storage, signal)).leases
  await settled()
  const second = await look()

  const listed = unite(first.listed, second.listed)
  if (unexpected(second.notes, first.notes, listed).length > 0) return undefined
  const there = new Set(listed.map(({ id }) => id))
  const removed = [...first.notes.values()].filter(({ id }) => !there.has(id))
  const scene: Scene = { segments, listed, removed, leases: [...leasesBefore, ...leasesAfter] }
  let { backups, runs, inUse } = await judge(scene, ancestry)

  if (runs.length > 0) {
    for (const id of runs) await noteRemoval(storage, id, prune, { kind: 'swept' }, context.now(), signal)
    await settled()
    const third = await look()
    const came = third.listed.filter(({ id }) => runs.includes(id))
    const withdrawn = unexpected(third.notes, first.notes, listed)
    if (came.length > 0 || withdrawn.length > 0) {
      for (const id of runs) await storage.remove(removedKey(id, prune), signal)
      return undefined
    }
    const again = await judge({ ...scene, listed: unite(listed, third.listed) }, ancestry)
    backups = backups.filter((id) => again.backups.includes(id))
    runs = runs.filter((id) => again.runs.includes(id))
    inUse = again.inUse
  }

  const bytes = bytesOf(segments)
  for (const id of [...backups, ...runs]) {
    await removeSegments(repository, id, signal)
    onFreed(segments.get(id) ?? 0)
  }
  for (const id of runs) {
    await noteRemoval(storage, id, prune, { kind: 'swept', finished: 'yes' }, context.now(), signal)
  }
  return {
    backups: backups.length,
    runs: runs.length,
    bytes: bytes([...backups, ...runs]),
    inUse: { backups: inUse.length, bytes: bytes(inUse) },
  }
}

/** The notes that are never taken back, of backups that were removed, by id. */
function final(notes: readonly StoredRemoval[]): Map<string, StoredRemoval> {
  return new Map(notes.filter(({ kind }) => kind === 'removed').map((note) => [note.id, note]))
}

/** Backups that came and went between two looks, so that nobody here knows what was built on them. */
function unexpected(
  now: ReadonlyMap<string, StoredRemoval>,
  before: ReadonlyMap<string, StoredRemoval>,
  listed: readonly BackupName[],
): string[] {
  const seen = new Set(listed.map(({ id }) => id))
  return [...now.keys()].filter((id) => !before.has(id) && !seen.has(id))
}

function unite(a: readonly BackupName[], b: readonly BackupName[]): BackupName[] {
  return [...new Map([...a, ...b].map((name) => [name.key, name])).values()]
}

function bytesOf(segments: ReadonlyMap<string, number>): (ids: readonly string[]) => number {
  return (ids) => ids.reduce((sum, id) => sum + (segments.get(id) ?? 0), 0)
}

async function removeSegments({ storage }: Repository, id: string, signal: AbortSignal): Promise<void> {
  const keys: string[] = []
  for await (const { key } of storage.list(`${segmentsPrefix}${id}/`, signal)) {
    if (parseSegment(key)?.id === id) keys.push(key)
  }
  await readEach(keys, (key) => storage.remove(key, signal))
}
