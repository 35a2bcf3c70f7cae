import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import { blobPath, temporaryDirectory } from '@freezer/paths'
import { Failure, isFailure, type Pace, type Storage, throwIfAborted } from '@freezer/sdk'
import type { Channel } from './channel.ts'
import type { Container } from './container.ts'
import { fromServer, status, statusOf } from './failures.ts'
import {
  attributes,
  type Handle,
  isDirectory,
  makeDirectory,
  openDirectory,
  openFile,
  removeDirectory,
  removeFile,
  rename,
  replace,
  room,
  tidy,
} from './files.ts'

/** Bytes written at once: what every OpenSSH takes. */
const requestSize = 254 * 1024

/** Requests under way for one blob: twice the window of a channel, so that it is never empty while answers come. */
const requestsAtOnce = 16

/** Attempts to put a file into a directory that others remove as soon as it is empty. */
const maxAttempts = 100

/** Attempts to make a directory that is there when it is made and gone when it is looked for. */
const maxLooks = 10

/** Milliseconds after which a temporary file belongs to a run that was killed. */
const staleAfter = 24 * 60 * 60 * 1000

/** Backups hold what only their owner may read. */
const fileMode = 0o600
const directoryMode = 0o700

/** Milliseconds that two renames may take that are not to be interrupted. */
const moveTime = 60_000

/** Less room than this is none: file systems keep some for themselves. */
const leastRoom = 256 * 1024

/**
 * The writing half of `container`. A blob is written to a temporary file, which takes its name once all of it is
 * on the disk of the server: so it is there whole or not at all, whatever happens.
 */
