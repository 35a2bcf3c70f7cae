import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, opendir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blobPath, temporaryDirectory } from '@freezer/paths'
import { Failure, fromSystem, type Pace, type Storage, throwIfAborted } from '@freezer/sdk'

/** Bytes handed to the system at once: what an abort waits for. */
const batchBytes = 8 * 1024 * 1024

/** Attempts to put a file into a directory that others remove as soon as it is empty. */
const maxAttempts = 100

/** Milliseconds after which a temporary file belongs to a run that was killed. */
const staleAfter = 24 * 60 * 60 * 1000

/** Backups hold what only their owner may read. */
const fileMode = 0o600
const directoryMode = 0o700

/**
 * The writing half of the container at `container`. A blob is written to a temporary file, which takes its name
 * once all of it is on the disk: so it is there whole or not at all, whatever happens.
 */
export function writer(container: string): Pick<Storage, 'put' | 'remove'> {
  const temporaries = join(container, temporaryDirectory)
  /** Directories of the container made, or found, by this process. */
  const directories = new Map<string, Promise<void>>()

  function ensureDirectory(directory: string): Promise<void> {
    if (directory === container) return Promise.resolve()
    let made = directories.get(directory)
    if (made === undefined) {
      made = ensureDirectory(dirname(directory)).then(() => makeDirectory(directory))
      directories.set(directory, made)
    }
    return made
  }

  /** Does `work`, which needs `directory`; again when another process removed it meanwhile because it was empty. */
  async function within<T>(directory: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await ensureDirectory(directory)
        return await work()
      } catch (error) {
        directories.clear()
        if (codeOf(error) !== 'ENOENT' || attempt === maxAttempts) throw error
      }
    }
  }

  /** Removes `directory` and its parents as far as they are empty, and gives the first that stays. */
  async function removeEmpty(directory: string): Promise<string> {
    if (directory === container) return directory
    try {
      await rmdir(directory)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') return directory
    }
    return removeEmpty(dirname(directory))
  }

  return {
    async put(key, chunks, signal, pace) {
      throwIfAborted(signal)
      const path = blobPath(container, key)
      const temporary = join(temporaries, randomUUID())
      try {
        const file = await within(temporaries, () => open(temporary, 'wx', fileMode))
        try {
          try {
            await writeAll(file, chunks, signal, pace)
            await file.sync()
          } finally {
            await file.close()
          }
          throwIfAborted(signal)
          await within(dirname(path), () => rename(temporary, path))
        } catch (error) {
          await unlink(temporary).catch(() => {})
          await removeEmpty(dirname(path))
          throw error
        }
        await syncDirectory(dirname(path))
      } catch (error) {
        if (codeOf(error) === 'EISDIR' || codeOf(error) === 'ENOTDIR') {
          throw new Failure('refused', `${path} cannot be both a blob and a directory.`, { cause: error })
        }
        throw fromSystem(error, `store ${path}`)
      }
    },

    async remove(key, signal) {
      throwIfAborted(signal)
      const path = blobPath(container, key)
      try {
        await unlink(path)
        // Whoever removes a manifest and then its segments relies on the order also after a power cut.
        await syncDirectory(await removeEmpty(dirname(path)))
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '')) return
        throw fromSystem(error, `remove ${path}`)
      }
    },
  }
}

/**
 * Makes the container at `container`, with its parents, unless it is there, and removes what killed runs left in it.
 * @param now milliseconds since 1970
 * @throws Failure `denied`, `no-space`
 */
export async function prepareContainer(container: string, now: number): Promise<void> {
  try {
    await makeWithParents(container)
  } catch (error) {
    throw fromSystem(error, `make the container ${container}`)
  }
  const temporaries = join(container, temporaryDirectory)
  try {
    for await (const { name } of await opendir(temporaries)) {
      const path = join(temporaries, name)
      if ((await stat(path)).mtimeMs < now - staleAfter) await unlink(path)
    }
  } catch (error) {
    // There is none yet, or another run is doing the same.
    const failure = fromSystem(error, `clean ${temporaries}`)
    if (failure.code !== 'not-found') throw failure
  }
}

async function makeWithParents(directory: string): Promise<void> {
  try {
    await stat(directory)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    await makeWithParents(dirname(directory))
    await makeDirectory(directory)
  }
}

/** Makes `directory` and its name durable, also when another process made it just now. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, directoryMode)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  await syncDirectory(dirname(directory))
}

/** Makes the names in `directory` durable. */
async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    // Some network file systems cannot do this; and a directory that is gone was removed with all its names.
    if (!['EINVAL', 'ENOTSUP', 'ENOENT'].includes(codeOf(error) ?? '')) throw error
  }
}

async function writeAll(
  file: FileHandle,
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
  pace: Pace | undefined,
): Promise<void> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for (const [at, chunk] of chunks.entries()) {
    await pace?.(chunk.length)
    batch.push(chunk)
    bytes += chunk.length
    if (pace === undefined && bytes < batchBytes && at < chunks.length - 1) continue
    // A disk that is full takes a part; writing the rest then says why.
    while (batch.length > 0) batch = without(batch, (await file.writev(batch)).bytesWritten)
    bytes = 0
    throwIfAborted(signal)
  }
}

/** `chunks` without their first `count` bytes. */
function without(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count
  return chunks.flatMap((chunk) => {
    const skipped = Math.min(skip, chunk.length)
    skip -= skipped
    return skipped === chunk.length ? [] : [chunk.subarray(skipped)]
  })
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
