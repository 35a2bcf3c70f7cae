import { posix } from 'node:path'
import { isPrefix, keyIn, mayBeBlob, type Place, placeIn, placeOf, readPath } from '@freezer/paths'
import { Failure, isReadableKey, type Range, type StoredBlob, throwIfAborted } from '@freezer/sdk'
import type { Channel } from './channel.ts'
import type { Container } from './container.ts'
import { fromServer, status, statusOf } from './failures.ts'
import { attributes, type Entry, type Handle, openDirectory, openFile } from './files.ts'

/** Bytes asked for at once: what every OpenSSH gives. */
const requestSize = 254 * 1024

/** Requests under way for one blob: together what the window of an SSH channel has room for. */
const requestsAtOnce = 8

/** Directories read at once. */
const directoriesAtOnce = 8

/** `Storage.get` in `container`. */
export async function* get(
  { server, path: container, host }: Container,
  key: string,
  range: Range | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  const path = readPath(container, key)
  using channel = await server.channel(signal)
  let file: Handle | undefined
  try {
    file = await openBlob(channel, path, host, signal)
    const size = await file.size(signal)
    const end = range === undefined ? size : Math.min(size, range.offset + range.length)
    const pending: { readonly length: number; readonly bytes: Promise<Buffer> }[] = []
    let at = range?.offset ?? 0
    while (at < end || pending.length > 0) {
      while (at < end && pending.length < requestsAtOnce) {
        const length = Math.min(requestSize, end - at)
        const bytes = file.read(at, length, signal)
        // Its failure counts when its turn comes, if it comes.
        bytes.catch(() => {})
        pending.push({ length, bytes })
        at += length
      }
      const next = pending.shift()
      const bytes = await next?.bytes
      throwIfAborted(signal)
      if (bytes === undefined) break
      if (bytes.length !== next?.length) {
        throw new Failure('damaged', `${path} on ${host} was cut while it was read.`)
      }
      yield bytes
    }
  } catch (error) {
    throw fromServer(error, `read ${path} on ${host}`)
  } finally {
    await file?.close()
  }
}

/** Opens a regular file; anything else is not a blob, and is not waited for as a FIFO would be. */
async function openBlob(channel: Channel, path: string, host: string, signal: AbortSignal): Promise<Handle> {
  const { kind } = await attributes(channel, path, signal)
  if (kind !== 'file') throw new Failure('not-found', `${path} on ${host} is not a regular file.`)
  return openFile(channel, path, 'r', 0, signal)
}

/** A directory that is being read; without a handle before its first page. */
interface Reading {
  readonly place: Place
  readonly handle?: Handle
}

interface Page {
  readonly reading: Reading
  /** Undefined when the directory is at its end, or gone. */
  readonly rest: Reading | undefined
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
  using channel = await server.channel(signal)
  const waiting: Reading[] = [{ place: placeOf(prefix) }]
  const running = new Map<Reading, Promise<Page>>()
  try {
    while (waiting.length > 0 || running.size > 0) {
      while (running.size < directoriesAtOnce) {
        const reading = waiting.pop()
        if (reading === undefined) break
        const page = readPage(channel, container, reading, signal)
        // Whoever leaves early does not wait for it here.
        page.catch(() => {})
        running.set(reading, page)
      }
      const { reading, rest, entries } = await Promise.race(running.values())
      running.delete(reading)
      const { blobs, inner } = sorted(reading.place, entries, prefix)
      waiting.push(...inner)
      // Read on before its inner directories are begun: so that few are open at a time.
      if (rest !== undefined) waiting.push(rest)
      throwIfAborted(signal)
      for (const blob of blobs) {
        yield blob
        throwIfAborted(signal)
      }
    }
  } catch (error) {
    throw fromServer(error, `list ${container} on ${host}`)
  } finally {
    const pages = await Promise.allSettled(running.values())
    const rests = pages.flatMap((page) => (page.status === 'fulfilled' ? [page.value.rest] : []))
    await Promise.all([...waiting, ...rests].map((reading) => reading?.handle?.close()))
  }
}

/** The next entries of a directory. When there are none, or it fails, its handle is closed. */
async function readPage(
  channel: Channel,
  container: string,
  reading: Reading,
  signal: AbortSignal,
): Promise<Page> {
  const { place } = reading
  const path = posix.join(container, place.path)
  let handle = reading.handle
  try {
    handle ??= await openDirectory(channel, path, signal)
    const entries = await handle.entries(signal)
    if (entries === undefined) {
      await handle.close()
      return { reading, rest: undefined, entries: [] }
    }
    const complete = await Promise.all(entries.map((entry) => completed(channel, path, entry, signal)))
    return { reading, rest: { place, handle }, entries: complete.filter((entry) => entry !== undefined) }
  } catch (error) {
    await handle?.close()
    if (handle === undefined && statusOf(error) === status.noSuchFile) {
      return { reading, rest: undefined, entries: [] }
    }
    throw error
  }
}

/** `entry` with its attributes, which some servers leave out of a directory; undefined when it is gone by now. */
async function completed(
  channel: Channel,
  directory: string,
  entry: Entry,
  signal: AbortSignal,
): Promise<Entry | undefined> {
  if (entry.attributes !== undefined) return entry
  try {
    const found = await attributes(channel, posix.join(directory, entry.name), signal)
    return { name: entry.name, attributes: found }
  } catch (error) {
    if (statusOf(error) === status.noSuchFile) return undefined
    throw error
  }
}

/** The blobs and the directories among `entries` of `place` that may have to do with `prefix`. */
function sorted(place: Place, entries: readonly Entry[], prefix: string) {
  const blobs: StoredBlob[] = []
  const inner: Reading[] = []
  for (const { name, attributes: found } of entries) {
    if (!mayBeBlob(name)) continue
    if (found?.kind === 'directory') {
      const below = placeIn(place, name)
      if (below.prefix.startsWith(prefix) || prefix.startsWith(below.prefix)) inner.push({ place: below })
    } else if (found?.kind === 'file') {
      const key = keyIn(place, name)
      if (key.startsWith(prefix) && isReadableKey(key)) blobs.push({ key, size: found.size })
    }
  }
  return { blobs, inner }
}
