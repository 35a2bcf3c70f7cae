/** What a restore would do to a directory, told and not done. Decides by what `TargetTree` decides by. */
import { closeSync, constants } from 'node:fs'
import { bytePath, displayPath, type Entry, type EntryDetails, fromSystem } from '@freezer/sdk'
import { metadataDifferences } from './agreement.ts'
import { attributesOf } from './attributes.ts'
import { here, listDirectory, openDirectory } from './directory.ts'
import { codeOf } from './errno.ts'
import { Judge } from './judge.ts'
import { Lookout } from './lookout.ts'
import { checkName, OpenDirectories, type OpenDirectory } from './open-directories.ts'
import { PathSet } from './path-set.ts'
import type { IncomingFile, Need, Receiver, ReceiverOptions } from './receiver.ts'
import { leadsToSame, settle } from './settle.ts'
import { Stat } from './stat.ts'
import { inTheWay, join, Obstacle, parentOf, reason } from './words.ts'

interface Facts {
  /** Names that are there and that no entry came for yet. */
  readonly existing: Set<string>
  /** `new`: it would be made. `lost`: nothing in it would be restored. */
  readonly state: 'there' | 'new' | 'lost'
  /** An entry names it, so that what is not in the backup may be removed from it. */
  named: boolean
}

type Parent = OpenDirectory<Facts>

const inside = ({ length }: Parent) => (length === 0 ? 0 : length + 1)

export class PreviewTree implements Receiver {
  readonly #options: ReceiverOptions
  readonly #judge: Judge
  readonly #open: OpenDirectories<Facts>
  readonly #lookout: Lookout
  readonly #stat = new Stat()
  readonly #ahead = new Stat()
  /** Files that would have become others. */
  readonly #replaced = new PathSet()

  /** @throws Failure `denied` */
  constructor(path: string, options: ReceiverOptions) {
    this.#options = options
    this.#judge = new Judge(options)
    const leave = (left: Parent, at: string) => this.#leave(left, at)
    try {
      const fd = openRoot(path)
      this.#open = new OpenDirectories(fd, fd < 0 ? absent('new') : present(fd), leave)
      this.#lookout = new Lookout(path)
    } catch (error) {
      throw fromSystem(error, `open the target ${path}`)
    }
  }

