/**
 * Restore: brings the entries back one by one, in their order, each from the record that it names. The index says what
 * is to be where; the record adds the content and what an entry does not hold. Neither is believed.
 */
import { checkName, type IncomingFile, openTarget, PathSet, type Receiver } from '@freezer/filesystem'
import {
  asFailure,
  compareDirectories,
  displayPath,
  type EngineRestore,
  type Entry,
  type EntryDetails,
  entryPath,
  Failure,
  isFailure,
  throwIfAborted,
} from '@freezer/sdk'
import { Cursor, truncated } from './cursor.ts'
import type { Member } from './record.ts'

const untrusted = 'No honest backup does this: do not trust where it came from.'
const noDevice = { major: 0, minor: 0 }

/** How often progress is told: entries, bytes. */
const countEntries = 500
const countBytes = 1 << 20

/**
 * Restores entries into a directory, or hands them out.
 * @throws Failure `hostile` for entries and records that no honest backup holds, `no-space`, `denied`
 */
export async function restore(run: EngineRestore): Promise<void> {
  const receiver = openTarget(run)
  run.expect?.((entry) => {
    const { type, size, place } = entry
    // The record of a hard link says nothing that its entry does not.
    if (type === 'hardlink') return 0
    const need = receiver.foresee(entry)
    return need === 'content' ? place.length : need === 'metadata' ? Math.max(1, place.length - size) : 0
  })
  try {
    await new Restore(run, receiver).run()
    await receiver.finish()
  } finally {
    receiver.abandon()
  }
}

class Restore {
  readonly #run: EngineRestore
  readonly #receiver: Receiver
  readonly #cursor: Cursor
  /** What later hard links must not lead to. */
  readonly #unrestored = new PathSet()
  #written = 0
  #entries = 0
  #bytes = 0

  constructor(run: EngineRestore, receiver: Receiver) {
    this.#run = run
    this.#receiver = receiver
    this.#cursor = new Cursor(run.archive)
  }

  async run(): Promise<void> {
    const { entries, signal } = this.#run
    let lastDirectory = ''
    let lastName: string | undefined
    for (;;) {
      const entry = entries.peek()
      if (entry === undefined) {
        if (!(await entries.more())) break
        continue
      }
      check(entry)
      const { directory, name } = entry
      if (directory !== lastDirectory && directory !== '') checkPath(directory)
      const order = compareDirectories(directory, lastDirectory)
      if (lastName !== undefined && (order < 0 || (order === 0 && name <= lastName))) {
        throw new Failure('hostile', `The index names ${shown(entry)} out of order.`, { remedy: untrusted })
      }
      lastDirectory = directory
      lastName = name
      await this.#entry(entry)
      entries.next()
      if (++this.#entries >= countEntries || this.#bytes >= countBytes) {
        this.#tell()
        throwIfAborted(signal)
      }
    }
    this.#tell()
  }

