/** What listed backups build on that is not listed itself. */
import { isFailure } from '../contracts/failures.ts'
import type { Manifest } from '../repository/manifest.ts'
import type { BackupName } from '../repository/names.ts'
import type { Repository } from '../repository/repository.ts'
import type { StoredManifests } from '../repository/stored-manifests.ts'
import { Coders } from './coders.ts'
import { openChainOf } from './open-backup.ts'

/** What cannot be swept, because listed backups need it, or may. */
export interface Needs {
  readonly ids: ReadonlySet<string>
  /** Chains with a backup of which nobody can say what it builds on: all of theirs is kept. */
  readonly chains: ReadonlySet<string>
  /** One of those builds on something that is neither listed nor known to be removed: it may be anything. */
  readonly anything: boolean
}

export class Ancestry implements AsyncDisposable {
  readonly #repository: Repository
  readonly #manifests: StoredManifests
  readonly #signal: AbortSignal
  readonly #coders = new Coders(1)
  /** Ids of the levels below a backup, as its index names them; undefined when that cannot be read. */
  readonly #roots = new Map<string, Promise<readonly string[] | undefined>>()

  constructor(repository: Repository, manifests: StoredManifests, signal: AbortSignal) {
    this.#repository = repository
    this.#manifests = manifests
    this.#signal = signal
  }

  /**
   * @param names what is listed, all of each chain
   * @param removed levels that are known to have been removed, by chain
   */
  async needs(
    names: readonly BackupName[],
    removed: ReadonlyMap<string, ReadonlySet<number>>,
  ): Promise<Needs> {
    const ids = new Set<string>()
    const chains = new Set<string>()
    let anything = false
    const listed = new Map(names.map((name) => [name.id, name]))
    const byChain = Map.groupBy(names, ({ chain }) => chain)
    const read = await this.#manifests.getAll(names)
    for (const [at, name] of names.entries()) {
      ids.add(name.id)
      const found = read[at]
      if (name.level === 0) continue
      // One that is gone meanwhile counts as one that cannot be read: a run may have seen it, and build on it.
      if (found !== undefined && 'manifest' in found) {
        const parent = listed.get(found.manifest.parent ?? '')
        // Whatever that one needs is found when its turn comes.
        if (parent?.chain === name.chain && parent.level === name.level - 1) continue
        const below = await this.#below(found.manifest)
        if (below !== undefined) {
          for (const id of below) ids.add(id)
          continue
        }
      }
      chains.add(name.chain)
      const levels = new Set([
        ...(byChain.get(name.chain) ?? []).map(({ level }) => level),
        ...(removed.get(name.chain) ?? []),
      ])
      for (let level = 0; level < name.level; level++) if (!levels.has(level)) anything = true
    }
    return { ids, chains, anything }
  }

  #below(manifest: Manifest): Promise<readonly string[] | undefined> {
    let reading = this.#roots.get(manifest.id)
    if (reading === undefined) {
      reading = this.#readRoot(manifest)
      this.#roots.set(manifest.id, reading)
    }
    return reading
  }

  async #readRoot(manifest: Manifest): Promise<readonly string[] | undefined> {
    try {
      const { levels } = await openChainOf(this.#repository, manifest, this.#coders, this.#signal)
      return levels.slice(0, -1).map(({ id }) => id)
    } catch (error) {
      if (isFailure(error) && ['damaged', 'hostile', 'plugin', 'not-found', 'key'].includes(error.code)) {
        return undefined
      }
      throw error
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#coders[Symbol.asyncDispose]()
  }
}
