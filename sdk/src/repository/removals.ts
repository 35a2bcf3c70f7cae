/**
 * Notes of removals. A backup does not count while there is a note of it, whatever else is there. Each prune keeps notes
 * of its own, so that taking one back never takes back another's.
 */
import type { Storage } from '../contracts/storage.ts'
import { parseRemovedKey, plannedKey, removedKey, removedPrefix } from './names.ts'
import { putRecord, readEach, readRecord, textOf, timeOf } from './records.ts'

const format = 'freezer removal'

/**
 * `planned`: a prune will look once more, then remove the backup or take the note back. `removed`: it is no more, and
 * this is never taken back; its segments stay until nobody reads them. `swept`: its segments, which no backup
 * had, are gone; should a manifest appear, of a run that stood still all that time, it does not count.
 */
export type Removal =
  | {
      readonly kind: 'planned' | 'removed'
      readonly group: string
      readonly chain: string
      readonly level: number
    }
  /** `finished`: the prune removes nothing of it any more. */
  | { readonly kind: 'swept'; readonly finished?: 'yes' }

/** A note as it is found. */
export interface StoredRemoval {
  readonly key: string
  readonly id: string
  readonly prune: string
  /** `swept` for what cannot be understood, because that is never taken back either. */
  readonly kind: Removal['kind']
  /** Undefined when it is not known. */
  readonly group: string | undefined
  readonly chain: string | undefined
  readonly level: number | undefined
  /** Milliseconds since 1970, by the clock of the prune. */
  readonly time: number | undefined
  /** That nothing is removed any more because of it, as far as it says so itself. */
  readonly finished: boolean
}

/** @param now milliseconds since 1970 */
export async function noteRemoval(
  storage: Storage,
  id: string,
  prune: string,
  removal: Removal,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const key = removal.kind === 'planned' ? plannedKey(id, prune) : removedKey(id, prune)
  await putRecord(storage, key, { format, version: 1, ...removal, time: new Date(now).toISOString() }, signal)
}

/** Ids of all backups that do not count. */
export async function removedIds(storage: Storage, signal: AbortSignal): Promise<Set<string>> {
  const ids = new Set<string>()
  for await (const { key } of storage.list(removedPrefix, signal)) {
    const parsed = parseRemovedKey(key)
    if (parsed !== undefined) ids.add(parsed.id)
  }
  return ids
}

/** @param prefix of the keys of notes; of all when not given */
export async function readRemovals(
  storage: Storage,
  signal: AbortSignal,
  prefix = removedPrefix,
): Promise<StoredRemoval[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(prefix, signal)) keys.push(key)
  const notes = await readEach(keys, async (key): Promise<StoredRemoval | undefined> => {
    const parsed = parseRemovedKey(key)
    const note = parsed === undefined ? undefined : await readRecord(storage, key, format, signal)
    if (parsed === undefined || note === undefined) return undefined
    return {
      key,
      id: parsed.id,
      prune: parsed.prune,
      kind: parsed.planned ? 'planned' : note['kind'] === 'removed' ? 'removed' : 'swept',
      group: textOf(note['group']),
      chain: textOf(note['chain']),
      level: typeof note['level'] === 'number' ? note['level'] : undefined,
      time: timeOf(note['time']),
      finished: note['finished'] === 'yes',
    }
  })
  return notes.filter((note) => note !== undefined)
}
