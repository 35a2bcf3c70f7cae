import { posix } from 'node:path'
import { Failure, isFailure, type Storage } from '@freezer/sdk'
import { fromServer } from './failures.ts'
import { canEnter, lookUp, whereAmI } from './files.ts'
import { get, list } from './read.ts'
import type { Server } from './server.ts'
import { prepareContainer, writer } from './write.ts'

/** Bytes of a segment: every blob costs several answers of the server, and a connection of its own. */
const segmentSize = 16 * 2 ** 20

/** A directory of a server. */
export interface Container {
  readonly server: Server
  /** Absolute. */
  readonly path: string
  /** Name of the server, for messages. */
  readonly host: string
}

/**
 * Opens the container at `path` of `server`; a relative one begins where the account logs in.
 * @param now milliseconds since 1970
 * @throws Failure `not-found` when it is missing and not to be made, `denied`, `no-space`, and what connecting throws
 */
export async function openContainer(
  server: Server,
  path: string,
  { host, create, now }: { readonly host: string; readonly create: boolean; readonly now: number },
  signal: AbortSignal,
): Promise<Storage> {
  const container = { server, path: await locate(server, path, host, signal), host }
  if (create) await prepareContainer(container, now, signal)
  await checkContainer(container, signal)
  return {
    ...writer(container),
    get: (key, range, stop) => get(container, key, range, stop),
    async *list(prefix, stop) {
      try {
        yield* list(container, prefix, stop)
      } catch (error) {
        if (isFailure(error) && error.code === 'denied') await checkContainer(container, stop)
        throw error
      }
      // A directory that is missing holds no blobs, unless all are missing because the container is.
      await checkContainer(container, stop)
    },
    segmentSize,
    close: () => server.close(),
  }
}

/** Connects in any case: that the account can log in is known then. */
async function locate(server: Server, path: string, host: string, signal: AbortSignal): Promise<string> {
  try {
    const home = await server.use(signal, (connection) => whereAmI(connection, signal))
    return posix.resolve(home, path.replace(/^~(?=\/|$)/, '.'))
  } catch (error) {
    throw fromServer(error, `find where the account logs in on ${host}`)
  }
}

/** @throws Failure `not-found` unless the container is a directory, `denied` when it cannot be entered */
async function checkContainer({ server, path, host }: Container, signal: AbortSignal): Promise<void> {
  const what = `open the container ${path} on ${host}`
  const kind = await server.use(signal, async (connection) => {
    try {
      if (await canEnter(connection, path, signal)) return 'entered'
      return (await lookUp(connection, path, signal))?.kind
    } catch (error) {
      throw fromServer(error, what)
    }
  })
  if (kind === 'entered') return
  if (kind === 'directory') {
    throw new Failure('denied', `Cannot ${what}: permission denied.`, {
      remedy: 'Give the account the right to enter it, or use another directory.',
    })
  }
  throw new Failure(
    'not-found',
    kind === undefined
      ? `There is no container ${path} on ${host}.`
      : `${path} on ${host} is not a directory.`,
    { remedy: 'Check the path, and that the disk it should be on is mounted there.' },
  )
}
