/** Of several storages one is read: what of the others it lacks is told, because nobody would see it. */
import type { Context, Repository } from '@freezer/sdk'
import { asFailure, Failure, throwIfAborted } from '@freezer/sdk'
import type { ConfiguredStorage } from './storages.ts'

/** Milliseconds in all for a look at the others: whoever reads waits for it. */
const limit = 5000

/** The container that is read, and the name of its storage. */
interface Reading {
  readonly name: string
  readonly repository: Repository
}

/**
 * Warns of each of `others` that has backups which the container that is read lacks. Each is opened without retries, and
 * closed when its listing was read. One that does not answer in time is told in the debug log alone.
 *
 * @throws Failure `interrupted`
 */
export async function warnWhereLagging(
  reading: Reading,
  others: readonly ConfiguredStorage[],
  context: Context,
): Promise<void> {
  throwIfAborted(context.signal)
  if (others.length === 0) return
  const over = new AbortController()
  // Unlike that of AbortSignal.timeout, this timer keeps the program alive for a storage that waits for nothing.
  const timer = setTimeout(
    () => over.abort(new Failure('unavailable', `It took longer than ${limit / 1000} seconds.`)),
    limit,
  )
  const signal = AbortSignal.any([over.signal, context.signal])
  const { promise: stopped, reject } = Promise.withResolvers<never>()
  const stop = () => reject(signal.reason)
  signal.addEventListener('abort', stop)
  const bounded = { ...context, signal }
  const look = async (other: ConfiguredStorage): Promise<void> => {
    try {
      // A storage that heeds no signal is left behind, and closed whenever it answers.
      await Promise.race([compare(reading, other, bounded), stopped])
    } catch (error) {
      const message = `The storage ${other.name} was not compared: ${asFailure(error).message}`
      context.report({ type: 'log', level: 'debug', message })
    }
  }
  try {
    await Promise.all(others.map(look))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
  throwIfAborted(context.signal)
}

/** @throws Failure of the storage */
async function compare(
  { name, repository }: Reading,
  other: ConfiguredStorage,
  context: Context,
): Promise<void> {
  const storage = await other.driver.open(other.options, context, { create: false })
  try {
    const lacking = await repository.lacking(storage, context.signal)
    throwIfAborted(context.signal)
    const newest = lacking.at(-1)
    if (newest === undefined) return
    const many = lacking.length === 1 ? '1 backup' : `${lacking.length} backups`
    const time = new Date(newest.time).toISOString()
    const message =
      `The storage ${other.name} has ${many} that ${name}, which is read, lacks; the newest is of ${time}. ` +
      `"freezer heal" brings what is missing; --storage ${other.name} reads from ${other.name}.`
    context.report({ type: 'log', level: 'warn', message })
  } finally {
    await storage.close?.()
  }
}
