/** Paths by a pattern, over all backups: in which of them each is, and in which version. */
import type { Context } from '../contracts/context.ts'
import { compareEntries, type Entry, entryPath } from '../contracts/entry.ts'
import { type Failure, isFailure, throwIfAborted } from '../contracts/failures.ts'
import { searcher } from '../contracts/patterns.ts'
import type { StoredChain, StoredLevel } from '../repository/chain.ts'
import { pageLimit, readEntries } from '../repository/entries.ts'
import type { BackupFilter } from '../repository/listing.ts'
import type { Manifest } from '../repository/manifest.ts'
import type { Repository } from '../repository/repository.ts'
import type { PageAddress } from '../repository/root.ts'
import { ahead } from './ahead.ts'
import { Coders, defaultWorkers } from './coders.ts'
import { Meter } from './meter.ts'
import { openChainOf } from './open-backup.ts'

export interface FindRequest extends BackupFilter {
  /** As `searcher` reads it. */
  readonly pattern: string
  readonly ignoreCase?: boolean | undefined
  /** Told of a backup, or a page of an index, that is damaged and passed over; without it that is a failure. */
  readonly lost?: ((loss: Loss) => void) | undefined
}

/** What could not be searched. */
export interface Loss {
  readonly failure: Failure
  /** Ids of the backups that it belongs to. */
  readonly backups: readonly string[]
  /** The page of the index; undefined when nothing of the backup could be read. */
  readonly page?: PageAddress | undefined
}

/** A backup in which something was found. */
export interface FoundIn {
  readonly id: string
  /** ISO 8601, UTC. */
  readonly time: string
  readonly level: number
}

export interface FoundVersion {
  readonly entry: Entry
  /** Oldest first. */
  readonly backups: readonly FoundIn[]
}

/** A path of the backups of one host and name. A directory and something else of the same path are two. */
export interface FoundEntry {
  readonly host: string
  readonly name: string
  /** Byte string, relative to the root of the tree. */
  readonly path: string
  /** The one whose first backup is the oldest first. */
  readonly versions: readonly FoundVersion[]
}

/** Manifests, roots or pages under way at a time. */
const atOnce = 4

/**
 * Host and name after another; the paths of each in walk order, each told once. Entries are one version when they have
 * one record, or when all that is known of them is equal, as in the next chain of an unchanged file.
 *
 * A page of the index that many backups share is read once. In memory are the addresses of the pages, and the matches
 * on those that overlap.
 * @throws Failure `damaged`
 */
export async function* findEntries(
  repository: Repository,
  { pattern, ignoreCase, host, name, lost }: FindRequest,
  context: Context,
): AsyncGenerator<FoundEntry> {
  const { signal } = context
  const matches = searcher(pattern, ignoreCase)
  const meter = new Meter(context, 'find')
  const pass = (error: unknown, loss: Omit<Loss, 'failure'>): undefined => {
    if (lost === undefined || !isFailure(error) || !['damaged', 'hostile'].includes(error.code)) throw error
    lost({ ...loss, failure: error })
  }
  await using coders = new Coders(defaultWorkers())

  const manifests: Manifest[] = []
  const of = host !== undefined && name !== undefined ? { host, name } : undefined
  const names = await repository.names(of, signal)
  const reading = ahead(names, atOnce, async (backup) => {
    try {
      const manifest = await repository.manifest(backup, signal)
      const isWanted =
        (host ?? manifest.host) === manifest.host &&
        (name ?? manifest.name) === manifest.name &&
        manifest.foreign?.readable !== false
      return isWanted ? (await repository.ready({ name: backup, manifest }, context)).manifest : undefined
    } catch (error) {
      // A prune may have removed it since it was listed.
      if (isFailure(error) && error.code === 'not-found') return undefined
      return pass(error, { backups: [backup.id] })
    }
  })
  for await (const manifest of reading) if (manifest !== undefined) manifests.push(manifest)

  for (const group of Map.groupBy(manifests, (one) => JSON.stringify([one.host, one.name])).values()) {
    const pages = new SharedPages()
    const opening = ahead(group, atOnce, (manifest) =>
      openChainOf(repository, manifest, coders, signal).catch((error: unknown) =>
        pass(error, { backups: [manifest.id] }),
      ),
    )
    let number = 0
    for await (const chain of opening) {
      if (chain !== undefined) pages.add(chain, number)
      number++
    }
    const found = new Gathering(group)
    const searched = ahead(pages.inOrder(), atOnce, async (page) => {
      throwIfAborted(signal)
      try {
        const entries = readEntries(await page.level.readBlock('index', page.address, pageLimit))
        meter.transferred(page.address.stored)
        meter.count(entries.length, 0)
        return { page, entries: entries.filter((entry) => matches(entryPath(entry))) }
      } catch (error) {
        const backups = page.backups.map((at) => group[at]?.id ?? '')
        pass(error, { backups, page: page.address })
        return { page, entries: [] }
      }
    })
    for await (const { page, entries } of searched) {
      // Nothing before the beginning of this page is on it or on a later one.
      yield* found.before(page.address)
      for (const entry of entries) found.add(entry, page)
    }
    yield* found.before(undefined)
  }
  meter.end()
}

