// Writes an archive: files, directories and symbolic links, their modes, owners and times.
//
// A record is the entry as a line of JSON and, for a file, its content. The last line names what is gone.
import fs from 'node:fs'
import path from 'node:path'
import { bytePath, displayPath, type EngineBackup, type Entry, entryPath, Failure } from '@freezer/sdk'
import { readAll } from './list.ts'

/** A path for Node: bytes. */
const raw = (...parts: readonly string[]) => Buffer.from(parts.filter((p) => p !== '').join('/'), 'latin1')

function excluder(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false
  const sources = patterns.map((pattern) =>
    bytePath(pattern)
      .replaceAll(/[\\^$.+(){}|]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.'),
  )
  const expression = new RegExp(`(?:^|/)(?:${sources.join('|')})$`, 's')
  return (own) => expression.test(own)
}

class Backup {
  readonly #run: EngineBackup
  readonly #root: string
  readonly #excluded: (path: string) => boolean
  readonly #previous: Map<string, Entry>
  readonly #gone: Set<string>

  constructor(run: EngineBackup, root: string, exclude: readonly string[], previous: Map<string, Entry>) {
    this.#run = run
    this.#root = root
    this.#excluded = excluder(exclude)
    this.#previous = previous
    this.#gone = new Set(previous.keys())
  }

  async end(): Promise<void> {
    await this.#line([...this.#gone])
  }

  /** A directory and all below it. */
  async directory(directory: string, stat: fs.BigIntStats): Promise<void> {
    let names: string[]
    try {
      names = fs.readdirSync(raw(this.#root, directory), { encoding: 'latin1' }).sort()
    } catch (error) {
      this.#unread(directory, error)
      const below = `${directory}/`
      for (const [known, entry] of this.#previous) {
        if (known === directory || known.startsWith(below)) this.#add(entry)
      }
      return
    }
    await this.#recorded(this.#keep(this.#entry('directory', directory, '', stat)))
    const directories: [string, fs.BigIntStats][] = []
    for (const name of names) {
      this.#run.signal.throwIfAborted()
      const own = directory === '' ? name : `${directory}/${name}`
      const found = this.#excluded(own) ? undefined : this.stat(own)
      if (found?.isDirectory()) directories.push([own, found])
      else if (found !== undefined) await this.other(directory, name, found)
    }
    for (const [own, found] of directories) await this.directory(own, found)
  }

  async other(directory: string, name: string, stat: fs.BigIntStats): Promise<void> {
    if (stat.isSymbolicLink()) {
      const entry = this.#keep(this.#entry('symlink', directory, name, stat))
      entry.link = fs.readlinkSync(raw(this.#root, entryPath(entry)), { encoding: 'latin1' })
      await this.#recorded(entry)
    } else if (stat.isFile()) {
      await this.#file(this.#keep(this.#entry('file', directory, name, stat)))
    } else {
      const shown = displayPath(entryPath({ directory, name }))
      this.#run.warn({ kind: 'skipped', path: shown, message: 'This kind of file is not kept.' })
    }
  }

  /** Undefined for what vanished since it was listed. */
  stat(own: string): fs.BigIntStats | undefined {
    const stat = fs.lstatSync(raw(this.#root, own), { bigint: true, throwIfNoEntry: false })
    if (stat === undefined) this.#vanished(own)
    return stat
  }

  async #file(entry: Entry): Promise<void> {
    const own = entryPath(entry)
    if (entry.place.length > 0) return this.#add(entry)
    let fd: number
    try {
      fd = fs.openSync(raw(this.#root, own), 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.#vanished(own)
      this.#unread(own, error)
      const before = this.#previous.get(own)
      if (before !== undefined) this.#add(before)
      return
    }
    const { archive } = this.#run
    try {
      await this.#line(entry)
      let ended = false
      for (let done = 0; done < entry.size; ) {
        const space = archive.space().subarray(0, entry.size - done)
        const got: number = ended ? 0 : fs.readSync(fd, space)
        ended ||= got === 0
        if (ended) space.fill(0)
        const length = ended ? space.length : got
        await archive.commit(length)
        done += length
      }
      entry.place.length = archive.position - entry.place.offset
      const { size, mtimeNs } = fs.fstatSync(fd, { bigint: true })
      const time = BigInt(entry.mtime) * 1_000_000_000n + BigInt(entry.mtimeNs)
      if (Number(size) !== entry.size || mtimeNs !== time) {
        this.#run.warn({ kind: 'changed', path: displayPath(own), message: 'It changed while it was read.' })
        entry.ctimeNs = -1
      }
    } finally {
      fs.closeSync(fd)
    }
    this.#add(entry)
  }

  #entry(type: Entry['type'], directory: string, name: string, stat: fs.BigIntStats): Entry {
    const mtimeNs = Number(((stat.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)
    const fresh = Math.abs(Date.now() - Number(stat.ctimeMs)) < 20
    return {
      type,
      directory,
      name,
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: type === 'file' ? Number(stat.size) : 0,
      mtime: Number((stat.mtimeNs - BigInt(mtimeNs)) / 1_000_000_000n),
      mtimeNs,
      ctime: Number(stat.ctimeNs / 1_000_000_000n),
      ctimeNs: fresh ? -1 : Number(stat.ctimeNs % 1_000_000_000n),
      inode: Number(stat.ino),
      link: '',
      place: { level: this.#run.level, offset: this.#run.archive.position, length: 0 },
    }
  }

  /** The entry with the place that the level below knew, when nothing of it changed. */
  #keep(entry: Entry): Entry {
    const before = this.#previous.get(entryPath(entry))
    const same =
      before?.type === entry.type &&
      before.ctime === entry.ctime &&
      before.ctimeNs === entry.ctimeNs &&
      before.ctimeNs >= 0 &&
      before.inode === entry.inode
    if (same) entry.place = before.place
    return entry
  }

  /** Adds an entry that is all header. */
  async #recorded(entry: Entry): Promise<void> {
    if (entry.place.length === 0) {
      await this.#line(entry)
      entry.place.length = this.#run.archive.position - entry.place.offset
    }
    this.#add(entry)
  }

  async #line(content: Entry | string[]): Promise<void> {
    await this.#run.archive.write(Buffer.from(`${JSON.stringify(content)}\n`, 'latin1'))
  }

  #add(entry: Entry): void {
    this.#gone.delete(entryPath(entry))
    this.#run.index.add(entry)
    this.#run.count(1, entry.size)
  }

  #unread(own: string, error: unknown): void {
    const { message } = error as Error
    this.#run.warn({ kind: 'unread', path: displayPath(own), message })
  }

  #vanished(own: string): void {
    const message = 'It vanished while its directory was read.'
    this.#run.warn({ kind: 'changed', path: displayPath(own), message })
  }
}

export async function backup(run: EngineBackup): Promise<void> {
  const { source } = run
  if (source.kind !== 'tree') throw new Failure('plugin', 'Only trees.')
  const stat = fs.lstatSync(source.path, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) throw new Failure('source', `There is no ${source.path}.`)
  const previous = await readAll(run.previous)
  const single = !stat.isDirectory()
  const root = bytePath(single ? path.dirname(source.path) : source.path)
  const work = new Backup(run, root, source.exclude, previous)
  if (single) await work.other('', bytePath(path.basename(source.path)), stat)
  else await work.directory('', stat)
  await work.end()
}
