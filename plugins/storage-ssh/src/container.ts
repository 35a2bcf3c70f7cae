import { posix } from 'node:path'
import { Failure, type Storage } from '@freezer/sdk'
import { fromServer } from './failures.ts'
import { absolute, isDirectory } from './files.ts'
import { get, list } from './read.ts'
import type { Server } from './server.ts'
import { prepareContainer, writer } from './write.ts'

/** Bytes of a segment: every blob costs several answers of the server. */
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
      yield* list(container, prefix, stop)
      // A directory that is missing holds no blobs, unless all are missing because the container is.
      await checkContainer(container, stop)
    },
    segmentSize,
    close: () => server.close(),
  }
}

async function locate(server: Server, path: string, host: string, signal: AbortSignal): Promise<string> {
  if (path.startsWith('/')) return posix.resolve(path)
  using channel = await server.channel(signal)
  try {
    return posix.resolve(await absolute(channel, '.', signal), path.replace(/^~(?=\/|$)/, '.'))
  } catch (error) {
    throw fromServer(error, `find where the account logs in on ${host}`)
  }
}

/** @throws Failure `not-found` unless the container is a directory */
async function checkContainer({ server, path, host }: Container, signal: AbortSignal): Promise<void> {
  using channel = await server.channel(signal)
  let found: boolean | undefined
  try {
    found = await isDirectory(channel, path, signal)
  } catch (error) {
    throw fromServer(error, `open the container ${path} on ${host}`)
  }
  if (found === true) return
  throw new Failure(
    'not-found',
    found === undefined
      ? `There is no container ${path} on ${host}.`
      : `${path} on ${host} is not a directory.`,
    { remedy: 'Check the path, and that the disk it should be on is mounted there.' },
  )
}
