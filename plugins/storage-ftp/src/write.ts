import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import { blobPath, temporaryDirectory } from '@freezer/paths'
import { Failure, isFailure, type Storage, throwIfAborted } from '@freezer/sdk'
import type { Connection } from './connection.ts'
import type { Container } from './container.ts'
import { clash, fromServer, isFull, isRefusal, noContainer, replyOf } from './failures.ts'
import { canEnter, entriesOf, isUnknownCommand, lookUp, rename, sizeOf, tidy } from './files.ts'
import { timeOf } from './listing.ts'

/** Attempts to put a file into a directory that others remove as soon as it is empty. */
const maxAttempts = 100

/** Attempts to make a directory that is there when it is made and gone when it is looked for, or the other way round. */
const maxLooks = 10

/** Attempts to put a file into the place of another while others do the same. */
const maxMoves = 20

/** Less room than this is none: file systems keep some for themselves. */
const leastRoom = 256 * 1024

/** Milliseconds that the renames of one blob may take that are not to be interrupted. */
const moveTime = 60_000

/** Milliseconds after which a temporary file belongs to a run that was killed. */
const staleAfter = 24 * 60 * 60 * 1000

/**
 * The writing half of `container`. A blob is written to a temporary file, which takes its name once the server says
 * that it has all of it: so it is there whole or not at all.
 */
export function writer({ server, path: container, host }: Container): Pick<Storage, 'put' | 'remove'> {
  const temporaries = posix.join(container, temporaryDirectory)
  /** Directories of the container made, or found, by this process. */
  const directories = new Set<string>()

  async function ensureDirectory(
    connection: Connection,
    directory: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (directory === container || directories.has(directory)) return
    await ensureDirectory(connection, posix.dirname(directory), signal)
    if (await ensure(connection, directory, signal)) await keepPrivate(connection, directory, signal)
    directories.add(directory)
  }

  /** Does `work`, which needs `directory`; again when another process removed it meanwhile because it was empty. */
  async function within(
    connection: Connection,
    directory: string,
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      let isThere = false
      try {
        await ensureDirectory(connection, directory, signal)
        isThere = true
        await work()
        return
      } catch (error) {
        directories.clear()
        throwIfAborted(signal)
        const isGone = error instanceof DirectoryGone
        if (!isGone && !isRefusal(error)) throw error
        if (!(await canEnter(connection, container, signal))) throw noContainer(container, host)
        const again = isGone || (isThere && !(await canEnter(connection, directory, signal)))
        if (!again || attempt === maxAttempts) throw error
      }
    }
  }

  /** Removes `directory` and its parents as far as they are empty. */
  async function removeEmpty(connection: Connection, directory: string, signal: AbortSignal): Promise<void> {
    if (directory === container) return
    try {
      await connection.command(`RMD ${directory}`, signal)
    } catch (error) {
      if (!isRefusal(error)) throw error
      if (await canEnter(connection, directory, signal)) return
    }
    directories.delete(directory)
    await removeEmpty(connection, posix.dirname(directory), signal)
  }

  return {
    async put(key, chunks, signal, pace) {
      throwIfAborted(signal)
      const path = blobPath(container, key)
      const directory = posix.dirname(path)
      const temporary = posix.join(temporaries, randomUUID())
      const what = `store ${path} on ${host}`
      try {
        await server.use(signal, async (connection) => {
          try {
            await within(connection, temporaries, signal, () =>
              connection.upload(temporary, chunks, signal, pace),
            )
            await checkSize(connection, temporary, chunks, signal)
            await within(connection, directory, signal, () => move(connection, temporary, path, signal))
          } catch (error) {
            throw await explain(connection, { path, temporary, what }, error, signal)
          }
        })
      } catch (error) {
        await tidy(server, async (connection, stop) => {
          // The server may still be busy with the connection that was lost, and refuse one of these.
          await connection.command(`DELE ${temporary}`, stop).catch(() => {})
          await removeEmpty(connection, directory, stop)
        })
        throw error
      }
    },

    async remove(key, signal) {
      throwIfAborted(signal)
      const path = blobPath(container, key)
      try {
        await server.use(signal, async (connection) => {
          try {
            await connection.command(`DELE ${path}`, signal)
          } catch (error) {
            if (!isRefusal(error)) throw error
            if ((await lookUp(connection, path, signal))?.kind === 'file') throw error
            return
          }
          await removeEmpty(connection, posix.dirname(path), signal)
        })
      } catch (error) {
        throw fromServer(error, `remove ${path} on ${host}`)
      }
    },
  }
}