  #tell(): void {
    this.#run.count(this.#entries, this.#bytes)
    this.#entries = 0
    this.#bytes = 0
  }

  async #entry(entry: Entry): Promise<void> {
    if (entry.type === 'hardlink' && (await this.#leadsNowhere(entry))) return
    const need = this.#receiver.need(entry)
    if (need === 'left') this.#unrestored.add(entryPath(entry))
    if (need === 'left' || need === 'nothing') return
    if (entry.type === 'hardlink') {
      if (!(await this.#receiver.link(entry))) this.#unrestored.add(entryPath(entry))
      return
    }
    let member: Member
    try {
      member = await this.#member(entry)
    } catch (error) {
      await this.#withoutRecord(entry, damaged(error))
      return
    }
    if (need === 'metadata' && entry.type !== 'directory') {
      const settling = this.#receiver.settle(entry, member)
      const settled = settling instanceof Promise ? await settling : settling
      if (settled === false) this.#unrestored.add(entryPath(entry))
      if (settled !== undefined) return
    }
    const given = entry.type === 'file' ? this.#file(entry, member) : this.#give(entry, member)
    const restored = given instanceof Promise ? await given : given
    if (!restored) this.#unrestored.add(entryPath(entry))
  }

  /** Gives what is no file and no hard link to the receiver. */
  #give(entry: Entry, details: EntryDetails): boolean | Promise<boolean> {
    if (entry.type === 'directory') return this.#receiver.directory(entry, details)
    if (entry.type === 'symlink') return this.#receiver.symlink(entry, details)
    return this.#receiver.node(entry, details)
  }

  /**
   * The record of an entry.
   * @throws Failure `damaged` when it cannot be had, or is not what the entry says
   */
  async #member(entry: Entry): Promise<Member> {
    const { level, offset } = entry.place
    const member = await this.#cursor.member(level, offset)
    if (member === undefined) throw mismatch('there is no record where the index says')
    // In an archive of another program the record may have an older name, of a directory that was renamed since.
    const foreign = entry.ctimeNs < 0 && entry.inode === 0
    if (!foreign && member.path !== entryPath(entry)) {
      throw new Failure('hostile', `The record of ${shown(entry)} is that of another path.`, {
        remedy: untrusted,
      })
    }
    if (member.type !== entry.type) throw mismatch(`its record is that of a ${member.type ?? 'label'}`)
    if (member.type === 'file' && member.size !== entry.size) {
      throw mismatch('its record has another size than its entry')
    }
    return member
  }

  /**
   * Whether a hard link leads to what was not restored, which is told.
   * @throws Failure `hostile`
   */
  async #leadsNowhere(entry: Entry): Promise<boolean> {
    const { link } = entry
    checkPath(link)
    if (!comesBefore(link, entry)) {
      throw new Failure('hostile', `${shown(entry)} is a link to a later entry.`, { remedy: untrusted })
    }
    if (!this.#unrestored.has(link)) return false
    const message = `it is another name of ${displayPath(link)}, which was not restored`
    await this.#lose(entry, new Failure('damaged', message))
    return true
  }

  /** Goes on where a record is damaged: what the entry itself tells is enough for a directory and for a link. */
  async #withoutRecord(entry: Entry, failure: Failure): Promise<void> {
    const { type } = entry
    if (type === 'file' || type === 'character' || type === 'block') {
      await this.#lose(entry, failure)
      return
    }
    const restored = await this.#give(entry, { attributes: [], device: noDevice, failure })
    if (restored) this.#loseAttributes(entry, failure)
    else this.#unrestored.add(entryPath(entry))
  }

  async #lose(entry: Entry, failure: Failure): Promise<void> {
    const asItShouldBe = await this.#receiver.keep(entry, failure)
    if (!asItShouldBe) this.#warn(entry, failure.message)
    this.#unrestored.add(entryPath(entry))
  }

  #file(entry: Entry, member: Member): boolean | Promise<boolean> {
    const { place } = entry
    const receiver = this.#receiver
    if (member.runs === undefined && member.stored === 0) {
      return receiver.file(entry, member, nothing)
    }
    this.#promise(entry, member.stored)
    if (member.runs === undefined) {
      // Usually the whole file is at hand already; then nothing is waited for.
      let found: Uint8Array | undefined | Promise<Uint8Array | undefined>
      try {
        found = this.#cursor.at(place.level, place.offset + member.contentAt)
      } catch (error) {
        found = Promise.reject(error as Error)
      }
      if (found instanceof Promise) return this.#awaitedFile(entry, member, found)
      if (found !== undefined && found.length >= member.stored) return this.#wholeFile(entry, member, found)
    }
    return this.#largeFile(entry, member)
  }

  async #awaitedFile(
    entry: Entry,
    member: Member,
    content: Promise<Uint8Array | undefined>,
  ): Promise<boolean> {
    let found: Uint8Array | undefined
    try {
      found = await content
      if (found === undefined) throw truncated()
    } catch (error) {
      await this.#lose(entry, damaged(error))
      return false
    }
    return found.length >= member.stored
      ? this.#wholeFile(entry, member, found)
      : this.#largeFile(entry, member)
  }

  #wholeFile(entry: Entry, member: Member, content: Uint8Array): boolean | Promise<boolean> {
    this.#bytes += member.stored
    return this.#receiver.file(entry, member, content.subarray(0, member.stored))
  }

  async #largeFile(entry: Entry, member: Member): Promise<boolean> {
    const file = await this.#receiver.begin(entry, member)
    if (file === undefined) return false
    const { level, offset } = entry.place
    const runs = member.runs ?? [0, member.size]
    let from = offset + member.contentAt
    for (let i = 0; i < runs.length; i += 2) {
      let position = runs[i] as number
      const end = position + (runs[i + 1] as number)
      while (position < end) {
        const piece = await this.#piece(file, level, from)
        if (isFailure(piece)) {
          this.#warn(entry, piece.message)
          return false
        }
        const part = piece.subarray(0, end - position)
        if (!(await file.write(part, position))) return await file.finish()
        position += part.length
        from += part.length
        this.#bytes += part.length
        if (this.#bytes >= countBytes) this.#tell()
      }
    }
    return await file.finish()
  }

  /** The bytes of a file from a place on; or why they cannot be had, and the file is discarded. */
  async #piece(file: IncomingFile, level: number, from: number): Promise<Uint8Array | Failure> {
    try {
      throwIfAborted(this.#run.signal)
      const piece = await this.#cursor.at(level, from)
      if (piece === undefined) throw truncated()
      return piece
    } catch (error) {
      await file.discard(asFailure(error))
      return damaged(error)
    }
  }

  /** @throws Failure `hostile` when more content comes than the manifest said */
  #promise(entry: Entry, bytes: number): void {
    this.#written += bytes
    if (this.#written <= this.#run.promised) return
    throw new Failure('hostile', `With ${shown(entry)} there is more content than the backup promised.`, {
      remedy: untrusted,
    })
  }

  #warn(entry: Entry, message: string): void {
    const { target, warn } = this.#run
    // Whoever takes entries is told with the entry itself.
    if (target.kind === 'entries') return
    const undone = target.kind === 'tree' && target.purpose === 'verify' ? 'not compared' : 'not restored'
    warn({ kind: 'unrestored', path: displayPath(entryPath(entry)), message: `${undone}: ${message}` })
  }

  #loseAttributes(entry: Entry, { message }: Failure): void {
    if (this.#run.target.kind === 'entries') return
    const path = displayPath(entryPath(entry))
    this.#run.warn({ kind: 'metadata', path, message: `extended attributes are lost: ${message}` })
  }
}

