/**
 * Restore: brings the entries back one by one, in their order, each from the record that it names. The index says what
 * is to be where; the record adds the content and what an entry does not hold. Neither is believed.
 */
import { constants } from 'node:fs'
import { checkName, type Metadata, type NewFile, TargetTree } from '@freezer/filesystem'
import {
  compareDirectories,
  displayPath,
  type EngineRestore,
  type Entry,
  entryPath,
  Failure,
  isFailure,
  throwIfAborted,
} from '@freezer/sdk'
import { Cursor, truncated } from './cursor.ts'
import type { Member } from './record.ts'
import { Unrestored } from './unrestored.ts'

const nodeTypes = { fifo: constants.S_IFIFO, character: constants.S_IFCHR, block: constants.S_IFBLK }
const untrusted = 'No honest backup does this: do not trust where it came from.'
const noDevice = { major: 0, minor: 0 }

/** How often progress is told: entries, bytes. */
const countEntries = 500
const countBytes = 1 << 20

/**
 * Restores a tree into a directory.
 * @throws Failure `hostile` for entries and records that no honest backup holds, `no-space`, `denied`, `plugin` when
 *   the target is no directory
 */
export async function restore(run: EngineRestore): Promise<void> {
  const { target } = run
  if (target.kind !== 'tree') {
    throw new Failure('plugin', 'A tar archive is restored to a directory, not to a stream.', {
      remedy: 'Name a directory as the destination.',
    })
  }
  const tree = new TargetTree(target.path, { ...target, warn: run.warn })
  try {
    await new Restore(run, tree).run()
    tree.finish()
  } finally {
    tree.abandon()
  }
}

class Restore {
  readonly #run: EngineRestore
  readonly #tree: TargetTree
  readonly #cursor: Cursor
  /** What later hard links must not lead to. */
  readonly #unrestored = new Unrestored()
  #written = 0
  #entries = 0
  #bytes = 0

  constructor(run: EngineRestore, tree: TargetTree) {
    this.#run = run
    this.#tree = tree
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
    const { directory, name, type, link } = entry
    if (type === 'hardlink') {
      this.#hardLink(entry)
      return
    }
    let member: Member
    try {
      member = await this.#member(entry)
    } catch (error) {
      this.#withoutRecord(entry, error)
      return
    }
    const metadata = metadataOf(entry, member)
    let restored: boolean
    if (type === 'directory') restored = this.#tree.directory(directory, metadata)
    else if (type === 'symlink') restored = this.#tree.symlink(directory, name, link, metadata)
    else if (type === 'file') restored = await this.#file(entry, member, metadata)
    else restored = this.#tree.node(directory, name, nodeTypes[type], member.device, metadata)
    if (!restored) this.#unrestored.add(entry)
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

  #hardLink(entry: Entry): void {
    const { directory, name, link } = entry
    if (!comesBefore(link, entry)) {
      throw new Failure('hostile', `${shown(entry)} is a link to a later entry.`, { remedy: untrusted })
    }
    if (this.#unrestored.has(link)) {
      this.#warn(entry, `not restored: it is another name of ${displayPath(link)}, which was not restored`)
      this.#tree.keep(directory, name)
    } else if (this.#tree.link(directory, name, link)) {
      return
    }
    this.#unrestored.add(entry)
  }

  /** Goes on where a record is damaged: what the entry itself tells is enough for a directory and for a link. */
  #withoutRecord(entry: Entry, error: unknown): void {
    if (!isFailure(error) || error.code !== 'damaged') throw error
    const { directory, name, type, link } = entry
    const metadata = metadataOf(entry)
    let restored = false
    if (type === 'directory') restored = this.#tree.directory(directory, metadata)
    else if (type === 'symlink') restored = this.#tree.symlink(directory, name, link, metadata)
    else if (type === 'fifo') restored = this.#tree.node(directory, name, nodeTypes.fifo, noDevice, metadata)
    else {
      this.#tree.keep(directory, name)
      this.#warn(entry, `not restored: ${error.message}`)
    }
    if (restored) this.#warn(entry, `extended attributes are lost: ${error.message}`, 'metadata')
    else this.#unrestored.add(entry)
  }

  async #file(entry: Entry, member: Member, metadata: Metadata): Promise<boolean> {
    const { directory, name, place } = entry
    this.#promise(entry, member.stored)
    if (member.runs === undefined) {
      if (member.stored === 0) return this.#tree.file(directory, name, metadata, nothing)
      try {
        // Usually the whole file is at hand already; then nothing is waited for.
        const start = place.offset + member.contentAt
        const found = this.#cursor.at(place.level, start)
        const content = found instanceof Promise ? await found : found
        if (content === undefined) throw truncated()
        if (content.length >= member.stored) {
          this.#bytes += member.stored
          return this.#tree.file(directory, name, metadata, content.subarray(0, member.stored))
        }
      } catch (error) {
        this.#withoutRecord(entry, error)
        return false
      }
    }
    const file = this.#tree.begin(directory, name)
    if (file === undefined) return false
    return await this.#largeFile(entry, member, metadata, file)
  }

  async #largeFile(entry: Entry, member: Member, metadata: Metadata, file: NewFile): Promise<boolean> {
    const { level, offset } = entry.place
    const runs = member.runs ?? [0, member.size]
    let from = offset + member.contentAt
    for (let i = 0; i < runs.length; i += 2) {
      let position = runs[i] as number
      const end = position + (runs[i + 1] as number)
      while (position < end) {
        let piece: Uint8Array | undefined
        try {
          throwIfAborted(this.#run.signal)
          piece = await this.#cursor.at(level, from)
          if (piece === undefined) throw truncated()
        } catch (error) {
          file.discard()
          this.#withoutRecord(entry, error)
          return false
        }
        if (piece.length > end - position) piece = piece.subarray(0, end - position)
        if (!file.write(piece, position)) return false
        position += piece.length
        from += piece.length
        this.#bytes += piece.length
        if (this.#bytes >= countBytes) this.#tell()
      }
    }
    return file.finish(member.size, metadata)
  }

  /** @throws Failure `hostile` when more content comes than the manifest said */
  #promise(entry: Entry, bytes: number): void {
    this.#written += bytes
    if (this.#written <= this.#run.promised) return
    throw new Failure('hostile', `With ${shown(entry)} there is more content than the backup promised.`, {
      remedy: untrusted,
    })
  }

  #warn(entry: Entry, message: string, kind: 'unrestored' | 'metadata' = 'unrestored'): void {
    this.#run.warn({ kind, path: displayPath(entryPath(entry)), message })
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

function within(value: number, highest: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= highest
}

/** Whether the entry of path `link`, no directory, comes before `entry` in walk order. */
function comesBefore(link: string, entry: Entry): boolean {
  const slash = link.lastIndexOf('/')
  const order = compareDirectories(slash < 0 ? '' : link.slice(0, slash), entry.directory)
  return order < 0 || (order === 0 && link.slice(slash + 1) < entry.name)
}

function metadataOf(entry: Entry, member?: Member): Metadata {
  const { mode, uid, gid, mtime, mtimeNs } = entry
  return { mode, uid, gid, mtime, mtimeNs, attributes: member?.attributes ?? [] }
}

function mismatch(what: string): Failure {
  return new Failure('damaged', `The archive and its index do not fit: ${what}.`)
}

function shown(entry: Entry): string {
  const path = displayPath(entryPath(entry))
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path)
}