  foresee(entry: Entry): Need {
    if (!this.#lookout.look(entry, this.#ahead)) return 'nothing'
    if (entry.type === 'hardlink' || this.#judge.overwrite === 'never') return 'nothing'
    if (entry.type === 'directory') return 'metadata'
    return this.#judge.need(entry, this.#ahead) === 'metadata' ? 'metadata' : 'nothing'
  }

  need(entry: Entry): Need {
    if (entry.type === 'directory') return this.#needOfDirectory(entry)
    const { directory, name } = entry
    const parent = this.#enter(directory)
    const path = join(directory, name)
    checkName(name)
    if (parent.facts.state === 'lost') return 'left'
    if (!parent.facts.existing.has(name)) {
      this.#options.tell('create', path)
      return 'nothing'
    }
    if (this.#judge.overwrite === false) {
      parent.facts.existing.delete(name)
      return this.#unrestored(path, new Obstacle(inTheWay))
    }
    this.#stat.readAt(parent.fd, name)
    const need = entry.type === 'hardlink' ? this.#needOfLink(entry) : this.#judge.need(entry, this.#stat)
    if (need === 'metadata') return need
    parent.facts.existing.delete(name)
    if (need === 'content') return this.#replace(parent, path, name)
    if (need === 'nothing') this.#judge.keep(this.#stat)
    this.#options.tell('keep', path)
    return need
  }

  settle(entry: Entry, details: EntryDetails): boolean {
    const { directory, name } = entry
    const parent = this.#enter(directory)
    const path = join(directory, name)
    const settled = settle(this.#judge, { fd: parent.fd, entry, details, stat: this.#stat }, () => {})
    parent.facts.existing.delete(name)
    if (settled === undefined) return this.#replace(parent, path, name) === 'nothing'
    this.#options.tell(settled.length === 0 ? 'keep' : 'update', path, settled)
    return true
  }

  directory({ directory: path, ...entry }: Entry, details: EntryDetails): boolean {
    const { fd } = this.#enter(path)
    this.#stat.read(fd)
    const own = { directory: path, ...entry }
    const differs = metadataDifferences(own, details, this.#stat, attributesOf(fd))
    this.#options.tell(differs.length === 0 ? 'keep' : 'update', path, differs)
    return true
  }

  keep({ directory, name }: Entry): boolean {
    const there = this.#enter(directory).facts.existing.delete(name)
    if (!there || this.#judge.overwrite !== 'never') return false
    this.#options.tell('keep', join(directory, name))
    return true
  }

  symlink(entry: Entry, details: EntryDetails): boolean {
    return this.settle(entry, details)
  }

  node(entry: Entry, details: EntryDetails): boolean {
    return this.settle(entry, details)
  }

  // `need` never asks for the content of files, and is done with hard links.
  file(): boolean {
    throw new Error('A preview has no use for content.')
  }

  begin(): IncomingFile {
    throw new Error('A preview has no use for content.')
  }

  link(): boolean {
    throw new Error('A preview makes no links.')
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

  #needOfDirectory({ directory: path }: Entry): Need {
    const { overwrite } = this.#judge
    if (path === '') {
      const { facts } = this.#open.goTo('')
      facts.named = overwrite !== 'never'
      if (facts.state === 'there' && overwrite !== 'never') return 'metadata'
      this.#options.tell(facts.state === 'there' ? 'keep' : 'create', path)
      return 'nothing'
    }
    const parent = this.#enter(parentOf(path))
    const name = path.slice(inside(parent))
    if (parent.facts.state === 'lost') return 'left'
    const there = parent.facts.existing.has(name)
    const { fd, facts } = this.#goInto(parent, path)
    if (facts.state === 'lost') {
      if (overwrite === 'never') this.#options.tell('keep', path)
      return 'left'
    }
    facts.named = overwrite !== 'never'
    if (fd >= 0 && overwrite !== 'never') return 'metadata'
    this.#options.tell(fd >= 0 ? 'keep' : there ? 'replace' : 'create', path)
    return 'nothing'
  }

  /** The directory, opened where it is there. */
  #enter(directory: string): Parent {
    let at = this.#open.goTo(directory)
    while (at.length < directory.length) {
      const slash = directory.indexOf('/', inside(at))
      at = this.#goInto(at, slash < 0 ? directory : directory.slice(0, slash))
    }
    return at
  }

  #goInto(parent: Parent, path: string): Parent {
    const name = path.slice(inside(parent))
    checkName(name)
    if (!parent.facts.existing.delete(name))
      return this.#open.push(-1, name, absent(parent.facts.state === 'lost' ? 'lost' : 'new'))
    const { overwrite } = this.#judge
    let fd = -1
    try {
      this.#stat.readAt(parent.fd, name)
      if (this.#stat.format !== constants.S_IFDIR) {
        if (overwrite === false) throw new Obstacle(inTheWay)
        if (overwrite === 'never') return this.#open.push(-1, name, absent('lost'))
        this.#judge.loseName(this.#stat)
        this.#replaced.add(path)
        return this.#open.push(-1, name, absent('new'))
      }
      fd = openDirectory(parent.fd, name)
      return this.#open.push(fd, name, present(fd))
    } catch (error) {
      if (fd >= 0) closeSync(fd)
      this.#unrestored(path, error, '; nothing in it was restored')
      return this.#open.push(-1, name, absent('lost'))
    }
  }

  #needOfLink({ link }: Entry): Need {
    if (this.#judge.overwrite === 'never') return 'nothing'
    if (this.#judge.overwrite !== 'if-changed' || this.#replaced.has(link)) return 'content'
    return leadsToSame(this.#open, link, this.#stat) ? 'nothing' : 'content'
  }

  #replace(parent: Parent, path: string, name: string): Need {
    if (this.#stat.format === constants.S_IFDIR && !this.#judge.removesFrom(parentOf(path))) {
      try {
        const fd = openDirectory(parent.fd, name)
        const { directories, others } = listDirectory(fd)
        closeSync(fd)
        if (directories.length + others.length > 0) {
          return this.#unrestored(path, new Obstacle('a directory that is not empty is in the way'))
        }
      } catch (error) {
        return this.#unrestored(path, error)
      }
    }
    this.#judge.loseName(this.#stat)
    this.#replaced.add(path)
    this.#options.tell('replace', path)
    return 'nothing'
  }

  #leave({ fd, facts }: Parent, path: string): void {
    if (fd < 0 || !facts.named || !this.#judge.removesFrom(path)) return
    for (const name of facts.existing) {
      this.#stat.readAt(fd, name)
      if (this.#stat.format !== constants.S_IFDIR) this.#judge.loseName(this.#stat)
      this.#options.tell('delete', join(path, name))
    }
  }

  #unrestored(path: string, error: unknown, more = ''): Need {
    if (codeOf(error) === '' && !(error instanceof Obstacle)) throw error
    const message = `not restored: ${reason(error)}${more}`
    this.#options.warn({ kind: 'unrestored', path: displayPath(path), message })
    return 'left'
  }
}

/** -1 when there is no such directory. */
function openRoot(path: string): number {
  try {
    return openDirectory(here, bytePath(path), true)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return -1
  }
}

function absent(state: 'new' | 'lost'): Facts {
  return { existing: new Set(), state, named: false }
}

function present(fd: number): Facts {
  const { directories, others } = listDirectory(fd)
  return { existing: new Set([...directories, ...others]), state: 'there', named: false }
}
