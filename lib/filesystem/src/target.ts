/**
 * A directory to restore into. Whatever names, links and order the archive tries, and whatever changes the directory
 * meanwhile, nothing outside is made, changed or removed: every call takes an open directory and one name in it, and
 * directories are opened without following links.
 *
 * Entries come in walk order (see `Entry` in the sdk). So the open directories are a stack; a directory gets its
 * owner, mode, attributes and times when it is left.
 */
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, mkdirSync, openSync } from 'node:fs'
import {
  displayPath,
  type Entry,
  type EntryDetails,
  entryPath,
  Failure,
  fromSystem,
  type Warning,
} from '@freezer/sdk'
import { attributesOf } from './attributes.ts'
import * as change from './change.ts'
import { removeEntry, temporaryName } from './clear.ts'
import { listDirectory, openDirectory } from './directory.ts'
import { codeOf } from './errno.ts'
import { Dresser, defaultAcl, type Metadata, metadataOf } from './metadata.ts'
import { checkName, OpenDirectories, type OpenDirectory } from './open-directories.ts'
import type { IncomingFile, Receiver } from './receiver.ts'
import { Stat } from './stat.ts'

export interface TargetOptions {
  /** Replace what is there under the same name. */
  readonly overwrite: boolean
  /** Remove what is in a restored directory and was not restored. */
  readonly remove: boolean
  readonly warn: (warning: Warning) => void
}

/** What the target knows of a directory that it works in. */
interface Facts {
  metadata: Metadata | undefined
  /** Names that were there before and were not restored yet; undefined for a directory that was empty or not there. */
  readonly existing: Set<string> | undefined
  /** Not made by this run. */
  readonly kept: boolean
  /** What is made in it gets an ACL from it, unasked. */
  readonly inherits: boolean
  /** Owner of what is made in it; -1 until it was seen. */
  uid: number
  gid: number
}

type Parent = OpenDirectory<Facts>

const full = new Set(['ENOSPC', 'EDQUOT'])

/** Why an entry is not restored, where it is no error of the system. */
class Obstacle extends Error {}

const inTheWay = 'something of that name is there already'

const reasons: Record<string, string> = {
  EEXIST: 'something else of that name was made meanwhile',
  ENOTEMPTY: 'a directory that is not empty is in the way',
  EPERM: 'the system allows it to root alone',
  EACCES: 'permission denied',
}

function reason(error: unknown): string {
  return reasons[codeOf(error)] ?? (error as Error).message
}

const join = (directory: string, name: string) => (directory === '' ? name : `${directory}/${name}`)
const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1)
/** Where in a path that leads into `directory` the next name starts. */
const inside = ({ length }: Parent) => (length === 0 ? 0 : length + 1)

const nodeTypes: Partial<Record<Entry['type'], number>> = {
  fifo: constants.S_IFIFO,
  character: constants.S_IFCHR,
  block: constants.S_IFBLK,
}

export class TargetTree implements Receiver {
  readonly content = true
  readonly #options: TargetOptions
  readonly #open: OpenDirectories<Facts>
  readonly #umask = process.umask()
  readonly #dresser: Dresser
  readonly #stat = new Stat()

  /**
   * Opens `path`, making it and its parents when missing. `finish` or `abandon` closes it.
   * @throws Failure `denied`, `not-found`, `no-space`
   */
  constructor(path: string, options: TargetOptions) {
    this.#options = options
    this.#dresser = new Dresser(options.warn)
    try {
      mkdirSync(path, { recursive: true })
      const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
      this.#open = new OpenDirectories(fd, kept(fd, undefined), (left, at) => this.#leave(left, at))
    } catch (error) {
      throw fromSystem(error, `open the target ${path}`)
    }
  }

  /** A directory with its metadata, kept with what is in it when it is there already. '' is the target itself. */
  directory({ directory: path, ...entry }: Entry, details: EntryDetails): boolean {
    const metadata = metadataOf(entry, details)
    if (path === '') {
      this.#open.goTo('').facts.metadata = metadata
      return true
    }
    return this.#goInto(this.#enter(parentOf(path)), path, metadata).fd >= 0
  }