export function writer({ server, path: container, host }: Container): Pick<Storage, 'put' | 'remove'> {
  const temporaries = posix.join(container, temporaryDirectory)
  /** Directories of the container made, or found, by this process. */
  const directories = new Map<string, Promise<void>>()

  function ensureDirectory(channel: Channel, directory: string, signal: AbortSignal): Promise<void> {
    if (directory === container) return Promise.resolve()
    let made = directories.get(directory)
    if (made === undefined) {
      made = ensureDirectory(channel, posix.dirname(directory), signal).then(() =>
        ensure(channel, directory, signal),
      )
      directories.set(directory, made)
    }
    return made
  }

  /** Does `work`, which needs `directory`; again when another process removed it meanwhile because it was empty. */
  async function within<T>(
    channel: Channel,
    directory: string,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await ensureDirectory(channel, directory, signal)
        return await work()
      } catch (error) {
        directories.clear()
        throwIfAborted(signal)
        // Of two puts that need a directory, one may be stopped while both wait for what it began.
        const again = statusOf(error) === status.noSuchFile || isInterruption(error)
        if (!again || attempt === maxAttempts) throw error
      }
    }
  }

  /** Removes `directory` and its parents as far as they are empty, and gives the first that stays. */
  async function removeEmpty(channel: Channel, directory: string, signal: AbortSignal): Promise<string> {
    if (directory === container) return directory
    try {
      await removeDirectory(channel, directory, signal)
    } catch (error) {
      if (statusOf(error) === undefined) throw error
      if (statusOf(error) !== status.noSuchFile) return directory
    }
    return removeEmpty(channel, posix.dirname(directory), signal)
  }

  return {
    async put(key, chunks, signal, pace) {
      throwIfAborted(signal)
      const path = blobPath(container, key)
      const temporary = posix.join(temporaries, randomUUID())
      using channel = await server.channel(signal)
      try {
        try {
          const file = await within(channel, temporaries, signal, () =>
            openFile(channel, temporary, 'wx', fileMode, signal),
          )
          try {
            await writeAll(file, chunks, signal, pace)
            await syncFile(file, signal)
          } finally {
            await file.close()
          }
          throwIfAborted(signal)
          await within(channel, posix.dirname(path), signal, () => move(channel, temporary, path, signal))
        } catch (error) {
          // Asked while what was written still takes its room.
          const reason = await explain(channel, container, path, error, `store ${path} on ${host}`, host)
          await tidy((stop) => removeFile(channel, temporary, stop))
          await tidy((stop) => removeEmpty(channel, posix.dirname(path), stop))
          throw reason
        }
        await syncDirectory(channel, posix.dirname(path), signal)
      } catch (error) {
        throw await explain(channel, container, path, error, `store ${path} on ${host}`, host)
      }
    },

    async remove(key, signal) {
      throwIfAborted(signal)
      const path = blobPath(container, key)
      using channel = await server.channel(signal)
      try {
        await removeFile(channel, path, signal)
        // Whoever removes a manifest and then its segments relies on the order also after a power cut.
        await syncDirectory(channel, await removeEmpty(channel, posix.dirname(path), signal), signal)
      } catch (error) {
        if (statusOf(error) === status.noSuchFile) return
        // What cannot be looked at may be anything.
        const look = () => isDirectory(channel, path, signal).catch(() => undefined)
        if (statusOf(error) !== undefined && (await look()) === true) return
        throw await explain(channel, container, path, error, `remove ${path} on ${host}`, host)
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
  using channel = await server.channel(signal)
  try {
    await makeWithParents(channel, container, signal)
  } catch (error) {
    const what = `make the container ${container} on ${host}`
    throw await explain(channel, posix.dirname(container), container, error, what, host)
  }
  try {
    await sweep(channel, posix.join(container, temporaryDirectory), now - staleAfter, signal)
  } catch (error) {
    throw fromServer(error, `clean ${posix.join(container, temporaryDirectory)} on ${host}`)
  }
}

/** Removes the files in `directory` that were last written before `oldest`, in milliseconds since 1970. */
async function sweep(
  channel: Channel,
  directory: string,
  oldest: number,
  signal: AbortSignal,
): Promise<void> {
  let handle: Handle | undefined
  try {
    handle = await openDirectory(channel, directory, signal)
    for (;;) {
      const entries = await handle.entries(signal)
      if (entries === undefined) return
      for (const { name, attributes: found } of entries) {
        const path = posix.join(directory, name)
        const { mtime } = found ?? (await attributes(channel, path, signal))
        if (mtime * 1000 < oldest) await removeFile(channel, path, signal)
      }
    }
  } catch (error) {
    // There is none yet, or another run is doing the same.
    if (statusOf(error) !== status.noSuchFile) throw error
  } finally {
    await handle?.close()
  }
}

async function makeWithParents(channel: Channel, directory: string, signal: AbortSignal): Promise<void> {
  const found = await isDirectory(channel, directory, signal)
  if (found === true) return
  if (found === undefined && directory !== '/') {
    await makeWithParents(channel, posix.dirname(directory), signal)
    await ensure(channel, directory, signal)
    return
  }
  throw new Failure('not-found', `${directory} is not a directory.`, {
    remedy: 'Check the path of the container.',
  })
}

/** Makes `directory` and its name durable, also when another process made it just now. */
async function ensure(channel: Channel, directory: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeDirectory(channel, directory, directoryMode, signal)
      break
    } catch (error) {
      // SFTP has no answer that means "it is there"; and who looks may find that it is gone again.
      if (statusOf(error) === undefined || statusOf(error) === status.noSuchFile) throw error
      const found = await isDirectory(channel, directory, signal)
      if (found === true) break
      if (found === false) throw clash(directory, error)
      if (statusOf(error) !== status.failure || attempt === maxLooks) throw error
    }
  }
  await syncDirectory(channel, posix.dirname(directory), signal)
}

/** Gives a file that is whole its name, onto an older one too. */
async function move(channel: Channel, from: string, to: string, signal: AbortSignal): Promise<void> {
  try {
    await replace(channel, from, to, signal)
  } catch (error) {
    if (statusOf(error) !== status.unsupported) throw error
    await moveAside(channel, from, to, signal)
  }
}

/**
 * The same for servers that never rename onto something: the older blob makes room, and comes back when the new
 * one cannot take its place. Between the two, and when killed there, no blob has that name.
 */
async function moveAside(channel: Channel, from: string, to: string, signal: AbortSignal): Promise<void> {
  const aside = `${from}.old`
  let isAside = false
  for (let attempt = 1; ; attempt++) {
    // An abort while the older one is aside would leave no blob of that name.
    const stop = isAside ? AbortSignal.timeout(moveTime) : signal
    try {
      await rename(channel, from, to, stop)
      if (isAside) await tidy((end) => removeFile(channel, aside, end))
      return
    } catch (error) {
      if (isAside) isAside = !(await moveBack(channel, aside, to))
      if (statusOf(error) !== status.failure || attempt === maxAttempts) throw error
    }
    if (isAside) continue
    throwIfAborted(signal)
    try {
      if (await isDirectory(channel, to, signal)) throw clash(to, undefined)
      await rename(channel, to, aside, AbortSignal.timeout(moveTime))
      isAside = true
    } catch (error) {
      // Somebody else moved it.
      if (statusOf(error) !== status.noSuchFile) throw error
    }
  }
}

