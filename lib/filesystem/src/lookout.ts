/** Looks at what is there ahead of where work goes on, in walk order; opens directories for nothing but that. */
import { bytePath, type Entry } from '@freezer/sdk'
import { here, openDirectory } from './directory.ts'
import { codeOf } from './errno.ts'
import { checkName, OpenDirectories } from './open-directories.ts'
import type { Stat } from './stat.ts'

export class Lookout {
  readonly #open: OpenDirectories<undefined>

  /** @param path absolute; what is below a directory that is not there is not there either */
  constructor(path: string) {
    this.#open = new OpenDirectories(opened(here, bytePath(path), true), undefined, () => {})
  }

  /** Fills `stat` with the facts of what has the path of `entry`; false when nothing has. */
  look({ directory, name }: Entry, stat: Stat): boolean {
    let at = this.#open.goTo(directory)
    while (at.length < directory.length) {
      const start = at.length === 0 ? 0 : at.length + 1
      const slash = directory.indexOf('/', start)
      const inner = directory.slice(start, slash < 0 ? undefined : slash)
      checkName(inner)
      at = this.#open.push(at.fd < 0 ? -1 : opened(at.fd, inner), inner, undefined)
    }
    if (at.fd < 0) return false
    try {
      if (name === '') stat.read(at.fd)
      else stat.readAt(at.fd, name)
      return true
    } catch (error) {
      if (codeOf(error) === '') throw error
      return false
    }
  }

  close(): void {
    this.#open.close()
  }
}

function opened(directory: number, name: string, followed = false): number {
  try {
    return openDirectory(directory, name, followed)
  } catch (error) {
    if (codeOf(error) === '') throw error
    return -1
  }
}
