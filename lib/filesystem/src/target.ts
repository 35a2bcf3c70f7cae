/**
 * A directory to restore into. Whatever names, links and order the archive tries, and whatever changes the directory
 * meanwhile, nothing outside is made, changed or removed: every call takes an open directory and one name in it, and
 * directories are opened without following links.
 *
 * Entries come in walk order (see `Entry` in the sdk). So the open directories are a stack; a directory gets its
 * owner, mode, attributes and times when it is left.
 */
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, mkdirSync, openSync } from 'node:fs'
import { displayPath, type Entry, type EntryDetails, entryPath, Failure, fromSystem } from '@freezer/sdk'
import { metadataDifferences } from './agreement.ts'
import { attributesOf } from './attributes.ts'
import * as change from './change.ts'
import { removeEntry, temporaryName } from './clear.ts'
import { listDirectory, openDirectory } from './directory.ts'
import { codeOf } from './errno.ts'
import { Judge } from './judge.ts'
import { Lookout } from './lookout.ts'
import { Dresser, defaultAcl, type Metadata, metadataOf } from './metadata.ts'
import { checkName, OpenDirectories, type OpenDirectory } from './open-directories.ts'
import type { IncomingFile, Need, Receiver, ReceiverOptions } from './receiver.ts'
import { leadsToSame, settle } from './settle.ts'
import { Stat } from './stat.ts'
import { inTheWay, join, nameOf, Obstacle, parentOf, reason } from './words.ts'

/** What the target knows of a directory that it works in. */
interface Facts {
  /** The entry, for a directory that gets its metadata when it is left. */
  given: Given | undefined
  /** Names that were there before and were not restored yet; undefined for a directory that was empty or not there. */
  readonly existing: Set<string> | undefined
  /** Not made by this run. */
  readonly kept: boolean
  /** Something else stays in its place, as was asked for: nothing in it is restored, and nothing is told of that. */
  readonly left: boolean
  /** What is made in it gets an ACL from it, unasked. */
  readonly inherits: boolean
  /** Owner of what is made in it; -1 until it was seen. */
  uid: number
  gid: number
}

type Parent = OpenDirectory<Facts>

interface Given {
  readonly entry: Entry
  readonly details: EntryDetails
}

const full = new Set(['ENOSPC', 'EDQUOT'])

/** Where in a path that leads into `directory` the next name starts. */
const inside = ({ length }: Parent) => (length === 0 ? 0 : length + 1)

const nodeTypes: Partial<Record<Entry['type'], number>> = {
  fifo: constants.S_IFIFO,
  character: constants.S_IFCHR,
  block: constants.S_IFBLK,
}

export class TargetTree implements Receiver {
  readonly #options: ReceiverOptions
  readonly #judge: Judge
  readonly #lookout: Lookout | undefined
  readonly #open: OpenDirectories<Facts>
  readonly #umask = process.umask()
  readonly #dresser: Dresser
  readonly #stat = new Stat()
  readonly #ahead = new Stat()

  /**
   * Opens `path`, making it and its parents when missing. `finish` or `abandon` closes it.
   * @throws Failure `denied`, `not-found`, `no-space`
   */
  constructor(path: string, options: ReceiverOptions) {
    this.#options = options
    this.#judge = new Judge(options)
    this.#dresser = new Dresser(options.warn)
    try {
      const fresh = mkdirSync(path, { recursive: true }) !== undefined
      const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
      const facts = fresh ? made(undefined) : kept(fd, undefined)
      this.#open = new OpenDirectories(fd, facts, (left, at) => this.#leave(left, at))
      const looks = options.overwrite === 'never' || options.overwrite === 'if-changed'
      this.#lookout = looks ? new Lookout(path) : undefined
    } catch (error) {
      throw fromSystem(error, `open the target ${path}`)
    }
  }

