/** What is to be done with what is there: decided in one place, for those who do it and for those who only say it. */
import { type Entry, isWithin, type TreeTarget } from '@freezer/sdk'
import { sameContent, untouched } from './agreement.ts'
import type { Need } from './receiver.ts'
import type { Stat } from './stat.ts'

export class Judge {
  readonly overwrite: TreeTarget['overwrite']
  readonly #remove: TreeTarget['remove']
  /** Files that were kept and have several names: of no second file that the backup holds for itself. */
  readonly #kept = new Set<string>()
  /** Names that files would have lost by now, where nothing is really done. */
  readonly #lost = new Map<string, number>()

  constructor({ overwrite, remove }: Pick<TreeTarget, 'overwrite' | 'remove'>) {
    this.overwrite = overwrite
    this.#remove = remove
  }

  /** What is needed of an entry, which is neither directory nor hard link, where `stat` tells what is there. */
  need(entry: Entry, stat: Stat): Need {
    if (this.overwrite === 'never') return sameContent(entry, stat) ? 'nothing' : 'left'
    if (this.overwrite !== 'if-changed') return 'content'
    if (stat.links > 1 && this.#kept.has(stat.identity)) return 'content'
    if (untouched(entry, stat)) return 'nothing'
    return sameContent(entry, stat) ? 'metadata' : 'content'
  }

  keep(stat: Stat): void {
    if (stat.links > 1) this.#kept.add(stat.identity)
  }

  /** Whether its metadata may be changed in place: another name may be of another tree. */
  isAlone(stat: Stat): boolean {
    return stat.links - (this.#lost.get(stat.identity) ?? 0) === 1
  }

  /** Notes that a name of it would be gone. */
  loseName(stat: Stat): void {
    if (stat.links > 1) this.#lost.set(stat.identity, (this.#lost.get(stat.identity) ?? 0) + 1)
  }

  /** Whether what the backup does not hold is to be removed from a directory. */
  removesFrom(directory: string): boolean {
    if (typeof this.#remove === 'boolean') return this.#remove
    return this.#remove.some((one) => one === directory || isWithin(directory, one))
  }
}
