/** Pins: backups that a person wants to stay, whatever the rules of retention say. */
import { Failure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { parsePinKey, pinKey, pinsPrefix } from './names.ts'
import { putRecord } from './records.ts'
import type { Repository } from './repository.ts'
import { settle } from './settle.ts'

/**
 * Pins a backup. Whoever pins what is pinned changes nothing.
 * @param now milliseconds since 1970
 * @throws Failure `not-found` when it was removed before the pin was there
 */
export async function pinBackup(
  repository: Repository,
  id: string,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository
  const time = new Date(now).toISOString()
  await putRecord(storage, pinKey(id), { format: 'freezer pin', version: 1, time }, signal)
  await settle(storage, signal)
  // A prune notes what it is about to remove, then looks for pins: one of the two sees the other.
  if ((await repository.names(undefined, signal)).some((backup) => backup.id === id)) return
  await storage.remove(pinKey(id), signal)
  throw new Failure('not-found', 'The backup was removed by a prune before it was pinned.', {
    remedy: 'See what there is with "freezer list".',
  })
}

/** Takes a pin away; one that is not there is already away. */
export async function unpinBackup({ storage }: Repository, id: string, signal: AbortSignal): Promise<void> {
  await storage.remove(pinKey(id), signal)
}

/** Ids of all that is pinned, listed or not. */
export async function readPins(storage: Storage, signal: AbortSignal): Promise<Set<string>> {
  const pins = new Set<string>()
  for await (const { key } of storage.list(pinsPrefix, signal)) {
    const id = parsePinKey(key)
    if (id !== undefined) pins.add(id)
  }
  return pins
}
