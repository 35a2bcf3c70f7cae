/** Everything that is no directory, on its way into the archive. */
import { closeSync } from 'node:fs'
import {
  attributesAt,
  attributesOf,
  codeOf,
  dataSegments,
  openFile,
  readLink,
  type Segment,
  Stat,
} from '@freezer/filesystem'
import type { Entry } from '@freezer/sdk'
import { type Outcome, sparseSize } from './content.ts'
import { flags } from './header.ts'
import type { Links } from './links.ts'
import { isGone, join, noAttributes, type Output } from './output.ts'
import { typeOf } from './unchanged.ts'

/** One name in an open directory. */
export interface Name {
  /** The open directory. */
  readonly fd: number
  /** Path of the directory. */
  readonly directory: string
  readonly name: string
  /** What the level below knew of it. */
  readonly before: () => Entry | undefined
}

export interface Following {
  /** Whether a symbolic link stands for what it points to. */
  readonly symbolic: boolean
  /** Whether each name of a file is a file of its own. */
  readonly hard: boolean
  /** Whether the directory with this identity is one that the walk is in. */
  readonly isWithin: (identity: string) => boolean
}

export class Files {
  readonly #output: Output
  readonly #following: Following
  readonly #links: Links
  readonly #stat = new Stat()
  readonly #again = new Stat()

  constructor(output: Output, following: Following, links: Links) {
    this.#output = output
    this.#following = following
    this.#links = links
  }

  /**
   * Facts of a name: of what it points to when links are followed, unless that is missing or leads in a circle.
   * @throws SystemError
   */
  look(fd: number, name: string, stat: Stat): void {
    stat.readAt(fd, name)
    if (!this.#following.symbolic || typeOf(stat) !== 'symlink') return
    try {
      stat.readAt(fd, name, true)
      if (typeOf(stat) !== 'directory' || !this.#following.isWithin(stat.identity)) return
    } catch (error) {
      if (!isGone(codeOf(error))) throw error
    }
    stat.readAt(fd, name)
  }

  /**
   * Writes a regular file, or a hard link to one that was written.
   * @param fresh whether the file's other names were not looked for yet
   * @returns its entry, undefined when it is not in this backup
   */
  async file(name: Name, fresh: boolean): Promise<Entry | undefined> {
    const stat = this.#stat
    let fd = -1
    try {
      let now: number
      try {
        fd = openFile(name.fd, name.name, this.#following.symbolic)
        now = Date.now()
        stat.read(fd)
      } catch (error) {
        return this.#unread(name, error)
      }
      if (typeOf(stat) !== 'file') return this.#other(name)
      const first = this.#firstName(name, stat, fresh)
      return await (first === undefined ? this.#regular(fd, name, now) : this.#hardLink(name, first, now))
    } finally {
      if (fd >= 0) closeSync(fd)
    }
  }

  /** Writes a symbolic link, FIFO or device. @returns its entry, undefined when it is not in this backup */
  async special(name: Name): Promise<Entry | undefined> {
    const stat = this.#stat
    const now = Date.now()
    let link = ''
    try {
      this.look(name.fd, name.name, stat)
      if (typeOf(stat) === 'symlink') link = readLink(name.fd, name.name)
    } catch (error) {
      return this.#unread(name, error)
    }
    const type = typeOf(stat)
    if (type !== 'symlink' && type !== 'fifo' && type !== 'character' && type !== 'block')
      return this.#other(name)
    const first = this.#firstName(name, stat, false)
    if (first !== undefined) return await this.#hardLink(name, first, now)
    const path = join(name.directory, name.name)
    if (type === 'symlink' && this.#following.symbolic) {
      this.#output.warn('metadata', path, 'The link leads nowhere or in a circle; it is kept as a link.')
    }
    const start = this.#output.position
    await this.#output.begin({
      name: this.#output.prefix + path,
      flag: flags[type],
      stat,
      link,
      stored: 0,
      attributes: this.#output.attributes(path, () => attributesAt(name.fd, name.name)),
    })
    return this.#output.entry(type, name.directory, name.name, stat, now, link, start)
  }

  /** Path of an earlier name of the same file. */
  #firstName({ directory, name }: Name, stat: Stat, fresh: boolean): string | undefined {
    if (stat.links < 2 || this.#following.hard) return undefined
    const path = join(directory, name)
    if (!fresh) {
      const first = this.#links.find(stat.identity, path)
      return first === path ? undefined : first
    }
    const first = this.#links.meet(stat.identity, path, stat.links)
    if (first.path !== path) return first.path
    first.written = true
    return undefined
  }

  async #regular(fd: number, name: Name, now: number): Promise<Entry | undefined> {
    const stat = this.#stat
    const output = this.#output
    const path = join(name.directory, name.name)
    const start = output.position
    let data: Segment[] | undefined
    try {
      data = sparseSegments(fd, stat)
    } catch (error) {
      return this.#unread(name, error)
    }
    const began = output.begin({
      name: output.prefix + path,
      flag: flags.file,
      stat,
      link: '',
      stored: data === undefined ? stat.size : sparseSize(data),
      attributes: output.attributes(path, () => attributesOf(fd)),
      realSize: data === undefined ? undefined : stat.size,
    })
    if (began !== undefined) await began
    const outcome: Outcome = await (data === undefined
      ? output.content.whole(fd, stat.size)
      : output.content.sparse(fd, data))
    if (typeof outcome === 'object') return this.#unread(name, outcome.error)
    const still = outcome === 'whole' && this.#isStill(fd)
    if (!still) output.warn('changed', path, 'It changed while it was read.')
    return output.entry('file', name.directory, name.name, stat, still ? now : -1, '', start)
  }

  #isStill(fd: number): boolean {
    const stat = this.#stat
    const again = this.#again
    try {
      again.read(fd)
    } catch {
      return false
    }
    return (
      again.size === stat.size &&
      again.mtime === stat.mtime &&
      again.mtimeNs === stat.mtimeNs &&
      again.ctime === stat.ctime &&
      again.ctimeNs === stat.ctimeNs
    )
  }