/**
 * Makes `container`, with its parents, unless it is there, and removes what killed runs left in it.
 * @param now milliseconds since 1970
 * @throws Failure `denied`, `no-space`, `not-found` when something else is in its place
 */
export async function prepareContainer(
  { server, path: container, host }: Container,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const temporaries = posix.join(container, temporaryDirectory)
  await server.use(signal, async (connection) => {
    try {
      if (!(await canEnter(connection, container, signal))) {
        await makeWithParents(connection, container, signal)
        await keepPrivate(connection, container, signal)
      }
      // A container is never empty then: some servers list nothing where they cannot read.
      if (await ensure(connection, temporaries, signal)) await keepPrivate(connection, temporaries, signal)
    } catch (error) {
      throw fromServer(error, `make the container ${container} on ${host}`)
    }
    try {
      await sweep(connection, temporaries, now - staleAfter, signal)
    } catch (error) {
      throw fromServer(error, `clean ${temporaries} on ${host}`)
    }
  })
}

function unlessRefused(error: unknown): undefined {
  if (replyOf(error) === undefined) throw error
}

/** Removes the files in `directory` that were last written before `oldest`, in milliseconds since 1970. */
async function sweep(
  connection: Connection,
  directory: string,
  oldest: number,
  signal: AbortSignal,
): Promise<void> {
  const entries = await entriesOf(connection, directory, signal).catch((error: unknown) => {
    // An empty directory looks like one that cannot be read where there is no MLSD.
    if (isRefusal(error) || (isFailure(error) && !connection.machineListings)) return []
    throw error
  })
  for (const { name, kind, modified } of entries) {
    if (kind !== 'file') continue
    const path = posix.join(directory, name)
    try {
      const time = modified ?? timeOf((await connection.command(`MDTM ${path}`, signal)).message.slice(4))
      if (time !== undefined && time < oldest) await connection.command(`DELE ${path}`, signal)
    } catch (error) {
      // Another run is doing the same.
      unlessRefused(error)
    }
  }
}

async function makeWithParents(
  connection: Connection,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  if (directory === '/' || (await canEnter(connection, directory, signal))) return
  await makeWithParents(connection, posix.dirname(directory), signal)
  try {
    await ensure(connection, directory, signal)
  } catch (error) {
    if (!isFailure(error) || error.code !== 'refused') throw error
    throw new Failure('not-found', `${directory} is not a directory.`, {
      remedy: 'Check the path of the container.',
      cause: error,
    })
  }
}

/**
 * Backups hold what only their owner may read, and a container may have been made for all to read. Whether the mode of `directory` can
 * be changed is for the server: it may not know the command.
 */
async function keepPrivate(connection: Connection, directory: string, signal: AbortSignal): Promise<void> {
  await connection.command(`SITE CHMOD 700 ${directory}`, signal).catch(unlessRefused)
}

/** Makes `directory`, also when another process made it just now, and says whether it was made here. */
async function ensure(connection: Connection, directory: string, signal: AbortSignal): Promise<boolean> {
  for (let look = 1; ; look++) {
    try {
      await connection.command(`MKD ${directory}`, signal)
      return true
    } catch (error) {
      if (!isRefusal(error)) throw error
      // No answer means "it is there"; and who looks may find that it is gone again.
      if (await canEnter(connection, directory, signal)) return false
      await checkDirectoryOf(connection, directory, signal)
      const found = await lookUp(connection, directory, signal).catch(unlessRefused)
      if (found?.kind === 'file') throw clash(directory, error)
      if (found?.kind === 'other') {
        throw new Failure('not-found', `${directory} leads to no directory that can be entered.`, {
          remedy: 'Check where that link leads.',
          cause: error,
        })
      }
      if (look < maxLooks) continue
      if (found?.kind !== 'directory') throw error
      throw new Failure('denied', `Cannot enter ${directory}: permission denied.`, {
        remedy: 'Give the account the right to do so, or use another directory.',
        cause: error,
      })
    }
  }
}