  file(entry: Entry, details: EntryDetails, content: Uint8Array): boolean {
    const metadata = metadataOf(entry, details)
    return this.#place(entry, (parent, as) => {
      const mode = this.#exactMode(parent.facts, metadata)
      const fd = change.createFile(parent.fd, as, mode ?? 0o600)
      try {
        if (content.length > 0) change.writeAll(fd, content, 0)
        this.#dressFile(fd, parent.facts, entryPath(entry), metadata, mode !== undefined)
      } catch (error) {
        change.unlink(parent.fd, as)
        throw error
      } finally {
        closeSync(fd)
      }
    })
  }

  /** The file appears under its name when it is finished, not before. */
  begin(entry: Entry, details: EntryDetails): NewFile | undefined {
    const { directory, name } = entry
    const parent = this.#enter(directory)
    const replaces = this.#claim(parent, directory, name)
    if (replaces === undefined) return undefined
    const path = join(directory, name)
    const as = temporaryName()
    try {
      const fd = change.createFile(parent.fd, as, 0o600)
      return new NewFile(fd, entry.size, {
        finish: () => {
          this.#dressFile(fd, parent.facts, path, metadataOf(entry, details), false)
          this.#rename(parent.fd, as, name, replaces)
        },
        discard: () => change.unlinkIfThere(parent.fd, as),
        failed: (error) => this.#unrestored(path, error),
      })
    } catch (error) {
      this.#unrestored(path, error)
      return undefined
    }
  }

  symlink(entry: Entry, details: EntryDetails): boolean {
    return this.#place(entry, (parent, as) => {
      change.makeSymlink(parent.fd, as, entry.link)
      this.#dressName(parent, as, entryPath(entry), metadataOf(entry, details), false)
    })
  }

  node(entry: Entry, details: EntryDetails): boolean {
    return this.#place(entry, (parent, as) => {
      change.makeNode(parent.fd, as, (nodeTypes[entry.type] ?? 0) | 0o600, details.device)
      this.#dressName(parent, as, entryPath(entry), metadataOf(entry, details), true)
    })
  }

  link(entry: Entry): boolean {
    const first = entry.link
    for (const part of first.split('/')) checkName(part)
    return this.#place(entry, (parent, as) => {
      this.#open.within(parentOf(first), (from) => change.makeLink(from, nameOf(first), parent.fd, as))
    })
  }

  keep({ directory, name }: Entry): void {
    this.#enter(directory).facts.existing?.delete(name)
  }

  /** Leaves all directories, gives them their metadata and, where asked for, removes what is not in the backup. */
  finish(): void {
    try {
      this.#open.leaveAll()
      this.#dresser.tell()
    } finally {
      this.#open.close()
    }
  }

  /** Closes what is open and changes nothing more. */
  abandon(): void {
    this.#open.close()
  }

  /** The directory, opened; directories on the way that no entry named are made. */
  #enter(directory: string): Parent {
    let at = this.#open.goTo(directory)
    while (at.length < directory.length) {
      const slash = directory.indexOf('/', inside(at))
      at = this.#goInto(at, slash < 0 ? directory : directory.slice(0, slash), undefined)
    }
    return at
  }

  /** Makes or opens the directory of `path`, which is in `parent`. */
  #goInto(parent: Parent, path: string, metadata: Metadata | undefined): Parent {
    const name = path.slice(inside(parent))
    checkName(name)
    const { existing, inherits } = parent.facts
    const replaces = existing?.delete(name) === true
    if (parent.fd < 0) return this.#open.push(-1, name, made(metadata))
    let fd = -1
    try {
      // Nobody else enters before its owner and mode are set.
      const fresh = this.#makeDirectory(parent.fd, name, metadata === undefined ? 0o777 : 0o700, replaces)
      fd = openDirectory(parent.fd, name)
      if (fresh && inherits) change.removeAcl(fd)
      return this.#open.push(fd, name, fresh ? made(metadata) : kept(fd, metadata))
    } catch (error) {
      if (fd >= 0) closeSync(fd)
      this.#unrestored(path, error, '; nothing in it was restored')
      return this.#open.push(-1, name, made(metadata))
    }
  }

  /** @returns false when the directory is there already */
  #makeDirectory(parent: number, name: string, mode: number, replaces: boolean): boolean {
    if (replaces) {
      this.#stat.readAt(parent, name)
      if (this.#stat.format === constants.S_IFDIR) return false
      if (!this.#options.overwrite) throw new Obstacle(inTheWay)
      change.unlink(parent, name)
    }
    change.makeDirectory(parent, name, mode)
    return true
  }

  #leave({ fd, facts }: Parent, path: string): void {
    if (facts.metadata === undefined) return
    if (this.#options.remove) {
      for (const name of facts.existing ?? []) this.#remove(fd, name, join(path, name))
    }
    this.#dresser.directory(fd, path, facts.metadata, facts.kept)
  }

  #remove(fd: number, name: string, path: string): void {
    let message = 'another file system is mounted there'
    try {
      if (removeEntry(fd, name)) return
    } catch (error) {
      message = reason(error)
    }
    message = `not in the backup, but not removed: ${message}`
    this.#options.warn({ kind: 'unrestored', path: displayPath(path), message })
  }

  /** Makes something with `make` under its name or, in the place of something else, under a temporary one first. */
  #place({ directory, name }: Entry, make: (parent: Parent, as: string) => void): boolean {
    const parent = this.#enter(directory)
    const replaces = this.#claim(parent, directory, name)
    if (replaces === undefined) return false
    try {
      const as = replaces ? temporaryName() : name
      make(parent, as)
      if (replaces) this.#moveInto(parent.fd, as, name, true)
      return true
    } catch (error) {
      this.#unrestored(join(directory, name), error)
      return false
    }
  }

  /** Whether the name is taken by something that is to be replaced; undefined when it cannot be used, which is told. */
  #claim({ fd, facts }: Parent, directory: string, name: string): boolean | undefined {
    checkName(name)
    const taken = facts.existing?.delete(name) === true
    if (fd < 0) return undefined
    if (!taken || this.#options.overwrite) return taken
    this.#unrestored(join(directory, name), new Obstacle(inTheWay))
    return undefined
  }

  /** Gives what was made under the name `as` its own; removes it when that fails. */
  #moveInto(fd: number, as: string, name: string, replaces: boolean): void {
    try {
      this.#rename(fd, as, name, replaces)
    } catch (error) {
      change.unlink(fd, as)
      throw error
    }
  }

  #rename(fd: number, as: string, name: string, replaces: boolean): void {
    try {
      change.renameIn(fd, as, name, !replaces)
    } catch (error) {
      if (codeOf(error) !== 'EISDIR') throw error
      if (!this.#options.remove) change.removeDirectory(fd, name)
      else if (!removeEntry(fd, name)) throw new Obstacle('another file system is mounted there')
      change.renameIn(fd, as, name, true)
    }
    // Renaming one name of a file to another name of the same file leaves both.
    if (replaces) change.unlinkIfThere(fd, as)
  }

  /** The mode to make a file with so that neither owner nor mode remain to be set; undefined when there is none. */
  #exactMode(facts: Facts, { uid, gid, mode }: Metadata): number | undefined {
    const simple = facts.uid === uid && facts.gid === gid && !facts.inherits
    return simple && mode < 0o1000 && (mode & this.#umask) === 0 ? mode : undefined
  }

  #dressFile(fd: number, facts: Facts, path: string, metadata: Metadata, exact: boolean): void {
    if (facts.uid < 0) {
      // Depends on the directory's mode and on how its file system is mounted.
      this.#stat.read(fd)
      facts.uid = this.#stat.uid
      facts.gid = this.#stat.gid
    }
    if (facts.inherits) change.removeAcl(fd)
    if (!exact) {
      const owned = facts.uid === metadata.uid && facts.gid === metadata.gid
      const set = (uid: number, gid: number) => fchownSync(fd, uid, gid)
      fchmodSync(fd, owned ? metadata.mode : this.#dresser.own(metadata, path, set))
    }
    if (metadata.attributes.length > 0) {
      this.#dresser.attributes(metadata, path, (attribute) => change.setAttribute(fd, attribute))
    }
    change.setTime(fd, metadata.mtime, metadata.mtimeNs)
  }

  /** Gives what was just made as `as`, and is not to be opened, its metadata; removes it when that fails. */
  #dressName({ fd, facts }: Parent, as: string, path: string, metadata: Metadata, hasMode: boolean): void {
    try {
      if (hasMode && facts.inherits) change.removeAclAt(fd, as)
      const mode = this.#dresser.own(metadata, path, (uid, gid) => change.setOwnerAt(fd, as, uid, gid))
      if (hasMode) change.setModeAt(fd, as, mode)
      this.#dresser.attributes(metadata, path, (attribute) => change.setAttributeAt(fd, as, attribute))
      change.setTimeAt(fd, as, metadata.mtime, metadata.mtimeNs)
    } catch (error) {
      change.unlink(fd, as)
      throw error
    }
  }

  /** Tells that an entry was not restored. A full disk, and what is no error of the system, ends the run. */
  #unrestored(path: string, error: unknown, more = ''): void {
    if (full.has(codeOf(error))) {
      throw new Failure('no-space', `No room is left in the target for ${displayPath(path)}.`, {
        remedy: 'Make room, and restore again with --overwrite.',
        cause: error,
      })
    }
    if (codeOf(error) === '' && !(error instanceof Obstacle)) throw error
    const message = `not restored: ${reason(error)}${more}`
    this.#options.warn({ kind: 'unrestored', path: displayPath(path), message })
  }
}