  foresee(entry: Entry): Need {
    if (entry.type === 'directory' || this.#lookout?.look(entry, this.#ahead) !== true) return 'content'
    // What a link leads to is known when it is its turn; its record is not read anyway.
    return entry.type === 'hardlink' ? 'nothing' : this.#judge.need(entry, this.#ahead)
  }

  need(entry: Entry): Need {
    const { overwrite } = this.#judge
    if (overwrite !== 'never' && overwrite !== 'if-changed') return 'content'
    if (entry.type === 'directory') return overwrite === 'never' ? this.#needOfDirectory(entry) : 'content'
    const { directory, name } = entry
    const { fd, facts } = this.#enter(directory)
    if (facts.left) return 'left'
    if (fd < 0 || facts.existing?.has(name) !== true || !this.#look(fd, name)) return 'content'
    const need = entry.type === 'hardlink' ? this.#needOfLink(entry) : this.#judge.need(entry, this.#stat)
    if (need !== 'nothing' && need !== 'left') return need
    facts.existing.delete(name)
    if (need === 'nothing') this.#judge.keep(this.#stat)
    this.#options.tell('keep', join(directory, name))
    return need
  }

  settle(entry: Entry, details: EntryDetails): boolean | undefined {
    const { directory, name } = entry
    const { fd, facts } = this.#enter(directory)
    const path = join(directory, name)
    const settled = settle(this.#judge, { fd, entry, details, stat: this.#stat }, (file) => {
      this.#dresser.dress(file, path, metadataOf(entry, details), details.failure === undefined)
    })
    if (settled === undefined) return undefined
    facts.existing?.delete(name)
    this.#options.tell(settled.length === 0 ? 'keep' : 'update', path, settled)
    return true
  }

  /** A directory with its metadata, kept with what is in it when it is there already. '' is the target itself. */
  directory(entry: Entry, details: EntryDetails): boolean {
    const path = entry.directory
    const given = { entry, details }
    if (path !== '') return this.#goInto(this.#enter(parentOf(path)), path, given).fd >= 0
    const { fd, facts } = this.#open.goTo('')
    facts.given = given
    this.#tellDirectory(fd, facts, given)
    return true
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
          this.#rename(parent.fd, as, name, directory, replaces)
          this.#options.tell(replaces ? 'replace' : 'create', path)
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

  keep({ directory, name }: Entry): boolean {
    const there = this.#enter(directory).facts.existing?.delete(name) === true
    if (!there || this.#judge.overwrite !== 'never') return false
    this.#options.tell('keep', join(directory, name))
    return true
  }

  /** Leaves all directories, gives them their metadata and, where asked for, removes what is not in the backup. */
  finish(): void {
    try {
      this.#open.leaveAll()
      this.#dresser.tell()
    } finally {
      this.abandon()
    }
  }

  abandon(): void {
    this.#open.close()
    this.#lookout?.close()
  }

  /** Fills in the facts of a name; false when it is gone. */
  #look(fd: number, name: string): boolean {
    try {
      this.#stat.readAt(fd, name)
      return true
    } catch (error) {
      if (codeOf(error) === '') throw error
      return false
    }
  }

  /** Nothing of a directory that is there is touched. */
  #needOfDirectory({ directory: path }: Entry): Need {
    const parent = path === '' ? this.#open.goTo('') : this.#enter(parentOf(path))
    if (parent.facts.left) return 'left'
    if (path === '') {
      if (!parent.facts.kept) return 'content'
      this.#options.tell('keep', path)
      return 'nothing'
    }
    const name = path.slice(inside(parent))
    if (parent.facts.existing?.has(name) !== true || !this.#look(parent.fd, name)) return 'content'
    this.#options.tell('keep', path)
    if (this.#stat.format === constants.S_IFDIR)
      return this.#goInto(parent, path, undefined).fd < 0 ? 'left' : 'nothing'
    parent.facts.existing.delete(name)
    this.#open.push(-1, name, { ...made(undefined), left: true })
    return 'left'
  }

  #needOfLink({ link }: Entry): Need {
    if (this.#judge.overwrite === 'never') return 'nothing'
    return leadsToSame(this.#open, link, this.#stat) ? 'nothing' : 'content'
  }

  /** Tells what becomes of a directory that was there before. */
  #tellDirectory(fd: number, { kept: wasThere }: Facts, { entry, details }: Given): void {
    if (!wasThere) {
      this.#options.tell('create', entry.directory)
      return
    }
    this.#stat.read(fd)
    const differs = metadataDifferences(entry, details, this.#stat, attributesOf(fd))
    this.#options.tell(differs.length === 0 ? 'keep' : 'update', entry.directory, differs)
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
  #goInto(parent: Parent, path: string, given: Given | undefined): Parent {
    const name = path.slice(inside(parent))
    checkName(name)
    const { existing, inherits, left } = parent.facts
    const taken = existing?.delete(name) === true
    if (parent.fd < 0) return this.#open.push(-1, name, { ...made(given), left })
    let fd = -1
    try {
      // Nobody else enters before its owner and mode are set.
      const found = this.#makeDirectory(parent.fd, name, given === undefined ? 0o777 : 0o700, taken)
      fd = openDirectory(parent.fd, name)
      if (found !== 'kept' && inherits) change.removeAcl(fd)
      const facts = found === 'kept' ? kept(fd, given) : made(given)
      if (given !== undefined) {
        if (found === 'replaced') this.#options.tell('replace', path)
        else this.#tellDirectory(fd, facts, given)
      }
      return this.#open.push(fd, name, facts)
    } catch (error) {
      if (fd >= 0) closeSync(fd)
      this.#unrestored(path, error, '; nothing in it was restored')
      return this.#open.push(-1, name, made(given))
    }
  }

  #makeDirectory(parent: number, name: string, mode: number, taken: boolean): 'kept' | 'replaced' | 'made' {
    if (taken) {
      this.#stat.readAt(parent, name)
      if (this.#stat.format === constants.S_IFDIR) return 'kept'
      if (this.#leavesWhatIsThere) throw new Obstacle(inTheWay)
      change.unlink(parent, name)
    }
    change.makeDirectory(parent, name, mode)
    return taken ? 'replaced' : 'made'
  }

  get #leavesWhatIsThere(): boolean {
    return this.#judge.overwrite === false || this.#judge.overwrite === 'never'
  }

  #leave({ fd, facts }: Parent, path: string): void {
    const { given } = facts
    if (given === undefined) return
    const { entry, details } = given
    if (this.#judge.removesFrom(path)) {
      for (const name of facts.existing ?? []) this.#remove(fd, name, join(path, name))
    }
    if (facts.kept) {
      this.#stat.read(fd)
      if (metadataDifferences(entry, details, this.#stat, attributesOf(fd)).length === 0) return
    }
    this.#dresser.dress(fd, path, metadataOf(entry, details), facts.kept && details.failure === undefined)
  }

  #remove(fd: number, name: string, path: string): void {
    let message = 'another file system is mounted there'
    try {
      if (removeEntry(fd, name)) {
        this.#options.tell('delete', path)
        return
      }
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
      if (replaces) this.#moveInto(parent.fd, as, name, directory)
      this.#options.tell(replaces ? 'replace' : 'create', join(directory, name))
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
    if (!taken || !this.#leavesWhatIsThere) return taken
    this.#unrestored(join(directory, name), new Obstacle(inTheWay))
    return undefined
  }

  /** Gives what was made under the name `as` its own; removes it when that fails. */
  #moveInto(fd: number, as: string, name: string, directory: string): void {
    try {
      this.#rename(fd, as, name, directory, true)
    } catch (error) {
      change.unlink(fd, as)
      throw error
    }
  }

  #rename(fd: number, as: string, name: string, directory: string, replaces: boolean): void {
    try {
      change.renameIn(fd, as, name, !replaces)
    } catch (error) {
      if (codeOf(error) !== 'EISDIR') throw error
      if (!this.#judge.removesFrom(directory)) change.removeDirectory(fd, name)
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
function made(given: Given | undefined): Facts {
  return { given, existing: undefined, kept: false, left: false, inherits: false, uid: -1, gid: -1 }
}

/** Facts of a directory that was there before. */
function kept(fd: number, given: Given | undefined): Facts {
  const { directories, others } = listDirectory(fd)
  const existing = new Set([...directories, ...others])
  const inherits = attributesOf(fd).some(({ name }) => name === defaultAcl)
  return {
    given,
    existing: existing.size === 0 ? undefined : existing,
    kept: true,
    left: false,
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
