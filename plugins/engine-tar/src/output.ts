/** What a backup writes to: the archive of its level, the index, and the warnings to the host. */
import type { Attribute, Stat } from '@freezer/filesystem'
import { codeOf } from '@freezer/filesystem'
import {
  displayPath,
  type EngineBackup,
  type Entry,
  type EntryType,
  type TreeSource,
  type Warning,
} from '@freezer/sdk'
import { Content } from './content.ts'
import { type Member, Members } from './member.ts'
import { trustedCtime } from './unchanged.ts'

export const noAttributes: readonly Attribute[] = []

/** What the system says of a name that is no longer there, or no longer what it was. */
const vanished = new Set(['ENOENT', 'ESTALE', 'ENOTDIR', 'ELOOP'])

export function isGone(code: string): boolean {
  return vanished.has(code)
}

/** Path of `name` in `directory`, relative to the root of the tree. */
export function join(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}

export class Output {
  readonly run: EngineBackup
  readonly content: Content
  readonly #members: Members
  /** What stands before a path in the archive: `./`, nothing for a single file. */
  readonly prefix: string
  readonly #frozen: TreeSource['frozen']

  constructor(run: EngineBackup, prefix: string) {
    this.run = run
    this.prefix = prefix
    this.#frozen = run.source.kind === 'tree' ? run.source.frozen : undefined
    this.#members = new Members(run.archive)
    this.content = new Content(run, this.#members)
  }

  /** Bytes in the archive so far: where the next record begins. */
  get position(): number {
    return this.run.archive.position
  }

  /** Writes all that comes before the content. Await what it returns, if anything. */
  begin(member: Member): Promise<void> | undefined {
    return this.#members.begin(member)
  }

  /** Two blocks of zeros end an archive. */
  async end(): Promise<void> {
    this.run.count(0, this.content.takeCount())
    await this.#members.zeros(1024)
  }

  /**
   * The entry of what was just written.
   * @param start where its record begins
   * @param now milliseconds since 1970, from before `stat` was read; -1 when it is known to have changed since
   */
  entry(
    type: EntryType,
    directory: string,
    name: string,
    stat: Stat,
    now: number,
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
      ctimeNs: now === -1 ? -1 : trustedCtime(stat, this.#frozen?.from ?? now, this.#frozen?.to ?? now),
      inode: stat.inode,
      link,
      place: { level: this.run.level, offset: start, length: this.position - start },
    }
  }

  /** The extended attributes that `read` gives, none with a warning when it cannot. */
  attributes(path: string, read: () => readonly Attribute[]): readonly Attribute[] {
    try {
      return read()
    } catch (error) {
      this.warn('metadata', path, `Its extended attributes cannot be read (${codeOf(error)}).`)
      return noAttributes
    }
  }

  /** @param path a byte string, relative to the root of the tree */
  warn(kind: Warning['kind'], path: string, message: string): void {
    this.run.warn({ kind, path: displayPath(path), message })
  }
}
