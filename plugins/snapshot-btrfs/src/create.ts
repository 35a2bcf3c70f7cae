import { lstat, readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { asFailure, type Context, Failure, isFailure, type Snapshot, throwIfAborted } from '@freezer/sdk'
import { omittedBelow } from './omitted.ts'
import { isOurs, isOwnerAlive, newName } from './owner.ts'
import { findPlace, rootInode } from './place.ts'
import { btrfsProgram } from './program.ts'

/** Milliseconds that removing a snapshot may take: clean-up has no other signal. */
const removalLimit = 120_000
/** A subvolume that is in use for a moment cannot be removed in it. */
const removalTries = 5

/** @throws Failure; no snapshot is left then, and none of a run that was killed */
export async function createSnapshot(
  path: string,
  directory: string | undefined,
  context: Context,
): Promise<Snapshot> {
  const { signal } = context
  const place = await findPlace(path, directory, signal)
  for (const one of place.directories) await removeLeftovers(one, context)
  const [where = place.root] = place.directories
  const at = join(where, await newName())
  try {
    const words = ['subvolume', 'snapshot', '-r', place.root, at]
    await btrfsProgram(words, `make a snapshot of ${place.root} in ${where}`, signal)
    throwIfAborted(signal)
    const made = await lstat(at)
    return {
      path: join(at, relative(place.root, place.path)),
      omitted: (until) => omittedBelow(place, until),
      verify: () => expectStill(at, made.dev),
      [Symbol.asyncDispose]: () => remove(at, `remove the snapshot ${at}`),
    }
  } catch (error) {
    await remove(at, `remove the snapshot ${at}`).catch((failure: unknown) => tell(context, failure))
    throw error
  }
}

/** Removes what runs left behind that are no more. One that cannot be removed is told of, and holds up nothing. */
async function removeLeftovers(directory: string, context: Context): Promise<void> {
  for (const name of (await readdir(directory)).filter(isOurs)) {
    throwIfAborted(context.signal)
    const at = join(directory, name)
    if ((await isOwnerAlive(name)) !== false) continue
    try {
      await remove(at, `remove the snapshot ${at} of a run that was killed`)
      const message = `The snapshot ${at} of a run that was killed was removed.`
      context.report({ type: 'log', level: 'info', message })
    } catch (error) {
      tell(context, error)
    }
  }
}

/** Removes the snapshot at `at`; one that is not there is already removed. */
async function remove(at: string, what: string): Promise<void> {
  const signal = AbortSignal.timeout(removalLimit)
  for (let attempt = 1; (await deviceOf(at)) !== undefined; attempt++) {
    try {
      await btrfsProgram(['subvolume', 'delete', at], what, signal)
    } catch (error) {
      if (attempt >= removalTries || (isFailure(error) && error.code === 'plugin')) throw error
      await pause(200 * attempt, undefined, { signal })
    }
  }
}

/** The device of the subvolume at `at`; undefined when none is there. */
async function deviceOf(at: string): Promise<number | undefined> {
  try {
    const { ino, dev } = await lstat(at)
    return ino === rootInode ? dev : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** @throws Failure `source` unless the snapshot is there, the one that was made, and read-only */
async function expectStill(at: string, device: number): Promise<void> {
  const signal = AbortSignal.timeout(removalLimit)
  const same = (await deviceOf(at)) === device
  const words = ['property', 'get', '-ts', at, 'ro']
  if (same && /^ro=true$/m.test(await btrfsProgram(words, `look at the snapshot ${at}`, signal))) return
  throw new Failure(
    'source',
    `The snapshot ${at} was ${same ? 'made writable' : 'removed'} while it was read.`,
    {
      remedy: 'Run the backup again, and leave its snapshot alone.',
    },
  )
}

function tell({ report }: Context, error: unknown): void {
  report({ type: 'log', level: 'warn', message: asFailure(error).message })
}