const nothing = new Uint8Array(0)
const types = new Set(['file', 'directory', 'symlink', 'hardlink', 'fifo', 'character', 'block'])

/** @throws Failure `hostile` for an entry that no backup writes */
function check(entry: Entry): void {
  const { type, name, mode, uid, gid, size, mtime, mtimeNs, place } = entry
  if (type !== 'directory') checkName(name)
  const honest =
    types.has(type) &&
    (type !== 'directory' || name === '') &&
    within(mode, 0o7777) &&
    // The highest number means "leave it" to the system.
    within(uid, 0xfffffffe) &&
    within(gid, 0xfffffffe) &&
    within(size, Number.MAX_SAFE_INTEGER) &&
    Number.isSafeInteger(mtime) &&
    within(mtimeNs, 999_999_999) &&
    within(place.level, Number.MAX_SAFE_INTEGER) &&
    within(place.offset, Number.MAX_SAFE_INTEGER) &&
    (type !== 'symlink' || !/[\0\u0100-\uffff]/.test(entry.link))
  if (!honest) {
    throw new Failure('hostile', `The index says of ${shown(entry)} what cannot be.`, { remedy: untrusted })
  }
}

/** @throws Failure `hostile` for a path that is not below the root of the tree */
function checkPath(path: string): void {
  for (const name of path.split('/')) checkName(name)
}

function within(value: number, highest: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= highest
}

/** Whether the entry of path `link`, no directory, comes before `entry` in walk order. */
function comesBefore(link: string, entry: Entry): boolean {
  const slash = link.lastIndexOf('/')
  const order = compareDirectories(slash < 0 ? '' : link.slice(0, slash), entry.directory)
  return order < 0 || (order === 0 && link.slice(slash + 1) < entry.name)
}

/** A failure that ends no more than an entry. @throws `error` when it is anything else */
function damaged(error: unknown): Failure {
  if (!isFailure(error) || error.code !== 'damaged') throw error
  return error
}

function mismatch(what: string): Failure {
  return new Failure('damaged', `The archive and its index do not fit: ${what}.`)
}

function shown(entry: Entry): string {
  const path = displayPath(entryPath(entry))
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path)
}