/** Gives a file that is whole its name, onto an older one too. */
async function move(connection: Connection, from: string, to: string, signal: AbortSignal): Promise<void> {
  try {
    await rename(connection, from, to, signal)
  } catch (error) {
    if (!isRefusal(error)) throw error
    const found = await lookUp(connection, to, signal).catch(() => undefined)
    if (found?.kind === 'directory') throw clash(to, error)
    // Nothing there means that somebody else is moving something aside, or that it is not permitted: it will show.
    await moveAside(connection, from, to, signal)
  }
}

/**
 * The same for servers that never rename onto something: the older blob makes room, and comes back when the new
 * one cannot take its place. Between the two, and when killed there, no blob has that name.
 */
async function moveAside(
  connection: Connection,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const aside = `${from}.old`
  throwIfAborted(signal)
  // An abort in between would leave no blob of that name.
  const toTheEnd = AbortSignal.timeout(moveTime)
  let isAside = false
  for (let attempt = 1; ; attempt++) {
    isAside ||= await tried(() => rename(connection, to, aside, toTheEnd))
    try {
      await rename(connection, from, to, toTheEnd)
      if (isAside) await tried(() => connection.command(`DELE ${aside}`, toTheEnd))
      return
    } catch (error) {
      if (!isRefusal(error)) throw error
      if (isAside) isAside = !(await moveBack(connection, aside, to, toTheEnd))
      if (attempt === maxMoves) throw error
    }
  }
}

/** Gives an older blob its name again, or removes it where another has that by now; false when neither could be done. */
async function moveBack(
  connection: Connection,
  aside: string,
  to: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (await tried(() => rename(connection, aside, to, signal))) return true
  const there = await lookUp(connection, to, signal).catch(unlessRefused)
  return there?.kind === 'file' && (await tried(() => connection.command(`DELE ${aside}`, signal)))
}

/** Whether the server did it; false when it refuses. */
async function tried(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (!isRefusal(error)) throw error
    return false
  }
}

/** @throws Failure `unavailable` unless the server has as many bytes as were sent */
async function checkSize(
  connection: Connection,
  path: string,
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<void> {
  const sent = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  let size: number | undefined
  try {
    size = await sizeOf(connection, path, signal)
  } catch (error) {
    if (!isUnknownCommand(error)) throw error
    size = (await lookUp(connection, path, signal))?.size
  }
  if (size === sent) return
  throw new Failure('unavailable', `The server has ${size} bytes of a blob of which ${sent} were sent.`, {
    remedy: 'Try again; check the disk of the server if it stays so.',
  })
}

/** The directory that something is put into is not there: somebody removed it because it was empty. */
class DirectoryGone extends Failure {}

/** @throws DirectoryGone unless the directory of `path` is there */
async function checkDirectoryOf(connection: Connection, path: string, signal: AbortSignal): Promise<void> {
  const directory = posix.dirname(path)
  if (await canEnter(connection, directory, signal)) return
  throw new DirectoryGone('unavailable', `${directory} was removed while something was put there.`, {
    remedy: 'Try again.',
  })
}

/** `error` as a failure. A server says no more than that it did not work, so what could be the matter is looked at. */
async function explain(
  connection: Connection,
  { path, temporary, what }: { readonly path: string; readonly temporary: string; readonly what: string },
  error: unknown,
  signal: AbortSignal,
): Promise<Failure> {
  if (replyOf(error) === undefined || isFull(error) || connection.ended) return fromServer(error, what)
  try {
    if (isRefusal(error)) {
      const found = await lookUp(connection, path, signal)
      if (found?.kind === 'directory') return clash(path, error)
    } else if (!(await hasRoom(connection, `${temporary}.room`, signal))) {
      return new Failure(
        'no-space',
        `Cannot ${what}: the server cannot write, most likely for no space is left there.`,
        {
          remedy: 'Make room there, or look into the log of the server.',
          facts: { reply: replyOf(error) },
          cause: error,
        },
      )
    }
  } catch {
    throwIfAborted(signal)
    // What is known is enough.
  }
  return fromServer(error, what)
}

/** Whether a little more can be stored, asked while what was written before still takes its room. */
async function hasRoom(connection: Connection, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await connection.upload(path, [Buffer.alloc(leastRoom)], signal)
    return true
  } catch (error) {
    if (replyOf(error) === undefined) throw error
    return false
  } finally {
    if (!connection.ended) await tried(() => connection.command(`DELE ${path}`, signal))
  }
}
