/** Giving what was restored its owner, mode, attributes and time, in the order in which one does not undo another. */
import { fchmodSync, fchownSync } from 'node:fs'
import { displayPath, type Entry, type EntryDetails, type Warning } from '@freezer/sdk'
import { type Attribute, attributesOf } from './attributes.ts'
import { removeAttribute, setAttribute, setTime } from './change.ts'
import { codeOf } from './errno.ts'

/** What belongs to a file besides its name and content. */
export interface Metadata {
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Whole seconds since 1970, and nanoseconds. */
  readonly mtime: number
  readonly mtimeNs: number
  readonly attributes: readonly Attribute[]
}

export function metadataOf(
  { mode, uid, gid, mtime, mtimeNs }: Pick<Entry, 'mode' | 'uid' | 'gid' | 'mtime' | 'mtimeNs'>,
  { attributes }: EntryDetails,
): Metadata {
  return { mode, uid, gid, mtime, mtimeNs, attributes }
}

export const defaultAcl = 'system.posix_acl_default'

/** Attributes that a backup replaces as a whole. The system's labels (`security.*`) are not among them. */
const replaced = /^(user|trusted)\.|^system\.posix_acl_/

export function isReplaced(attribute: string): boolean {
  return replaced.test(attribute)
}

/** Sets metadata, and remembers what could not be set: many entries share a reason, which is told once. */
export class Dresser {
  readonly #warn: (warning: Warning) => void
  readonly #losses = new Map<string, { readonly path: string; readonly message: string; count: number }>()

  constructor(warn: (warning: Warning) => void) {
    this.#warn = warn
  }

  /** An open file or directory. `kept`: it was there before, with attributes of its own. */
  dress(fd: number, path: string, metadata: Metadata, kept: boolean): void {
    try {
      const present = kept ? attributesOf(fd) : []
      for (const { name } of present) {
        const wanted = metadata.attributes.some((attribute) => attribute.name === name)
        if (!wanted && replaced.test(name)) removeAttribute(fd, name)
      }
      fchmodSync(
        fd,
        this.own(metadata, path, (uid, gid) => fchownSync(fd, uid, gid)),
      )
      this.attributes(metadata, path, (attribute) => setAttribute(fd, attribute))
      setTime(fd, metadata.mtime, metadata.mtimeNs)
    } catch (error) {
      this.#lose('metadata', 'its metadata', path, error)
    }
  }

  /**
   * Sets the owner.
   * @returns the mode that may be set then: without setuid and setgid when the owner is another than theirs
   */
  own(metadata: Metadata, path: string, set: (uid: number, gid: number) => void): number {
    try {
      set(metadata.uid, metadata.gid)
      return metadata.mode
    } catch (error) {
      this.#lose('owner', 'its owner', path, error)
      return metadata.mode & ~0o6000
    }
  }

  attributes(metadata: Metadata, path: string, set: (attribute: Attribute) => void): void {
    for (const attribute of metadata.attributes) {
      const { name } = attribute
      try {
        set(attribute)
      } catch (error) {
        this.#lose(name.slice(0, name.indexOf('.')), `its attribute ${displayPath(name)}`, path, error)
      }
    }
  }

  /** Warns of all that was lost. */
  tell(): void {
    for (const { path, message, count } of this.#losses.values()) {
      const more = count === 1 ? '' : `, nor that of ${count - 1} more`
      this.#warn({ kind: 'metadata', path: displayPath(path), message: message + more })
    }
    this.#losses.clear()
  }

  #lose(group: string, what: string, path: string, error: unknown): void {
    const code = codeOf(error)
    if (code === '') throw error
    const loss = this.#losses.get(`${group} ${code}`)
    if (loss === undefined) {
      this.#losses.set(`${group} ${code}`, { path, message: `${what} could not be set (${code})`, count: 1 })
    } else {
      loss.count++
    }
  }
}