/** A page of entries and the backups that have it. */
interface SharedPage {
  readonly level: StoredLevel
  readonly address: PageAddress
  /** Ids of the levels that its places name. */
  readonly levels: readonly string[]
  /** Numbers of the backups, ascending. */
  readonly backups: number[]
}

/** The pages of several backups, each once. */
class SharedPages {
  readonly #pages = new Map<string, SharedPage>()

  add(chain: StoredChain, backup: number): void {
    const levels = chain.levels.map(({ id }) => id)
    for (const address of chain.root.pages) {
      const level = chain.level(address.level)
      const key = `${level.id} ${address.number}`
      const page = this.#pages.get(key)
      if (page === undefined) {
        // The digests are views of the whole root.
        const { digest, content: _, ...rest } = address
        const own = { ...rest, digest: new Uint8Array(digest), content: new Uint8Array(0) }
        this.#pages.set(key, { level, address: own, levels, backups: [backup] })
      } else page.backups.push(backup)
    }
    chain.levels.at(-1)?.forgetRoot()
  }

  /** By their first entries. */
  inOrder(): SharedPage[] {
    return [...this.#pages.values()].sort((a, b) => compareEntries(a.address, b.address))
  }
}

interface Version {
  readonly entry: Entry
  /** Id of the level that has its record. */
  readonly level: string | undefined
  backups: readonly number[]
}

/** Matches of pages that overlap, until no later page can have more of a path. */
class Gathering {
  readonly #group: readonly Manifest[]
  readonly #paths = new Map<string, Version[]>()

  constructor(group: readonly Manifest[]) {
    this.#group = group
  }

  add(entry: Entry, { levels, backups }: SharedPage): void {
    const key = `${entry.directory}\0${entry.name}`
    const level = levels[entry.place.level]
    const versions = this.#paths.get(key)
    const known = versions?.find((version) => isSame(version, entry, level))
    if (versions === undefined) this.#paths.set(key, [{ entry, level, backups }])
    else if (known === undefined) versions.push({ entry, level, backups })
    else known.backups = [...known.backups, ...backups]
  }

  /** What comes before a place in walk order, or all that is left. */
  *before(place: Pick<Entry, 'directory' | 'name'> | undefined): Generator<FoundEntry> {
    const complete: Version[][] = []
    for (const [key, versions] of this.#paths) {
      const [first] = versions
      if (first === undefined || (place !== undefined && compareEntries(first.entry, place) >= 0)) continue
      complete.push(versions)
      this.#paths.delete(key)
    }
    const entryOf = ([first]: Version[]) => (first as Version).entry
    complete.sort((a, b) => compareEntries(entryOf(a), entryOf(b)))
    const [{ host, name } = { host: '', name: '' }] = this.#group
    for (const versions of complete) {
      const ordered = versions.map(({ entry, backups }) => ({
        entry,
        backups: backups.toSorted((a, b) => a - b),
      }))
      ordered.sort((a, b) => (a.backups[0] ?? 0) - (b.backups[0] ?? 0))
      yield {
        host,
        name,
        path: entryPath(entryOf(versions)),
        versions: ordered.map(({ entry, backups }) => ({
          entry,
          backups: backups.flatMap((at) => {
            const manifest = this.#group[at]
            return manifest === undefined
              ? []
              : [{ id: manifest.id, time: manifest.time, level: manifest.level }]
          }),
        })),
      }
    }
  }
}

/** Whether `entry`, of which `level` has the record, is `version`. A change time that is not to be trusted says nothing. */
function isSame({ entry: known, level: of }: Version, entry: Entry, level: string | undefined): boolean {
  if (level === of && entry.place.offset === known.place.offset) return true
  return (
    entry.type === known.type &&
    entry.size === known.size &&
    entry.mtime === known.mtime &&
    entry.mtimeNs === known.mtimeNs &&
    entry.mode === known.mode &&
    entry.uid === known.uid &&
    entry.gid === known.gid &&
    entry.link === known.link &&
    (entry.ctimeNs === -1 ||
      known.ctimeNs === -1 ||
      (entry.ctime === known.ctime && entry.ctimeNs === known.ctimeNs))
  )
}
