import { constants, type Dirent } from 'node:fs'
import { type FileHandle, lstat, open, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { isPrefix, keyIn, mayBeBlob, type Place, placeIn, placeOf, readPath } from '@freezer/paths'
import { Failure, fromSystem, isReadableKey, type Range, type StoredBlob, throwIfAborted } from '@freezer/sdk'

/** Bytes read at once. */
const chunkSize = 512 * 1024

/** Files asked for their size at once. */
const statsAtOnce = 64

/** `Storage.get` in the container at `container`. */
export async function* get(
  container: string,
  key: string,
  range: Range | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal)
  const path = readPath(container, key)
  let file: FileHandle | undefined
  try {
    file = await openFile(path)
    const { size } = await file.stat()
    const end = range === undefined ? size : Math.min(size, range.offset + range.length)
    let at = range?.offset ?? 0
    while (at < end) {
      throwIfAborted(signal)
      // Not from a pool: the receiver may transfer it to a thread.
      const buffer = Buffer.allocUnsafeSlow(Math.min(chunkSize, end - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) throw new Failure('damaged', `${path} was cut while it was read.`)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    throw fromSystem(error, `read ${path}`)
  } finally {
    await file?.close()
  }
}

/** Opens a regular file; anything else is not a blob, and is not waited for as a FIFO would be. */
async function openFile(path: string): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  let file: FileHandle
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (['ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw notABlob(path)
    throw error
  }
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw notABlob(path)
}

function notABlob(path: string): Failure {
  return new Failure('not-found', `${path} is not a regular file.`)
}

/** `Storage.list` in the container at `container`, as long as that is there. */
export async function* list(
  container: string,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoredBlob> {
  throwIfAborted(signal)
  if (!isPrefix(prefix)) return
  const pending = [placeOf(prefix)]
  for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
    let files: string[] = []
    for await (const entry of entries(join(container, place.path))) {
      throwIfAborted(signal)
      if (!mayBeBlob(entry.name)) continue
      if (entry.isDirectory()) {
        const inner = placeIn(place, entry.name)
        if (inner.prefix.startsWith(prefix) || prefix.startsWith(inner.prefix)) pending.push(inner)
      } else if (entry.isFile() && keyIn(place, entry.name).startsWith(prefix)) {
        files.push(entry.name)
        if (files.length === statsAtOnce) {
          yield* sizes(container, place, files, signal)
          files = []
        }
      }
    }
    yield* sizes(container, place, files, signal)
  }
}

/** What is in `directory`; nothing when it is not there. */
async function* entries(directory: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(directory, { bufferSize: 256 })
  } catch (error) {
    const failure = fromSystem(error, `list ${directory}`)
    if (failure.code !== 'not-found') throw failure
  }
}

/** The blobs in the files `names` of `place`, without those that are gone by now. */
async function* sizes(
  container: string,
  place: Place,
  names: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<StoredBlob> {
  const blobs = await Promise.all(names.map((name) => blobIn(container, place, name)))
  for (const blob of blobs) {
    throwIfAborted(signal)
    if (blob !== undefined) yield blob
  }
}

async function blobIn(container: string, place: Place, name: string): Promise<StoredBlob | undefined> {
  const path = join(container, place.path, name)
  const key = keyIn(place, name)
  if (!isReadableKey(key)) return undefined
  try {
    return { key, size: (await lstat(path)).size }
  } catch (error) {
    const failure = fromSystem(error, `list ${path}`)
    if (failure.code === 'not-found') return undefined
    throw failure
  }
}
