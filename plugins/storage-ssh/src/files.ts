/** The requests of SFTP that a storage needs, as promises. They throw what `Channel.request` throws. */
import type { SFTPWrapper, Stats } from 'ssh2'
import type { Channel } from './channel.ts'
import { status, statusOf } from './failures.ts'

/** Milliseconds that tidying up may take after a run was stopped. */
const tidyTime = 5000

/** The part of a mode that says what a file is, and its values, which SFTP shares with Unix. */
const fileType = { mask: 0o170000, file: 0o100000, directory: 0o040000 } as const

/** What a server says of a file. */
export interface Attributes {
  readonly kind: 'file' | 'directory' | 'other'
  /** Bytes. */
  readonly size: number
  /** Seconds since 1970. */
  readonly mtime: number
}

export interface Entry {
  readonly name: string
  /** Undefined where the server leaves them out. */
  readonly attributes: Attributes | undefined
}

function attributesOf({ mode, size, mtime }: Pick<Stats, 'mode' | 'size' | 'mtime'>): Attributes {
  const type = mode & fileType.mask
  const kind = type === fileType.file ? 'file' : type === fileType.directory ? 'directory' : 'other'
  return { kind, size, mtime }
}

/** SFTP lets a server say as much of a file as it likes. */
function isComplete({ mode, size }: Partial<Stats>): boolean {
  return mode !== undefined && size !== undefined
}

/** Follows links when `follow` says so. */
export async function attributes(
  channel: Channel,
  path: string,
  signal: AbortSignal,
  follow = false,
): Promise<Attributes> {
  const stats = await channel.request<Stats>(
    (sftp, done) => (follow ? sftp.stat(path, done) : sftp.lstat(path, done)),
    signal,
  )
  return attributesOf(stats)
}

/** Whether `path`, or what it links to, is a directory; undefined when nothing is there. */
export async function isDirectory(
  channel: Channel,
  path: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    return (await attributes(channel, path, signal, true)).kind === 'directory'
  } catch (error) {
    if (statusOf(error) === status.noSuchFile) return undefined
    throw error
  }
}

/** An open file or directory of the server. */
export class Handle {
  readonly #channel: Channel
  readonly #handle: Buffer

  constructor(channel: Channel, handle: Buffer) {
    this.#channel = channel
    this.#handle = handle
  }

  /** Bytes. */
  async size(signal: AbortSignal): Promise<number> {
    const stats = await this.#request<Stats>((sftp, handle, done) => sftp.fstat(handle, done), signal)
    return stats.size
  }

  /** `length` bytes from `offset`, or fewer where the file ends. */
  async read(offset: number, length: number, signal: AbortSignal): Promise<Buffer> {
    // Not from a pool: the receiver may transfer it to a thread.
    const buffer = Buffer.allocUnsafeSlow(length)
    for (let at = 0; at < length; ) {
      let count: number
      try {
        count = await this.#request<number>(
          (sftp, handle, done) => sftp.read(handle, buffer, at, length - at, offset + at, done),
          signal,
        )
      } catch (error) {
        if (statusOf(error) === status.eof) return buffer.subarray(0, at)
        throw error
      }
      if (count === 0) return buffer.subarray(0, at)
      at += count
    }
    return buffer
  }

  write(offset: number, bytes: Buffer, signal: AbortSignal): Promise<void> {
    return this.#request((sftp, handle, done) => {
      sftp.write(handle, bytes, 0, bytes.length, offset, (error) => done(error, undefined))
    }, signal)
  }

  /** Waits until the server has all of it on its disk. @throws Error `unsupported` where the server cannot do this */
  async sync(signal: AbortSignal): Promise<void> {
    await this.#request<unknown>((sftp, handle, done) => sftp.ext_openssh_fsync(handle, done), signal)
  }

  /** The next entries of a directory; undefined after the last. */
  async entries(signal: AbortSignal): Promise<Entry[] | undefined> {
    try {
      const list = await this.#request<{ filename: string; attrs: Stats }[]>(
        (sftp, handle, done) => sftp.readdir(handle, done),
        signal,
      )
      return list.map(({ filename, attrs }) => ({
        name: filename,
        attributes: isComplete(attrs) ? attributesOf(attrs) : undefined,
      }))
    } catch (error) {
      if (statusOf(error) === status.eof) return undefined
      throw error
    }
  }

  /** Closes it, also after a run was stopped; a server that is gone has closed it. */
  async close(): Promise<void> {
    await tidy((signal) =>
      this.#request<void>(
        (sftp, handle, done) => sftp.close(handle, (error) => done(error, undefined)),
        signal,
      ),
    )
  }

  #request<T>(
    start: (
      sftp: SFTPWrapper,
      handle: Buffer,
      done: (error: Error | null | undefined, value: T) => void,
    ) => void,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#channel.request((sftp, done) => start(sftp, this.#handle, done), signal)
  }
}

