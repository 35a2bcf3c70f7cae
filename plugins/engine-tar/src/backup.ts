/**
 * Backup: walks the tree in the order of the index, beside what the level below saw, and writes what differs.
 *
 * A directory is met in two passes. The first decides the fate of every name, so that the directory's own record, which
 * lists them, can be written before its content; the second writes and indexes them. Subdirectories come after.
 */
import { closeSync } from 'node:fs'
import {
  type Attribute,
  attributesAt,
  attributesOf,
  codeOf,
  dataSegments,
  here,
  type Listing,
  listDirectory,
  openDirectory,
  openFile,
  readLink,
  Stat,
} from '@freezer/filesystem'
import {
  bytePath,
  displayPath,
  type EngineBackup,
  type Entry,
  type EntryType,
  Failure,
  type TreeSource,
  type Warning,
} from '@freezer/sdk'
import { Content, type Outcome, sparseSize } from './content.ts'
import { dumpdir, letters } from './dumpdir.ts'
import { type Excluded, excluder } from './exclude.ts'
import { flags } from './header.ts'
import { Links } from './links.ts'
import { type Dumpdir, Members } from './member.ts'
import { Kept, Previous } from './previous.ts'
import { trustedCtime, typeOf, unchanged } from './unchanged.ts'

/** A directory whose subdirectories are being walked. */
interface Frame {
  readonly path: string
  /** -1 while it is closed because too many are open. */
  fd: number
  readonly identity: string
  readonly directories: readonly string[]
  next: number
  /** Whether its record stands in this archive. */
  recorded: boolean
  /** Whether a subdirectory came or went, of which the directory's own times told nothing. */
  stale: boolean
}

/** So many directories are held open at once; a deeper walk opens them again on its way back. */
const openFrames = 200

const nobody: Listing = { directories: [], others: [], regular: new Uint8Array(0) }
const nothing: readonly Attribute[] = []
const gone = new Set(['ENOENT', 'ESTALE', 'ENOTDIR', 'ELOOP'])

export async function backup(run: EngineBackup): Promise<void> {
  const { source } = run
  if (source.kind !== 'tree') {
    throw new Failure('plugin', 'The tar engine archives directories and files, not streams.', {
      remedy: 'Choose an engine that takes streams.',
    })
  }
  await new Backup(run, source).run()
}

class Backup {
  readonly #run: EngineBackup
  readonly #source: TreeSource
  readonly #excluded: Excluded | undefined
  readonly #followLinks: boolean
  readonly #joinLinks: boolean
  readonly #members: Members
  readonly #content: Content
  readonly #previous: Previous
  readonly #links = new Links()
  readonly #kept = new Kept()
  readonly #stat = new Stat()
  readonly #again = new Stat()
  readonly #root = new Stat()
  readonly #frames: Frame[] = []
  /** What stands before a path in the archive: `./`, nothing for a single file. */
  #prefix = './'
  #fates = new Uint8Array(0)

  constructor(run: EngineBackup, source: TreeSource) {
    this.#run = run
    this.#source = source
    this.#excluded = excluder(source.exclude)
    this.#followLinks = source.dereference === 'soft' || source.dereference === 'all'
    this.#joinLinks = source.dereference === 'none' || source.dereference === 'soft'
    this.#members = new Members(run.archive)
    this.#content = new Content(run, this.#members)
    this.#previous = new Previous(run.previous)
  }

