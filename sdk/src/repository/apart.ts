/** That several storages are several places: one under two names holds one copy, and everybody would count two. */
import { randomBytes } from 'node:crypto'
import { isFailure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { type MirroredStorage, samePlace } from '../storages/mirrored.ts'
import { type IdleLease, isLeased, leaveIdleLease, mayReadWithout } from './leases.ts'

/** What of a storage tells whether it is another one's place. */
interface Look {
  readonly name: string
  /** Undefined where nothing can be put. */
  readonly own: string | undefined
  /** Ids of others' leases that are there. */
  readonly seen: ReadonlySet<string>
}

/**
 * Puts a lease that needs nothing on each storage, under an id of its own, and looks there for those of the others. Two that
 * show each other's are one place. A container that was copied by other means, or is while this goes on, shows one of them at most.
 *
 * @param names of the storages that may be written to; the others are left alone
 * @returns disposing it waits for the leases to be removed, which goes on meanwhile
 * @throws Failure `configuration` for two that are one place; that of a storage when too few are left
 */
export async function expectApart(
  storage: MirroredStorage,
  names: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const left = new Map<string, IdleLease>()
  const remove = async (): Promise<void> => {
    await Promise.all(Array.from(left.values(), (lease) => lease.remove()))
  }
  try {
    if (names.size > 1) {
      await storage.each(signal, async (one, name) => {
        const lease = names.has(name) ? await leaveWherePossible(one, signal) : undefined
        if (lease !== undefined) left.set(name, lease)
      })
      const looks = await storage.each(signal, async (one, name): Promise<Look> => {
        const others = names.has(name) ? [...left].filter(([other]) => other !== name) : []
        const ids = others.map(([, { id }]) => id)
        return { name, own: left.get(name)?.id, seen: await seenOf(ids, one, signal) }
      })
      refuseOnePlace(looks)
    }
  } catch (error) {
    await remove()
    throw error
  }
  const removing = remove()
  return { [Symbol.asyncDispose]: () => removing }
}

/** Undefined on a storage that is read-only, or full: it may be one to heal others from. */
async function leaveWherePossible(storage: Storage, signal: AbortSignal): Promise<IdleLease | undefined> {
  try {
    return await leaveIdleLease(storage, signal)
  } catch (error) {
    if (!mayReadWithout(error)) throw error
    return undefined
  }
}

async function seenOf(ids: readonly string[], storage: Storage, signal: AbortSignal): Promise<Set<string>> {
  const there = await Promise.all(ids.map((id) => isThere(id, storage, signal)))
  return new Set(ids.filter((_, at) => there[at]))
}

/** One that must not be read is there too, if one that was never put is said not to be: another account put it. */
async function isThere(id: string, storage: Storage, signal: AbortSignal): Promise<boolean> {
  try {
    return await isLeased(storage, id, signal)
  } catch (error) {
    if (!isFailure(error) || error.code !== 'denied') throw error
    return !(await isLeased(storage, randomBytes(16).toString('hex'), signal))
  }
}

function refuseOnePlace(looks: readonly Look[]): void {
  for (const [at, one] of looks.entries()) {
    for (const other of looks.slice(at + 1)) {
      const shown = [
        ...(one.own === undefined ? [] : [other.seen.has(one.own)]),
        ...(other.own === undefined ? [] : [one.seen.has(other.own)]),
      ]
      if (shown.length > 0 && shown.every((yes) => yes)) throw samePlace(one.name, other.name)
    }
  }
}
