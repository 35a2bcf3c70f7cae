import { posix } from 'node:path'
import { isPrefix, keyIn, mayBeBlob, type Place, placeIn, placeOf, readPath } from '@freezer/paths'
import { Failure, isReadableKey, type Range, type StoredBlob, throwIfAborted } from '@freezer/sdk'
import type { Connection } from './connection.ts'
import type { Container } from './container.ts'
import { fromServer, isRefusal } from './failures.ts'
import { entriesOf, isUnknownCommand, lookUp, sizeOf } from './files.ts'
import type { Entry } from './listing.ts'

/** Directories read at once, connections permitting. */
const directoriesAtOnce = 4

/** `Storage.get` in `container`. */
export async function* get(
  { server, path: container, host }: Container,
  key: string,
  range: Range | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  const path = readPath(container, key)
  const { offset, length } = range ?? { offset: 0, length: Number.POSITIVE_INFINITY }
  using lease = await server.lease(signal)
  const { connection } = lease
  try {
    const size = await sizeOfBlob(connection, path, host, signal)
    if (length === 0 || offset >= size) return
    let left = length
    let at = offset
    let announced: number | undefined
    const onBegin = (text: string) => {
      announced = sizeIn(text)
    }
    for await (const chunk of connection.download(path, offset, onBegin, signal)) {
      const part = chunk.subarray(0, Math.min(chunk.length, left))
      left -= part.length
      at += part.length
      yield part
      if (left === 0) return
    }
    // It may have been replaced since it was asked for its size, or while it was read.
    const fits = at === size || at === announced || at - offset === announced
    if (!fits && at !== (await sizeOfBlob(connection, path, host, signal))) {
      throw new Failure('unavailable', `${path} on ${host} ended before it was whole.`, {
        remedy: 'Try again later.',
      })
    }
  } catch (error) {
    throw fromServer(error, `read ${path} on ${host}`)
  }
}

/** Many servers say how much is coming: "150 Opening BINARY mode data connection for x (700003 bytes)". */
function sizeIn(text: string): number | undefined {
  const found = /\((\d+) bytes\)/.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Bytes of a blob. @throws Failure `not-found` when none is there */
async function sizeOfBlob(
  connection: Connection,
  path: string,
  host: string,
  signal: AbortSignal,
): Promise<number> {
  let refusal: unknown
  try {
    const size = await sizeOf(connection, path, signal)
    if (!Number.isNaN(size)) return size
  } catch (error) {
    if (!isRefusal(error)) throw error
    refusal = error
  }
  const found = await lookUp(connection, path, signal)
  if (found === undefined) throw new Failure('not-found', `Cannot read ${path} on ${host}: it is not there.`)
  if (found.kind !== 'file') {
    throw new Failure('not-found', `${path} on ${host} is not a regular file.`)
  }
  if (refusal === undefined || isUnknownCommand(refusal)) return found.size
  throw refusal
}

interface Reading {
  readonly place: Place
  readonly entries: readonly Entry[]
}

/** `Storage.list` in `container`, as long as that is there. */
export async function* list(
  { server, path: container, host }: Container,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoredBlob> {
  throwIfAborted(signal)
  if (!isPrefix(prefix)) return
  // Whoever leaves early, or meets a failure, ends the readings that were begun.
  const leaving = new AbortController()
  const stop = AbortSignal.any([signal, leaving.signal])
  const waiting: Place[] = [placeOf(prefix)]
  const running = new Map<Place, Promise<Reading>>()
  try {
    while (waiting.length > 0 || running.size > 0) {
      while (running.size < directoriesAtOnce) {
        const place = waiting.pop()
        if (place === undefined) break
        const reading = server.use(stop, (connection) => read(connection, container, place, stop))
        // Its failure counts when its turn comes, if it comes.
        reading.catch(() => {})
        running.set(place, reading)
      }
      const { place, entries } = await Promise.race(running.values())
      running.delete(place)
      const { blobs, inner } = sorted(place, entries, prefix)
      waiting.push(...inner)
      for (const blob of blobs) {
        throwIfAborted(signal)
        yield blob
      }
      throwIfAborted(signal)
    }
  } catch (error) {
    throw fromServer(error, `list ${container} on ${host}`)
  } finally {
    if (running.size > 0) leaving.abort()
    await Promise.allSettled(running.values())
  }
}

/** The entries of the directory at `place`; none when it is gone. */
async function read(
  connection: Connection,
  container: string,
  place: Place,
  signal: AbortSignal,
): Promise<Reading> {
  const path = posix.join(container, place.path)
  try {
    return { place, entries: await entriesOf(connection, path, signal) }
  } catch (error) {
    if (!isRefusal(error) || place.path === '') throw error
    const found = await lookUp(connection, path.replace(/\/$/, ''), signal)
    if (found === undefined || found.kind === 'file') return { place, entries: [] }
    throw error
  }
}

/** The blobs and the directories among `entries` of `place` that may have to do with `prefix`. */
function sorted(place: Place, entries: readonly Entry[], prefix: string) {
  const blobs: StoredBlob[] = []
  const inner: Place[] = []
  for (const { name, kind, size } of entries) {
    if (!mayBeBlob(name)) continue
    if (kind === 'directory') {
      const below = placeIn(place, name)
      if (below.prefix.startsWith(prefix) || prefix.startsWith(below.prefix)) inner.push(below)
    } else if (kind === 'file') {
      const key = keyIn(place, name)
      if (key.startsWith(prefix) && isReadableKey(key)) blobs.push({ key, size })
    }
  }
  return { blobs, inner }
}