/** Facts of a directory that was just made. */
function made(metadata: Metadata | undefined): Facts {
  return { metadata, existing: undefined, kept: false, inherits: false, uid: -1, gid: -1 }
}

/** Facts of a directory that was there before. */
function kept(fd: number, metadata: Metadata | undefined): Facts {
  const { directories, others } = listDirectory(fd)
  const existing = new Set([...directories, ...others])
  const inherits = attributesOf(fd).some(({ name }) => name === defaultAcl)
  return {
    metadata,
    existing: existing.size === 0 ? undefined : existing,
    kept: true,
    inherits,
    uid: -1,
    gid: -1,
  }
}

interface Outcome {
  readonly finish: () => void
  readonly discard: () => void
  /** Tells, or throws. */
  readonly failed: (error: unknown) => void
}

/** A file that is being restored, under a temporary name until it is finished. */
export class NewFile implements IncomingFile {
  readonly #fd: number
  readonly #size: number
  readonly #outcome: Outcome
  #end = 0
  #failed = false

  constructor(fd: number, size: number, outcome: Outcome) {
    this.#fd = fd
    this.#size = size
    this.#outcome = outcome
  }

  /** @throws Failure `no-space`; the file is discarded then */
  write(content: Uint8Array, position: number): boolean {
    try {
      change.writeAll(this.#fd, content, position)
      this.#end = Math.max(this.#end, position + content.length)
      return true
    } catch (error) {
      this.discard()
      this.#failed = true
      this.#outcome.failed(error)
      return false
    }
  }

  finish(): boolean {
    if (this.#failed) return false
    try {
      if (this.#end !== this.#size) ftruncateSync(this.#fd, this.#size)
      this.#outcome.finish()
      return true
    } catch (error) {
      this.#outcome.discard()
      this.#outcome.failed(error)
      return false
    } finally {
      closeSync(this.#fd)
    }
  }

  discard(): void {
    closeSync(this.#fd)
    this.#outcome.discard()
  }
}