  async run(): Promise<void> {
    const path = bytePath(this.#source.path)
    try {
      this.#root.readAt(here, path, this.#followLinks)
    } catch (error) {
      throw this.#noSource(error)
    }
    try {
      if (typeOf(this.#root) === 'directory') await this.#tree(path)
      else await this.#single(path)
    } finally {
      for (const { fd } of this.#frames) if (fd >= 0) closeSync(fd)
    }
    this.#run.count(0, this.#content.takeCount())
    // Two blocks of zeros end an archive.
    await this.#members.zeros(1024)
  }

  #noSource(error: unknown): Failure {
    return new Failure('source', `${this.#source.path} cannot be read: ${codeOf(error)}.`, {
      remedy: 'Check that the path exists and that this user may read it.',
      cause: error,
    })
  }

  async #tree(path: string): Promise<void> {
    let fd: number
    try {
      fd = openDirectory(here, path, this.#followLinks)
    } catch (error) {
      throw this.#noSource(error)
    }
    await this.#directory(fd, '', undefined)
    while (this.#frames.length > 0) {
      const frame = this.#frames.at(-1) as Frame
      const name = frame.directories[frame.next++]
      if (name === undefined) await this.#leave(frame)
      else await this.#enter(frame, name)
    }
  }

  async #single(path: string): Promise<void> {
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    this.#prefix = ''
    const fd = openDirectory(here, path.slice(0, slash + 1) || '.', true)
    try {
      await this.#decide(fd, '', { directories: [], others: [name], regular: new Uint8Array(1) }, true)
      await this.#write(fd, '', [name])
    } finally {
      closeSync(fd)
    }
  }

  async #enter(parent: Frame, name: string): Promise<void> {
    const path = parent.path === '' ? name : `${parent.path}/${name}`
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
    const { signal, count, index } = this.#run
    const own = new Stat()
    let frame: Frame | undefined
    try {
      signal.throwIfAborted()
      const now = Date.now()
      let listing: Listing
      let foreign: boolean
      try {
        own.read(fd)
        foreign = this.#source.oneFileSystem && !own.sameDevice(this.#root)
        listing = foreign ? nobody : this.#list(fd, path)
      } catch (error) {
        if (parent === undefined) throw this.#noSource(error)
        await this.#carry(parent, path, error)
        return
      }
      const { directories, others } = listing
      await this.#seek(path, parent)
      const before = await this.#directoryEntry(path)
      if (before === undefined && parent !== undefined) parent.stale = true
      const differs = await this.#decide(fd, path, listing, before !== undefined)
      const recorded = before === undefined || differs || !unchanged(before, own)
      if (recorded) {
        const start = this.#run.archive.position
        const names = foreign ? undefined : dumpdir(others, this.#fates, directories)
        await this.#directoryRecord(fd, path, own, names)
        index.add(this.#entry('directory', path, '', own, trustedCtime(own, now), '', start))
      } else {
        index.add(before)
      }
      await this.#write(fd, path, others)
      count(others.length + 1, this.#content.takeCount())
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
    await this.#previous.through(frame.path, (entry) => this.#passed(frame, entry))
    if (frame.stale && !frame.recorded) {
      const own = new Stat()
      own.read(frame.fd)
      const { directories, others } = this.#list(frame.fd, frame.path)
      const fates = new Uint8Array(others.length).fill(letters.kept)
      await this.#directoryRecord(frame.fd, frame.path, own, dumpdir(others, fates, directories))
    }
    this.#frames.pop()
    const parent = this.#frames.at(-1)
    try {
      if (parent?.fd === -1) {
        parent.fd = openDirectory(frame.fd, '..')
        this.#again.read(parent.fd)
        if (this.#again.identity !== parent.identity) {
          throw new Failure('source', `${displayPath(frame.path)} was moved while it was read.`, {
            remedy: 'Run the backup again while nothing renames directories in it.',
          })
        }
      }
    } finally {
      closeSync(frame.fd)
    }
  }

  #list(fd: number, path: string): Listing {
    const excluded = this.#excluded
    return listDirectory(fd, excluded === undefined ? undefined : (name) => !excluded(join(path, name)))
  }

  #passed(frame: Frame | undefined, entry: Entry): void {
    if (frame === undefined || entry.name !== '' || entry.directory === '') return
    const slash = entry.directory.lastIndexOf('/')
    if ((slash < 0 ? '' : entry.directory.slice(0, slash)) === frame.path) frame.stale = true
  }

  async #seek(path: string, parent: Frame | undefined): Promise<void> {
    await this.#previous.seek(path, (entry) => this.#passed(parent, entry))
  }

  async #directoryEntry(path: string): Promise<Entry | undefined> {
    const entry = await this.#previous.entry()
    if (entry === undefined || entry.directory !== path || entry.name !== '') return undefined
    this.#previous.next()
    return entry
  }

  async #directoryRecord(fd: number, path: string, stat: Stat, names: Dumpdir | undefined): Promise<void> {
    await this.#members.begin({
      name: path === '' ? this.#prefix : `${this.#prefix}${path}/`,
      flag: flags.directory,
      stat,
      link: '',
      stored: 0,
      attributes: this.#attributes(path, () => attributesOf(fd)),
      dumpdir: names,
    })
  }

  /** A directory that cannot be read: what the level below knew of it goes on. */
  async #carry(parent: Frame, path: string, error: unknown): Promise<void> {
    const code = codeOf(error)
    if (code === '') throw error
    if (gone.has(code)) {
      this.#warn('changed', path, `It vanished while its directory was read (${code}).`)
      return
    }
    this.#warn('unread', path, `The directory cannot be read (${code}); what is in it is not in this backup.`)
    await this.#seek(path, parent)
    let known = false
    await this.#previous.through(path, (entry) => {
      known = true
      this.#run.index.add(entry)
    })
    if (!known) await this.#closedDirectory(parent, path)
  }

  /** Writes a new directory of which only the outside can be seen. */
  async #closedDirectory(parent: Frame, path: string): Promise<void> {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const now = Date.now()
    try {
      this.#stat.readAt(parent.fd, name, this.#followLinks)
    } catch {
      // Its content was told of; now it is gone as a whole.
      return
    }
    parent.stale = true
    const start = this.#run.archive.position
    await this.#members.begin({
      name: `${this.#prefix}${path}/`,
      flag: flags.directory,
      stat: this.#stat,
      link: '',
      stored: 0,
      attributes: nothing,
    })
    this.#run.index.add(
      this.#entry('directory', path, '', this.#stat, trustedCtime(this.#stat, now), '', start),
    )
  }

  /**
   * First pass: settles the fate of every name, keeps what was known of it, and adds to the subdirectories what turns
   * out to be one. In a directory that the level below did not know, what is called a file needs no look here.
   * @param known whether the level below knew the directory
   * @returns whether a member was added, changed or removed
   */
  async #decide(
    fd: number,
    path: string,
    { directories, others, regular }: Listing,
    known: boolean,
  ): Promise<boolean> {
    const previous = this.#previous
    const stat = this.#stat
    const found = directories.length
    if (this.#fates.length < others.length || this.#fates.length > 1 << 20) {
      this.#fates = new Uint8Array(Math.max(others.length, 1024))
    }
    this.#kept.clear(others.length)
    let differs = false
    for (let i = 0; i < others.length; i++) {
      const name = others[i] as string
      let before: Entry | undefined
      for (;;) {
        before = previous.peek() ?? (await previous.entry())
        if (before === undefined || before.directory !== path || before.name > name) {
          before = undefined
          break
        }
        previous.next()
        if (before.name === name) break
        differs = true
      }
      if (before !== undefined) this.#kept.set(i, before)
      const fresh = !known && regular[i] === 1
      const fate = fresh ? letters.fresh : this.#fate(fd, path, name, before, stat)
      this.#fates[i] = fate
      if (fate === letters.directory) {
        this.#fates[i] = letters.out
        directories.push(name)
      }
      if (this.#fates[i] === letters.out ? before !== undefined : fate !== letters.kept) differs = true
    }
    for (;;) {
      const rest = previous.peek() ?? (await previous.entry())
      if (rest === undefined || rest.directory !== path || rest.name === '') break
      previous.next()
      differs = true
    }
    if (directories.length !== found) directories.sort()
    return differs
  }

  #fate(fd: number, path: string, name: string, before: Entry | undefined, stat: Stat): number {
    try {
      this.#look(fd, name, stat)
    } catch (error) {
      const code = codeOf(error)
      // Gone between listing and looking: as if it had never been there.
      if (gone.has(code)) return letters.out
      this.#warn('unread', join(path, name), `It cannot be read (${code}); it is not in this backup.`)
      return before === undefined ? letters.out : letters.kept
    }
    const type = typeOf(stat)
    if (type === 'directory') return letters.directory
    if (type === undefined) {
      this.#warn('skipped', join(path, name), 'A socket is not backed up.')
      return letters.out
    }
    let same = before !== undefined && unchanged(before, stat)
    if (stat.links > 1 && this.#joinLinks) {
      const own = join(path, name)
      const first = this.#links.meet(stat.identity, own, stat.links)
      if (first.path === own) {
        same &&= before?.type !== 'hardlink'
        first.written = !same
      } else {
        // The first name may have been moved without a trace in the file itself.
        same &&= before?.link === first.path && !first.written
      }
    } else {
      same &&= before?.type !== 'hardlink'
    }
    if (same) return letters.kept
    return type === 'file' ? letters.file : letters.written
  }

  /** Facts of a name: of what it points to when links are followed, unless that is missing or leads in a circle. */
  #look(fd: number, name: string, stat: Stat): void {
    stat.readAt(fd, name)
    if (!this.#followLinks || typeOf(stat) !== 'symlink') return
    try {
      stat.readAt(fd, name, true)
      if (typeOf(stat) !== 'directory' || !this.#isAncestor(fd, stat.identity)) return
    } catch (error) {
      if (!gone.has(codeOf(error))) throw error
    }
    stat.readAt(fd, name)
  }

  #isAncestor(fd: number, identity: string): boolean {
    this.#again.read(fd)
    return this.#again.identity === identity || this.#frames.some((frame) => frame.identity === identity)
  }

  /** Second pass: writes and indexes every name as its fate says. */
  async #write(fd: number, path: string, others: readonly string[]): Promise<void> {
    const { index } = this.#run
    for (let i = 0; i < others.length; i++) {
      const fate = this.#fates[i]
      if (fate === letters.out) continue
      const name = others[i] as string
      if (fate === letters.kept) {
        const entry = this.#kept.get(i, path, name)
        if (entry !== undefined) index.add(entry)
      } else {
        const entry = await (fate === letters.written
          ? this.#other(fd, path, name, i)
          : this.#file(fd, path, name, i, fate === letters.fresh))
        if (entry !== undefined) index.add(entry)
      }
    }
    this.#links.settle()
  }

  /** What is known of a file that cannot be read now: at best its content of an earlier level. */
  #unread(path: string, name: string, position: number, code: string): Entry | undefined {
    const own = join(path, name)
    if (gone.has(code)) {
      this.#warn('changed', own, `It vanished while its directory was read (${code}).`)
      return undefined
    }
    const before = this.#kept.get(position, path, name)
    const rest = before === undefined ? '' : ', only as an earlier level saw it'
    this.#warn('unread', own, `It cannot be read (${code}); it is not in this backup${rest}.`)
    return before === undefined ? undefined : { ...before, ctimeNs: -1 }
  }

  /** @param fresh whether its other names were not looked for yet */
  async #file(
    fd: number,
    path: string,
    name: string,
    position: number,
    fresh: boolean,
  ): Promise<Entry | undefined> {
    let file: number
    try {
      file = openFile(fd, name, this.#followLinks)
    } catch (error) {
      return this.#unread(path, name, position, codeOf(error))
    }
    try {
      const stat = this.#stat
      const now = Date.now()
      stat.read(file)
      if (typeOf(stat) !== 'file') {
        this.#warn('changed', join(path, name), 'It became something else while its directory was read.')
        return undefined
      }
      const joined = this.#joined(path, name, stat, fresh)
      if (joined !== undefined) return await this.#hardLink(path, name, joined, now)
      return await this.#regular(file, path, name, position, now)
    } finally {
      closeSync(file)
    }
  }

  /** Path of an earlier name of the same file. */
  #joined(path: string, name: string, stat: Stat, fresh: boolean): string | undefined {
    if (stat.links < 2 || !this.#joinLinks) return undefined
    const own = join(path, name)
    if (fresh) {
      const first = this.#links.meet(stat.identity, own, stat.links)
      if (first.path !== own) return first.path
      first.written = true
      return undefined
    }
    const first = this.#links.find(stat.identity)
    if (first === undefined) this.#links.replace(stat.identity, own)
    return first === own ? undefined : first
  }

  async #regular(
    file: number,
    path: string,
    name: string,
    position: number,
    now: number,
  ): Promise<Entry | undefined> {
    const stat = this.#stat
    const own = join(path, name)
    const { size } = stat
    const start = this.#run.archive.position
    const attributes = this.#attributes(own, () => attributesOf(file))
    const data = stat.allocated < size ? dataSegments(file, size) : undefined
    const sparse = data !== undefined && (data.length !== 1 || data[0]?.length !== size)
    if (sparse && (data.at(-1)?.offset ?? 0) + (data.at(-1)?.length ?? 0) < size) {
      data.push({ offset: size, length: 0 })
    }
    const began = this.#members.begin({
      name: this.#prefix + own,
      flag: flags.file,
      stat,
      link: '',
      stored: sparse ? sparseSize(data) : size,
      attributes,
      realSize: sparse ? size : undefined,
    })
    if (began !== undefined) await began
    const outcome: Outcome = sparse
      ? await this.#content.sparse(file, data)
      : await this.#content.whole(file, size)
    if (typeof outcome === 'object') {
      if (this.#links.find(stat.identity) === own) this.#links.replace(stat.identity, undefined)
      return this.#unread(path, name, position, outcome.error)
    }
    const still = outcome === 'whole' && this.#isStill(file, stat)
    if (!still) this.#warn('changed', own, 'It changed while it was read.')
    return this.#entry('file', path, name, stat, still ? trustedCtime(stat, now) : -1, '', start)
  }

  #isStill(file: number, stat: Stat): boolean {
    const again = this.#again
    again.read(file)
    return (
      again.size === stat.size &&
      again.mtime === stat.mtime &&
      again.mtimeNs === stat.mtimeNs &&
      again.ctime === stat.ctime &&
      again.ctimeNs === stat.ctimeNs
    )
  }

  async #hardLink(path: string, name: string, first: string, now: number): Promise<Entry> {
    const start = this.#run.archive.position
    await this.#members.begin({
      name: this.#prefix + join(path, name),
      flag: flags.hardlink,
      stat: this.#stat,
      link: this.#prefix + first,
      stored: 0,
      attributes: nothing,
    })
    return this.#entry('hardlink', path, name, this.#stat, trustedCtime(this.#stat, now), first, start)
  }

  /** A symbolic link, FIFO or device. */
  async #other(fd: number, path: string, name: string, position: number): Promise<Entry | undefined> {
    const stat = this.#stat
    const own = join(path, name)
    const start = this.#run.archive.position
    try {
      const now = Date.now()
      this.#look(fd, name, stat)
      const type = typeOf(stat)
      if (type === 'file') return await this.#file(fd, path, name, position, false)
      if (type === undefined || type === 'directory' || type === 'hardlink') {
        this.#warn('changed', own, 'It became something else while its directory was read.')
        return undefined
      }
      const joined = this.#joined(path, name, stat, false)
      if (joined !== undefined) return await this.#hardLink(path, name, joined, now)
      if (type === 'symlink' && this.#followLinks) {
        this.#warn('metadata', own, 'The link leads nowhere or in a circle; it is kept as a link.')
      }
      const link = type === 'symlink' ? readLink(fd, name) : ''
      await this.#members.begin({
        name: this.#prefix + own,
        flag: flags[type],
        stat,
        link,
        stored: 0,
        attributes: this.#attributes(own, () => attributesAt(fd, name)),
      })
      return this.#entry(type, path, name, stat, trustedCtime(stat, now), link, start)
    } catch (error) {
      if (codeOf(error) === '') throw error
      return this.#unread(path, name, position, codeOf(error))
    }
  }

  #attributes(path: string, read: () => readonly Attribute[]): readonly Attribute[] {
    try {
      return read()
    } catch (error) {
      this.#warn('metadata', path, `Its extended attributes cannot be read (${codeOf(error)}).`)
      return nothing
    }
  }

  #entry(
    type: EntryType,
    directory: string,
    name: string,
    stat: Stat,
    ctimeNs: number,
    link: string,
    start: number,
  ): Entry {
    return {
      type,
      directory,
      name,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      size: type === 'file' ? stat.size : 0,
      mtime: stat.mtime,
      mtimeNs: stat.mtimeNs,
      ctime: stat.ctime,
      ctimeNs,
      inode: stat.inode,
      link,
      place: { level: this.#run.level, offset: start, length: this.#run.archive.position - start },
    }
  }

  #warn(kind: Warning['kind'], path: string, message: string): void {
    this.#run.warn({ kind, path: displayPath(path), message })
  }
}

function join(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}