  async #hardLink({ directory, name }: Name, first: string, now: number): Promise<Entry> {
    const { prefix, position } = this.#output
    await this.#output.begin({
      name: prefix + join(directory, name),
      flag: flags.hardlink,
      stat: this.#stat,
      link: prefix + first,
      stored: 0,
      attributes: noAttributes,
    })
    return this.#output.entry('hardlink', directory, name, this.#stat, now, first, position)
  }

  #other({ directory, name }: Name): undefined {
    const path = join(directory, name)
    this.#links.lost(path)
    this.#output.warn('changed', path, 'It became something else while its directory was read.')
  }

  /** What is known of a file that cannot be read now: at best its content of an earlier level. */
  #unread({ directory, name, before }: Name, error: unknown): Entry | undefined {
    const code = codeOf(error)
    if (code === '') throw error
    const path = join(directory, name)
    this.#links.lost(path)
    if (isGone(code)) {
      this.#output.warn('changed', path, `It vanished while its directory was read (${code}).`)
      return undefined
    }
    const known = before()
    const rest = known === undefined ? '' : ', only as an earlier level saw it'
    this.#output.warn('unread', path, `It cannot be read (${code}); it is not in this backup${rest}.`)
    return known === undefined ? undefined : { ...known, ctimeNs: -1 }
  }
}

/** Where a file with holes has data; undefined for a file without. @throws SystemError */
function sparseSegments(fd: number, stat: Stat): Segment[] | undefined {
  const { size, allocated } = stat
  if (allocated >= size) return undefined
  const data = dataSegments(fd, size)
  const last = data.at(-1)
  const end = last === undefined ? 0 : last.offset + last.length
  if (data.length === 1 && last?.length === size) return undefined
  // A last segment without bytes tells GNU tar where the file ends.
  if (end < size) data.push({ offset: size, length: 0 })
  return data
}