/** Gives an older blob its name again, or removes it where another has that by now; false when neither could be done. */
async function moveBack(channel: Channel, aside: string, to: string): Promise<boolean> {
  let done = false
  await tidy(async (signal) => {
    try {
      await rename(channel, aside, to, signal)
    } catch (error) {
      if ((await isDirectory(channel, to, signal)) !== false) throw error
      await removeFile(channel, aside, signal)
    }
    done = true
  })
  return done
}

async function syncFile(file: Handle, signal: AbortSignal): Promise<void> {
  try {
    await file.sync(signal)
  } catch (error) {
    // Without the extension it is for the server when it writes.
    if (statusOf(error) !== status.unsupported) throw error
  }
}

/** Makes the names in `directory` durable, where the server opens a directory as a file: OpenSSH on Linux does. */
async function syncDirectory(channel: Channel, directory: string, signal: AbortSignal): Promise<void> {
  let handle: Handle
  try {
    handle = await openFile(channel, directory, 'r', 0, signal)
  } catch (error) {
    // A directory that is gone was removed with all its names.
    const fine: readonly (number | undefined)[] = [status.noSuchFile, status.failure, status.unsupported]
    if (fine.includes(statusOf(error))) return
    throw error
  }
  try {
    await handle.sync(signal)
  } catch (error) {
    // Some file systems cannot do this, and say that it makes no sense.
    if (statusOf(error) !== status.unsupported && statusOf(error) !== status.badMessage) throw error
  } finally {
    await handle.close()
  }
}

/** Writes `chunks` one after the other, several requests ahead. Waits for all of them, also when one fails. */
async function writeAll(
  file: Handle,
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
  pace: Pace | undefined,
): Promise<void> {
  const pending: Promise<void>[] = []
  try {
    let at = 0
    for (const piece of pieces(chunks)) {
      if (pending.length === requestsAtOnce) await pending.shift()
      await pace?.(piece.length)
      throwIfAborted(signal)
      const written = file.write(at, piece, signal)
      written.catch(() => {})
      pending.push(written)
      at += piece.length
    }
    await Promise.all(pending)
  } finally {
    await Promise.allSettled(pending)
  }
}

/** The bytes of `chunks` as views of `requestSize` at most, those of one chunk about equally long. */
function* pieces(chunks: readonly Uint8Array[]): Generator<Buffer> {
  for (const { buffer, byteOffset, byteLength } of chunks) {
    const step = Math.ceil(byteLength / Math.ceil(byteLength / requestSize))
    for (let at = 0; at < byteLength; at += step) {
      yield Buffer.from(buffer, byteOffset + at, Math.min(step, byteLength - at))
    }
  }
}

/** `error` as a failure. SFTP says no more than "failure" of most mishaps, so what could be the matter is looked at. */
async function explain(
  channel: Channel,
  container: string,
  path: string,
  error: unknown,
  what: string,
  host: string,
): Promise<Failure> {
  if (isFailure(error) || statusOf(error) !== status.failure) return fromServer(error, what)
  let failure = fromServer(error, what)
  await tidy(async (signal) => {
    if ((await isDirectory(channel, path, signal)) === true) {
      failure = clash(path, error)
      return
    }
    const left = await room(channel, container, signal)
    if (left === undefined) return
    if (left.readOnly) {
      failure = new Failure('denied', `Cannot ${what}: the file system is read-only.`, {
        remedy: `Mount it on ${host} for writing.`,
        cause: error,
      })
    } else if (left.bytes < leastRoom || left.files === 0) {
      failure = new Failure('no-space', `Cannot ${what}: no space is left there.`, {
        remedy: `Make room on ${host}, or back up elsewhere.`,
        cause: error,
      })
    }
  })
  return failure
}

function clash(path: string, cause: unknown): Failure {
  return new Failure('refused', `${path} cannot be both a blob and a directory.`, { cause })
}

function isInterruption(error: unknown): boolean {
  return isFailure(error) && error.code === 'interrupted'
}
