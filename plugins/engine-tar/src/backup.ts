/**
 * Backup: walks the tree in the order of the index, beside what the level below saw, and writes what differs.
 */
import { closeSync } from 'node:fs'
import {
  attributesOf,
  codeOf,
  here,
  type Listing,
  listDirectory,
  openDirectory,
  Stat,
} from '@freezer/filesystem'
import {
  bytePath,
  displayPath,
  type EngineBackup,
  type Entry,
  Failure,
  type Matches,
  matcher,
  type TreeSource,
} from '@freezer/sdk'
import { dumpdir, letters } from './dumpdir.ts'
import { Files } from './files.ts'
import { flags } from './header.ts'
import { Links } from './links.ts'
import type { Dumpdir } from './member.ts'
import { isGone, join, noAttributes, Output } from './output.ts'
import { Previous } from './previous.ts'
import { Siblings } from './siblings.ts'
import { typeOf, unchanged } from './unchanged.ts'

/** A directory whose subdirectories are being walked. */
interface Frame {
  readonly path: string
  /** -1 while it is closed because too many are open. */
  fd: number
  readonly identity: string
  readonly directories: readonly string[]
  next: number
  /** Whether its record stands in this archive. */
  readonly recorded: boolean
  /** Whether a subdirectory came or went, of which the directory's own times told nothing. */
  stale: boolean
}

/** So many directories are held open at once; a deeper walk opens them again on its way back. */
const openFrames = 200

/** Bytes of a directory's path, 64 times what the system takes in one call. A page of the index must hold it. */
const longestPath = 256 * 1024

const nobody: Listing = { directories: [], others: [], regular: new Uint8Array(0) }

/**
 * Writes the archive of one level and the index of the whole tree.
 * @throws Failure `source` when the path is not there or cannot be read, `plugin` for a source that is no tree
 */
export async function backup(run: EngineBackup): Promise<void> {
  const { source } = run
  if (source.kind !== 'tree') {
    throw new Failure('plugin', 'The tar engine archives directories and files, not streams.', {
      remedy: 'Choose an engine that takes streams.',
    })
  }
  const path = bytePath(source.path)
  const top = new Stat()
  try {
    top.readAt(here, path, follows(source))
  } catch (error) {
    throw noSource(source, error)
  }
  const isTree = typeOf(top) === 'directory'
  const walk = new Walk(new Output(run, isTree ? './' : ''), source, top)
  await (isTree ? walk.tree(path) : walk.single(path))
}

function follows(source: TreeSource): boolean {
  return source.dereference === 'soft' || source.dereference === 'all'
}

function noSource(source: TreeSource, error: unknown): Failure {
  return new Failure('source', `${source.path} cannot be read: ${codeOf(error)}.`, {
    remedy: 'Check that the path exists and that this user may read it.',
    cause: error,
  })
}

class Walk {
  readonly #output: Output
  readonly #source: TreeSource
  readonly #top: Stat
  readonly #excluded: Matches | undefined
  readonly #followLinks: boolean
  readonly #previous: Previous
  readonly #siblings: Siblings
  readonly #frames: Frame[] = []
  /** Identity of the directory that is being met and is no frame yet. */
  #current = ''

