/** Where a stream is restored to: a file, or a program that reads it. */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import {
  type Context,
  checkOptions,
  Failure,
  fromSystem,
  type RestoreDestination,
  type StreamTarget,
} from '@freezer/sdk'
import { restoreOptions } from './options.ts'
import { Program, type ProgramOptions, successes, wordsOf } from './program.ts'

type Chunks = AsyncIterable<Uint8Array>

/** @throws Failure `usage`; `refused` for a file that is there, unless it may be overwritten */
export async function openTarget(
  destination: RestoreDestination,
  facts: Readonly<Record<string, unknown>>,
  context: Context,
): Promise<StreamTarget> {
  const { restoreCommand, ...options } = checkOptions(restoreOptions, destination.options ?? {})
  if (destination.remove && destination.purpose !== 'verify') {
    throw new Failure('usage', 'A stream is restored to one file, beside which nothing is deleted.', {
      remedy: 'Leave --delete away.',
    })
  }
  if (restoreCommand !== undefined) {
    if (destination.destination !== '') {
      throw new Failure('usage', 'DEST and --restore-command both say where the stream goes.', {
        remedy: 'Give one of them.',
      })
    }
    return programTarget(wordsOf('--restore-command', restoreCommand), options, destination, context)
  }
  if (destination.destination === '') {
    throw new Failure('usage', 'DEST or --restore-command is required.', {
      remedy: 'Name a file to restore into, or a program that reads the stream.',
    })
  }
  const path = await fileOf(resolve(destination.destination), facts)
  if (destination.purpose === 'verify') {
    return { kind: 'stream', purpose: 'verify', write: (chunks) => compare(chunks, path) }
  }
  const there = await look(path)
  if (there !== undefined && !there.isFile()) {
    throw new Failure('refused', `${path} is there, and is no file.`, { remedy: 'Name another file.' })
  }
  if (there !== undefined && (destination.overwrite === false || destination.overwrite === 'never')) {
    throw new Failure('refused', `${path} is there.`, {
      remedy: 'Name a file that is not there, or add --overwrite.',
    })
  }
  return {
    kind: 'stream',
    purpose: destination.purpose,
    action: there === undefined ? 'create' : 'replace',
    write: (chunks) => writeFile(chunks, path, there !== undefined),
  }
}

function programTarget(
  words: readonly string[],
  options: ProgramOptions,
  { purpose }: RestoreDestination,
  context: Context,
): StreamTarget {
  successes(options.commandSuccess)
  if (purpose === 'verify') throw new Failure('usage', 'A program cannot be compared with a backup.')
  return {
    kind: 'stream',
    purpose,
    write: (chunks, _, signal) => feed(chunks, { ...options, words }, { ...context, signal }),
  }
}

/** The file that `path` means: of a directory, the one in it that is called as the stream was. */
async function fileOf(path: string, { name }: Readonly<Record<string, unknown>>): Promise<string> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isDirectory) return path
  if (typeof name === 'string' && !/^(?:\.{0,2})$|[\0/]/.test(name)) return join(path, name)
  throw new Failure('usage', `${path} is a directory, and the backup does not say what the file is called.`, {
    remedy: 'Name the file to restore into.',
  })
}

function look(path: string) {
  return lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw fromSystem(error, `look at ${path}`)
  })
}

/** Bytes written at once, and asked of the disk to be kept, before a file gets its name. */
async function writeFile(chunks: Chunks, path: string, replaces: boolean): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path).slice(0, 100)}.freezer-${process.pid}`)
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  let file: FileHandle | undefined
  try {
    await rm(temporary, { force: true })
    file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    for await (const chunk of chunks) await writeAll(file, chunk)
    await file.sync()
    await file.close()
    file = undefined
    if (!replaces && (await look(path)) !== undefined) {
      throw new Failure('refused', `${path} came to be there during the restore.`, {
        remedy: 'Name another file, or add --overwrite.',
      })
    }
    await rename(temporary, path)
  } catch (error) {
    throw fromSystem(error, `write ${path}`)
  } finally {
    await file?.close()
    await rm(temporary, { force: true })
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten
  }
}

/** @throws Failure `different`, `not-found` */
async function compare(chunks: Chunks, path: string): Promise<void> {
  const file = await open(path, 'r').catch((error) => {
    throw fromSystem(error, `read ${path}`)
  })
  const different = () => new Failure('different', `${path} is not what was backed up.`)
  try {
    const memory = Buffer.allocUnsafe(2 ** 20)
    for await (const chunk of chunks) {
      for (let done = 0; done < chunk.length; ) {
        const wanted = chunk.subarray(done, done + memory.length)
        const { bytesRead } = await file.read(memory, 0, wanted.length, null)
        if (bytesRead === 0 || memory.compare(wanted, 0, bytesRead, 0, bytesRead) !== 0) throw different()
        done += bytesRead
      }
    }
    if ((await file.read(memory, 0, 1, null)).bytesRead > 0) throw different()
  } finally {
    await file.close()
  }
}

/**
 * Gives a program its input. It sees the end of it only when all of it was there; else it is killed first.
 * @throws Failure `incomplete` for a program that fails or ends before its input does
 */
async function feed(
  chunks: Chunks,
  options: ProgramOptions & { readonly words: readonly string[] },
  context: Context,
): Promise<void> {
  const { signal } = context
  await using program = new Program({ ...options, end: 'stdin', code: 'incomplete' }, context)
  const { stdin } = program
  let broken: Error | undefined
  stdin.on('error', (error) => {
    broken ??= error
  })
  let over = false
  let wake = (): void => {}
  const ended = program.end().finally(() => {
    over = true
    wake()
  })
  for (const event of ['drain', 'close']) stdin.on(event, () => wake())
  const isShut = (): boolean => over || broken !== undefined || stdin.destroyed
  signal.addEventListener('abort', program.kill)
  try {
    for await (const chunk of chunks) {
      if (!isShut() && !stdin.write(chunk)) {
        await new Promise<void>((go) => {
          wake = go
          if (isShut()) go()
        })
      }
      if (isShut()) {
        broken ??= new Error('closed')
        break
      }
    }
    signal.throwIfAborted()
    if (broken === undefined) stdin.end()
  } catch (error) {
    // Before its input ends, as it would with this end of the pipe.
    program.kill()
    await ended
    throw error
  } finally {
    signal.removeEventListener('abort', program.kill)
  }
  const failure = await ended
  if (failure !== undefined) throw failure
  if (broken !== undefined) {
    throw new Failure(
      'incomplete',
      `The program "${options.words[0] ?? ''}" did not read all of the stream.`,
      {
        remedy: 'Run the command by itself to see what it says.',
      },
    )
  }
}
