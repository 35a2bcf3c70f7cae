/** A directory compared with the entries of a backup: content byte by byte, and all metadata that a backup keeps. */
import { closeSync, constants, readSync } from 'node:fs'
import {
  bytePath,
  displayPath,
  type Entry,
  type EntryDetails,
  type Failure,
  fromSystem,
  type Matches,
  matcher,
  type TreeDifference,
  type TreeTarget,
} from '@freezer/sdk'
import { metadataDifferences, sameType } from './agreement.ts'
import { attributesAt, attributesOf } from './attributes.ts'
import { here, listDirectory, openDirectory, openFile, readLink } from './directory.ts'
import { codeOf } from './errno.ts'
import { Judge } from './judge.ts'
import { Lookout } from './lookout.ts'
import { checkName, OpenDirectories, type OpenDirectory } from './open-directories.ts'
import type { IncomingFile, Need, Receiver, ReceiverOptions } from './receiver.ts'
import { leadsToSame } from './settle.ts'
import { Stat } from './stat.ts'
import { join, reason } from './words.ts'

interface Facts {
  /** Names that are there and that no entry came for. */
  readonly extra: Set<string>
}

const piece = Buffer.allocUnsafe(1 << 20)

export class ComparedTree implements Receiver {
  readonly #options: ReceiverOptions
  readonly #judge: Judge
  readonly #leftOut: Matches | undefined
  readonly #open: OpenDirectories<Facts>
  readonly #lookout: Lookout
  readonly #stat = new Stat()
  readonly #ahead = new Stat()
  /** Files of several names, by their identities: of no second one that the backup holds for itself. */
  readonly #seen = new Set<string>()

  /** @throws Failure `not-found` when there is no such directory, `denied` */
  constructor(path: string, options: ReceiverOptions & Pick<TreeTarget, 'leftOut'>) {
    this.#options = options
    this.#judge = new Judge(options)
    this.#leftOut = matcher(options.leftOut ?? [])
    try {
      const fd = openDirectory(here, bytePath(path), true)
      this.#open = new OpenDirectories(fd, facts(fd), (left, at) => this.#leave(left, at))
      this.#lookout = new Lookout(path)
    } catch (error) {
      throw fromSystem(error, `read ${path}`)
    }
  }