  constructor(output: Output, source: TreeSource, top: Stat) {
    this.#output = output
    this.#source = source
    this.#top = top
    this.#excluded = matcher(source.exclude)
    this.#followLinks = follows(source)
    this.#previous = new Previous(output.run.previous)
    const hard = source.dereference === 'hard' || source.dereference === 'all'
    const links = new Links()
    const isWithin = (identity: string): boolean =>
      this.#current === identity || this.#frames.some((frame) => frame.identity === identity)
    const files = new Files(output, { symbolic: this.#followLinks, hard, isWithin }, links)
    this.#siblings = new Siblings(output, files, links, !hard, this.#previous)
  }

  async tree(path: string): Promise<void> {
    let fd: number
    try {
      fd = openDirectory(here, path, this.#followLinks)
    } catch (error) {
      throw noSource(this.#source, error)
    }
    try {
      await this.#directory(fd, '', undefined)
      for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
        const name = frame.directories[frame.next++]
        if (name === undefined) await this.#leave(frame)
        else await this.#enter(frame, name)
      }
    } finally {
      for (const frame of this.#frames) if (frame.fd >= 0) closeSync(frame.fd)
    }
    await this.#output.end()
  }

  async single(path: string): Promise<void> {
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    let fd: number
    try {
      fd = openDirectory(here, path.slice(0, slash + 1) || '.', true)
    } catch (error) {
      throw noSource(this.#source, error)
    }
    try {
      const listing = { directories: [], others: [name], regular: new Uint8Array(1) }
      await this.#siblings.decide(fd, '', listing, true)
      await this.#siblings.write(fd, '', [name])
      this.#output.run.count(1, 0)
    } finally {
      closeSync(fd)
    }
    await this.#output.end()
  }

  async #enter(parent: Frame, name: string): Promise<void> {
    const path = join(parent.path, name)
    if (path.length > longestPath) {
      parent.stale = true
      this.#output.warn(
        'unread',
        path.slice(0, 200),
        'The path is too long; what is in it is not in this backup.',
      )
      return
    }
    let fd: number
    try {
      fd = openDirectory(parent.fd, name, this.#followLinks)
    } catch (error) {
      await this.#carry(parent, path, error)
      return
    }
    await this.#directory(fd, path, parent)
  }

  /** Writes an open directory and what is in it but its subdirectories, which become a frame to go on with. */
  async #directory(fd: number, path: string, parent: Frame | undefined): Promise<void> {
    const { signal, count, index } = this.#output.run
    const own = new Stat()
    let frame: Frame | undefined
    try {
      signal.throwIfAborted()
      const now = Date.now()
      let listing: Listing
      let foreign: boolean
      try {
        own.read(fd)
        foreign = this.#source.oneFileSystem && !own.sameDevice(this.#top)
        listing = foreign ? nobody : this.#list(fd, path)
      } catch (error) {
        if (parent === undefined) throw noSource(this.#source, error)
        await this.#carry(parent, path, error)
        return
      }
      const { directories, others } = listing
      this.#current = own.identity
      await this.#seek(path, parent)
      const before = await this.#directoryEntry(path)
      if (before === undefined && parent !== undefined) parent.stale = true
      const differs = await this.#siblings.decide(fd, path, listing, before !== undefined)
      const recorded = before === undefined || differs || !unchanged(before, own)
      if (recorded) {
        const start = this.#output.position
        const names = foreign ? undefined : dumpdir(others, this.#siblings.fates, directories)
        await this.#record(fd, path, own, names)
        index.add(this.#output.entry('directory', path, '', own, now, '', start))
      } else {
        index.add(before)
      }
      await this.#siblings.write(fd, path, others)
      count(others.length + 1, this.#output.content.takeCount())
      frame = { path, fd, identity: own.identity, directories, next: 0, recorded, stale: false }
    } finally {
      if (frame === undefined) closeSync(fd)
    }
    this.#frames.push(frame)
    const far = this.#frames.at(-openFrames - 1)
    if (far !== undefined && far.fd >= 0 && !this.#followLinks) {
      closeSync(far.fd)
      far.fd = -1
    }
  }

  /** Done with a directory and all below it. */
  async #leave(frame: Frame): Promise<void> {
    await this.#previous.through(frame.path, (entry) => notice(frame, entry))
    if (frame.stale && !frame.recorded) await this.#recordAgain(frame)
    const parent = this.#frames.at(-2)
    if (parent?.fd === -1) parent.fd = this.#reopen(parent, frame)
    this.#frames.pop()
    closeSync(frame.fd)
  }

  /** Only GNU tar needs this record: the index already says which subdirectories there are. */
  async #recordAgain({ fd, path }: Frame): Promise<void> {
    const own = new Stat()
    let listing: Listing
    try {
      own.read(fd)
      listing = this.#list(fd, path)
    } catch (error) {
      this.#output.warn('metadata', path, `Its list of names cannot be read again (${codeOf(error)}).`)
      return
    }
    const fates = new Uint8Array(listing.others.length).fill(letters.kept)
    await this.#record(fd, path, own, dumpdir(listing.others, fates, listing.directories))
  }

  #reopen(parent: Frame, frame: Frame): number {
    const fd = openDirectory(frame.fd, '..')
    const stat = new Stat()
    stat.read(fd)
    if (stat.identity === parent.identity) return fd
    closeSync(fd)
    throw new Failure('source', `${displayPath(frame.path)} was moved while it was read.`, {
      remedy: 'Run the backup again while nothing renames directories in it.',
    })
  }

  #list(fd: number, path: string): Listing {
    const excluded = this.#excluded
    return listDirectory(fd, excluded === undefined ? undefined : (name) => !excluded(join(path, name)))
  }

  async #seek(path: string, parent: Frame | undefined): Promise<void> {
    await this.#previous.seek(path, (entry) => notice(parent, entry))
  }

  /** What the level below knew of the directory itself. */
  async #directoryEntry(path: string): Promise<Entry | undefined> {
    const entry = await this.#previous.entry()
    if (entry === undefined || entry.directory !== path || entry.name !== '') return undefined
    this.#previous.next()
    return entry
  }

  async #record(fd: number, path: string, stat: Stat, names: Dumpdir | undefined): Promise<void> {
    await this.#output.begin({
      name: this.#output.prefix + (path === '' ? '' : `${path}/`),
      flag: flags.directory,
      stat,
      link: '',
      stored: 0,
      attributes: this.#output.attributes(path, () => attributesOf(fd)),
      dumpdir: names,
    })
  }

  /** A directory that cannot be read: what the level below knew of it goes on. */
  async #carry(parent: Frame, path: string, error: unknown): Promise<void> {
    const code = codeOf(error)
    if (code === '') throw error
    if (isGone(code)) {
      this.#output.warn('changed', path, `It vanished while its directory was read (${code}).`)
      return
    }
    const message = `The directory cannot be read (${code}); what is in it is not in this backup.`
    this.#output.warn('unread', path, message)
    await this.#seek(path, parent)
    let known = false
    await this.#previous.through(path, (entry) => {
      known = true
      this.#output.run.index.add(entry)
    })
    if (!known) await this.#closedDirectory(parent, path)
  }

  /** Writes a new directory of which only the outside can be seen. */
  async #closedDirectory(parent: Frame, path: string): Promise<void> {
    const stat = new Stat()
    const now = Date.now()
    try {
      stat.readAt(parent.fd, path.slice(path.lastIndexOf('/') + 1), this.#followLinks)
    } catch {
      // Its content was told of; now it is gone as a whole.
      return
    }
    parent.stale = true
    const start = this.#output.position
    await this.#output.begin({
      name: `${this.#output.prefix}${path}/`,
      flag: flags.directory,
      stat,
      link: '',
      stored: 0,
      attributes: noAttributes,
    })
    this.#output.run.index.add(this.#output.entry('directory', path, '', stat, now, '', start))
  }
}

/** An entry of the level below was passed: a subdirectory of `frame` that is there no more makes its listing stale. */
function notice(frame: Frame | undefined, entry: Entry): void {
  if (frame === undefined || entry.name !== '' || entry.directory === '') return
  const slash = entry.directory.lastIndexOf('/')
  if ((slash < 0 ? '' : entry.directory.slice(0, slash)) === frame.path) frame.stale = true
}