/** Opens a file: `r` to read, `wx` to write one that is not there yet. */
export function openFile(
  channel: Channel,
  path: string,
  flags: 'r' | 'wx',
  mode: number,
  signal: AbortSignal,
): Promise<Handle> {
  return openHandle(channel, (sftp, done) => sftp.open(path, flags, { mode }, done), signal)
}

export function openDirectory(channel: Channel, path: string, signal: AbortSignal): Promise<Handle> {
  return openHandle(channel, (sftp, done) => sftp.opendir(path, done), signal)
}

/** What is open by the time that nobody waits for it any more is closed. */
async function openHandle(
  channel: Channel,
  start: (sftp: SFTPWrapper, done: (error: Error | null | undefined, handle: Buffer) => void) => void,
  signal: AbortSignal,
): Promise<Handle> {
  const close = (handle: Buffer) => new Handle(channel, handle).close()
  return new Handle(channel, await channel.request(start, signal, close))
}

/** Renames a file onto another or none, all or nothing. @throws Error `unsupported` where the server cannot do this */
export function replace(channel: Channel, from: string, to: string, signal: AbortSignal): Promise<void> {
  return channel.request(
    (sftp, done) => sftp.ext_openssh_rename(from, to, (error) => done(error, undefined)),
    signal,
  )
}

/** Renames a file to a name that is free. */
export function rename(channel: Channel, from: string, to: string, signal: AbortSignal): Promise<void> {
  return channel.request((sftp, done) => sftp.rename(from, to, (error) => done(error, undefined)), signal)
}

export function makeDirectory(
  channel: Channel,
  path: string,
  mode: number,
  signal: AbortSignal,
): Promise<void> {
  return channel.request(
    (sftp, done) => sftp.mkdir(path, { mode }, (error) => done(error, undefined)),
    signal,
  )
}

export function removeDirectory(channel: Channel, path: string, signal: AbortSignal): Promise<void> {
  return channel.request((sftp, done) => sftp.rmdir(path, (error) => done(error, undefined)), signal)
}

export function removeFile(channel: Channel, path: string, signal: AbortSignal): Promise<void> {
  return channel.request((sftp, done) => sftp.unlink(path, (error) => done(error, undefined)), signal)
}

/** The absolute form of `path`, seen from where the account logs in. */
export function absolute(channel: Channel, path: string, signal: AbortSignal): Promise<string> {
  return channel.request<string>((sftp, done) => sftp.realpath(path, done), signal)
}

/** How much room there is. */
export interface Room {
  /** Bytes for the account. */
  readonly bytes: number
  /** Files that can still be made. */
  readonly files: number
  readonly readOnly: boolean
}

/** The room at `path`; undefined where the server does not say. */
export async function room(channel: Channel, path: string, signal: AbortSignal): Promise<Room | undefined> {
  try {
    const answer = await channel.request<unknown>(
      (sftp, done) => sftp.ext_openssh_statvfs(path, done),
      signal,
    )
    const { f_frsize, f_bavail, f_files, f_favail, f_flag } = answer as Record<string, number | undefined>
    if (f_frsize === undefined || f_bavail === undefined) return undefined
    // A file system that makes its inodes as it goes says 0 of 0.
    const files = f_files === 0 || f_favail === undefined ? Number.POSITIVE_INFINITY : f_favail
    return { bytes: f_frsize * f_bavail, files, readOnly: ((f_flag ?? 0) & 1) === 1 }
  } catch (error) {
    if (statusOf(error) === undefined) throw error
    return undefined
  }
}

/** Does what must be done whatever happened before; that it cannot be done is no news then. */
export async function tidy(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  await work(AbortSignal.timeout(tidyTime)).catch(() => {})
}