  foresee(entry: Entry): Need {
    if (entry.type === 'hardlink' || !this.#lookout.look(entry, this.#ahead)) return 'nothing'
    if (!sameType(entry, this.#ahead)) return 'nothing'
    return entry.type === 'file' && entry.size === this.#ahead.size ? 'content' : 'metadata'
  }

  need(entry: Entry): Need {
    const { directory, name, type } = entry
    const parent = this.#enter(directory)
    const path = join(directory, name)
    if (type === 'directory') {
      // Entering said what there is to say of one that is not there.
      return parent.fd < 0 ? 'nothing' : 'metadata'
    }
    checkName(name)
    if (parent.fd < 0 || !parent.facts.extra.delete(name)) return this.#tell('missing', path)
    this.#stat.readAt(parent.fd, name)
    if (type === 'hardlink') {
      const same = leadsToSame(this.#open, entry.link, this.#stat)
      return this.#tell(same ? 'same' : 'changed', path, same ? [] : ['names'])
    }
    if (!sameType(entry, this.#stat)) return this.#tell('changed', path, ['type'])
    return type === 'file' && entry.size === this.#stat.size ? 'content' : 'metadata'
  }

  settle(entry: Entry, details: EntryDetails): boolean {
    const { directory, name } = entry
    const { fd } = this.#enter(directory)
    return this.#read(entry, () => {
      this.#stat.readAt(fd, name)
      const differs = metadataDifferences(entry, details, this.#stat, attributesAt(fd, name))
      if (entry.type === 'symlink' && readLink(fd, name) !== entry.link) differs.unshift('link')
      if (entry.type === 'file') differs.unshift('size', 'content')
      this.#found(entry, differs)
    })
  }

  directory(entry: Entry, details: EntryDetails): boolean {
    const { fd } = this.#enter(entry.directory)
    this.#stat.read(fd)
    this.#found(entry, metadataDifferences(entry, details, this.#stat, attributesOf(fd)))
    return true
  }

  file(entry: Entry, details: EntryDetails, content: Uint8Array): boolean {
    const file = this.begin(entry, details)
    if (file === undefined) return false
    if (content.length > 0) file.write(content, 0)
    return file.finish()
  }

  begin(entry: Entry, details: EntryDetails): LiveFile | undefined {
    let live: LiveFile | undefined
    this.#read(entry, () => {
      const fd = openFile(this.#enter(entry.directory).fd, entry.name)
      live = new LiveFile(fd, entry.size, {
        failed: (error) => this.#unread(entry, error),
        finish: (sameBytes) => {
          this.#stat.read(fd)
          const differs = metadataDifferences(entry, details, this.#stat, attributesOf(fd))
          if (!sameBytes) differs.unshift('content')
          if (this.#stat.size !== entry.size) differs.unshift('size')
          if (this.#stat.links > 1) {
            if (this.#seen.has(this.#stat.identity)) differs.push('names')
            this.#seen.add(this.#stat.identity)
          }
          this.#found(entry, differs)
        },
      })
    })
    return live
  }

  symlink(entry: Entry, details: EntryDetails): boolean {
    return this.settle(entry, details)
  }

  node(entry: Entry, details: EntryDetails): boolean {
    return this.settle(entry, details)
  }

  link(): boolean {
    throw new Error('A comparison is done with a hard link when it is asked what it needs.')
  }

  keep({ directory, name }: Entry): boolean {
    this.#enter(directory).facts.extra.delete(name)
    return false
  }

  finish(): void {
    try {
      this.#open.leaveAll()
    } finally {
      this.abandon()
    }
  }

  abandon(): void {
    this.#open.close()
    this.#lookout.close()
  }

  #enter(directory: string): OpenDirectory<Facts> {
    let at = this.#open.goTo(directory)
    while (at.length < directory.length) {
      const start = at.length === 0 ? 0 : at.length + 1
      const slash = directory.indexOf('/', start)
      at = this.#goInto(at, slash < 0 ? directory : directory.slice(0, slash), start)
    }
    return at
  }

  #goInto(parent: OpenDirectory<Facts>, path: string, start: number): OpenDirectory<Facts> {
    const name = path.slice(start)
    checkName(name)
    let fd = -1
    if (parent.fd < 0 || !parent.facts.extra.delete(name)) {
      this.#tell('missing', path)
    } else {
      try {
        fd = openDirectory(parent.fd, name)
        return this.#open.push(fd, name, facts(fd))
      } catch (error) {
        if (fd >= 0) closeSync(fd)
        if (codeOf(error) === 'ENOTDIR') this.#tell('changed', path, ['type'])
        else if (codeOf(error) === 'ENOENT') this.#tell('missing', path)
        else this.#unread({ directory: path, name: '' }, error)
      }
    }
    return this.#open.push(-1, name, { extra: new Set() })
  }

  #leave({ fd, facts: { extra } }: OpenDirectory<Facts>, path: string): void {
    if (fd < 0 || !this.#judge.removesFrom(path)) return
    for (const name of extra) {
      const own = join(path, name)
      if (this.#leftOut?.(own) === true) continue
      try {
        this.#stat.readAt(fd, name)
      } catch {
        // Gone again: no more extra than anything that was never there.
        continue
      }
      // No backup holds a socket.
      if (this.#stat.format !== constants.S_IFSOCK) this.#tell('extra', own)
    }
  }

  #found({ directory, name }: Entry, differs: readonly TreeDifference[]): void {
    this.#tell(differs.length === 0 ? 'same' : 'changed', join(directory, name), differs)
  }

  #tell(
    action: 'same' | 'changed' | 'missing' | 'extra',
    path: string,
    differs?: readonly TreeDifference[],
  ): Need {
    this.#options.tell(action, path, differs)
    return 'nothing'
  }

  /** Calls `use`, which reads what is there. */
  #read(entry: Entry, use: () => void): boolean {
    try {
      use()
      return true
    } catch (error) {
      this.#unread(entry, error)
      return false
    }
  }

  #unread({ directory, name }: Pick<Entry, 'directory' | 'name'>, error: unknown): void {
    if (codeOf(error) === '') throw error
    const path = displayPath(join(directory, name))
    this.#options.warn({ kind: 'unread', path, message: `not compared: ${reason(error)}` })
  }
}

interface Outcome {
  readonly finish: (sameBytes: boolean) => void
  readonly failed: (error: unknown) => void
}

/** The content of a file that is there, beside what comes from the backup. */
class LiveFile implements IncomingFile {
  readonly #fd: number
  readonly #size: number
  readonly #outcome: Outcome
  #position = 0
  #same = true
  #over = false

  constructor(fd: number, size: number, outcome: Outcome) {
    this.#fd = fd
    this.#size = size
    this.#outcome = outcome
  }

  write(content: Uint8Array, position: number): boolean {
    try {
      this.#same = this.#hole(position) && this.#holds(content, position)
      this.#position = position + content.length
    } catch (error) {
      this.#fail(error)
    }
    return this.#same && !this.#over
  }

  finish(): boolean {
    if (this.#over) return false
    try {
      this.#outcome.finish(this.#same && this.#hole(this.#size))
      return true
    } catch (error) {
      this.#outcome.failed(error)
      return false
    } finally {
      closeSync(this.#fd)
    }
  }

  discard(_failure: Failure): void {
    closeSync(this.#fd)
  }

  #fail(error: unknown): void {
    this.#over = true
    closeSync(this.#fd)
    this.#outcome.failed(error)
  }

  /** Whether there are zeros up to `end`. */
  #hole(end: number): boolean {
    for (let at = this.#position; at < end; ) {
      const got = readSync(this.#fd, piece, 0, Math.min(piece.length, end - at), at)
      if (got === 0 || piece.subarray(0, got).some((byte) => byte !== 0)) return false
      at += got
    }
    return true
  }

  #holds(content: Uint8Array, position: number): boolean {
    for (let at = 0; at < content.length; ) {
      const got = readSync(this.#fd, piece, 0, Math.min(piece.length, content.length - at), position + at)
      if (got === 0 || !piece.subarray(0, got).equals(content.subarray(at, at + got))) return false
      at += got
    }
    return true
  }
}

function facts(fd: number): Facts {
  const { directories, others } = listDirectory(fd)
  return { extra: new Set([...directories, ...others]) }
}
