/** Loading code of others: it may neither end the program nor keep it waiting for ever. */

/** Milliseconds that a plugin may take to load. */
const patience = 10_000

/** What a module did instead of loading. */
export class Hindered extends Error {}

const exit = process.exit
let loading = 0

/**
 * Runs `load`, within a limit of time and without `process.exit`. A module that never lets go of the thread is beyond
 * help here.
 *
 * @throws Hindered
 */
export async function guarded<T>(load: () => Promise<T>, limit = patience): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Hindered(`it has not finished loading after ${limit / 1000} seconds.`)),
    limit,
  )
  // Signals end the program through the real one, which they keep a reference to.
  loading++
  process.exit = (code) => {
    const hindered = new Hindered(`it tries to end the program when it is loaded (status ${code ?? 0}).`)
    reject(hindered)
    throw hindered
  }
  try {
    return await Promise.race([load(), promise])
  } finally {
    clearTimeout(timer)
    loading--
    if (loading === 0) process.exit = exit
  }
}
