/**
 * The directories from the root of a tree down to where work goes on, open. However deep the tree is, few are open
 * at once: the outer ones are closed and, when they are needed again, found again from the root.
 */
import { closeSync } from 'node:fs'
import { displayPath, Failure } from '@freezer/sdk'
import { openDirectory } from './directory.ts'
import { Stat } from './stat.ts'

/** One directory of the stack, with what the user of the stack knows of it. */
export interface OpenDirectory<T> {
  /** -1 when the directory could not be had; nothing is done in it then. */
  fd: number
  readonly name: string
  /** Characters of its path. */
  readonly length: number
  readonly facts: T
}

interface Held<T> extends OpenDirectory<T> {
  /** Which directory it is, while it is closed to spare descriptors. */
  closed: string | undefined
}

const mostOpen = 256
const stat = new Stat()

/** @throws Failure `hostile` for what is no name of an entry in a directory */
export function checkName(name: string): void {
  // A character beyond one byte would become another one on its way to the system.
  // oxlint-disable-next-line no-control-regex
  if (name === '' || name === '.' || name === '..' || /[\0/\u0100-\uffff]/.test(name)) {
    throw new Failure('hostile', `The backup holds an entry named ${JSON.stringify(displayPath(name))}.`, {
      remedy: 'No honest backup does: do not trust where it came from.',
    })
  }
}

export class OpenDirectories<T> {
  readonly #leave: (directory: OpenDirectory<T>, path: string) => void
  readonly #stack: Held<T>[]
  #path = ''
  /** The stack is closed from 1 to here; the root always stays open. */
  #firstOpen = 1

  /**
   * @param root descriptor of the root, which this owns from now on
   * @param leave called for each directory when it is left, while it is open
   */
  constructor(root: number, facts: T, leave: (directory: OpenDirectory<T>, path: string) => void) {
    this.#leave = leave
    this.#stack = [{ fd: root, name: '', length: 0, facts, closed: undefined }]
  }

  get top(): OpenDirectory<T> {
    return this.#stack[this.#stack.length - 1] as Held<T>
  }

  /** Leaves directories until the innermost one is `directory` or leads there. */
  goTo(directory: string): OpenDirectory<T> {
    if (directory === this.#path) return this.top
    const path = this.#path
    const shorter = Math.min(path.length, directory.length)
    let common = 0
    while (common < shorter && path.charCodeAt(common) === directory.charCodeAt(common)) common++
    while (!leadsTo(this.top.length, directory, common)) this.#pop()
    return this.top
  }

  /** Goes into `name`, which was opened as `fd`. */
  push(fd: number, name: string, facts: T): OpenDirectory<T> {
    const length = this.top.length === 0 ? name.length : this.top.length + 1 + name.length
    const inner: Held<T> = { fd, name, length, facts, closed: undefined }
    this.#path = this.#path === '' ? name : `${this.#path}/${name}`
    this.#stack.push(inner)
    if (this.#stack.length - this.#firstOpen > mostOpen) {
      const outer = this.#stack[this.#firstOpen++] as Held<T>
      if (outer.fd >= 0) {
        outer.closed = identity(outer.fd)
        closeSync(outer.fd)
        outer.fd = -1
      }
    }
    return inner
  }

  /**
   * Calls `use` with a descriptor of any directory of the tree, whose names were checked.
   * @throws SystemError when there is none
   */
  within(directory: string, use: (fd: number) => void): void {
    if (directory === this.#path) {
      use(this.top.fd)
      return
    }
    let fd = (this.#stack[0] as Held<T>).fd
    const root = fd
    try {
      for (const name of directory === '' ? [] : directory.split('/')) {
        const inner = openDirectory(fd, name)
        if (fd !== root) closeSync(fd)
        fd = inner
      }
      use(fd)
    } finally {
      if (fd !== root) closeSync(fd)
    }
  }

  /** Leaves all directories, the root last. */
  leaveAll(): void {
    while (this.#stack.length > 1) this.#pop()
    this.#leave(this.top, '')
  }

  /** Closes all that is open. */
  close(): void {
    for (const directory of this.#stack) {
      if (directory.fd >= 0) closeSync(directory.fd)
      directory.fd = -1
    }
  }

  #pop(): void {
    const { top } = this
    try {
      if (top.fd >= 0) this.#leave(top, this.#path)
    } finally {
      if (top.fd >= 0) closeSync(top.fd)
      this.#stack.pop()
      this.#path = this.#path.slice(0, this.top.length)
    }
    if ((this.top as Held<T>).closed !== undefined) this.#reopen()
  }

  /** Opens the innermost closed directories again, and makes sure that they are the ones that were left. */
  #reopen(): void {
    const keepFrom = Math.max(1, this.#stack.length - mostOpen)
    let fd = (this.#stack[0] as Held<T>).fd
    for (const [depth, directory] of this.#stack.entries()) {
      if (depth === 0) continue
      const outer = fd
      try {
        fd = openDirectory(outer, directory.name)
      } catch (error) {
        throw replaced(this.#path, error)
      } finally {
        if (depth > 1 && depth <= keepFrom) closeSync(outer)
      }
      if (depth < keepFrom) continue
      directory.fd = fd
      if (identity(fd) !== directory.closed) throw replaced(this.#path)
      directory.closed = undefined
    }
    this.#firstOpen = keepFrom
  }
}

function leadsTo(length: number, directory: string, common: number): boolean {
  if (length === 0) return true
  return length <= common && (length === directory.length || directory[length] === '/')
}

function identity(fd: number): string {
  stat.read(fd)
  return stat.identity
}

function replaced(path: string, cause?: unknown): Failure {
  return new Failure('refused', `The directory ${displayPath(path)} was replaced while it was restored.`, {
    remedy: 'Restore again, into a directory that nothing else changes.',
    cause,
  })
}
