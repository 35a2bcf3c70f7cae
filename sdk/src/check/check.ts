/** A check of a container: that every backup has what a restore of it would need, and that it is what was stored. */
import type { Context } from '../contracts/context.ts'
import type { Engine } from '../contracts/engine.ts'
import { Failure, type FailureRecord, isFailure, throwIfAborted, toRecord } from '../contracts/failures.ts'
import { checkForeign } from '../foreign/check.ts'
import { ForeignRepository } from '../foreign/foreign-repository.ts'
import { ahead } from '../pipeline/ahead.ts'
import { Coders, defaultWorkers } from '../pipeline/coders.ts'
import { Meter } from '../pipeline/meter.ts'
import type { BackupFilter } from '../repository/listing.ts'
import type { Manifest } from '../repository/manifest.ts'
import type { BackupName } from '../repository/names.ts'
import { removedIds } from '../repository/removals.ts'
import type { Repository } from '../repository/repository.ts'
import { SegmentSizes } from '../repository/segment-sizes.ts'
import { affectedEntries } from './affected.ts'
import type { ArchiveCheck } from './archive.ts'
import { type BackupCheck, ChainCheck, type ListedBackup, type LostEntries } from './chain.ts'
import { readArchive } from './data.ts'
import { ProgressFile } from './progress-file.ts'
import type { Ranges } from './ranges.ts'
import { type ArchiveFacts, type DataPart, selectBlocks, storedOf } from './selection.ts'

export interface CheckRequest {
  readonly repository: Repository | Promise<Repository>
  /** Every engine that stored backups may need; asked to read the archives that are read. */
  readonly engines: readonly Engine[]
  readonly filter?: BackupFilter | undefined
  /** How much of the archives is read; without it none. */
  readonly data?: DataPart | undefined
  /** File that keeps what was verified: an interrupted check goes on there, a part begins with the oldest. */
  readonly resume?: string | undefined
  /** Threads that decrypt and decompress. */
  readonly workers?: number | undefined
}

export interface CheckedDamage {
  readonly id: string
  /** Key of its manifest. */
  readonly manifest: string
  /** Whose it is; undefined where the manifest cannot be read. */
  readonly host: string | undefined
  readonly name: string | undefined
  readonly level: number
  /** ISO 8601, UTC. */
  readonly time: string
  /** Nothing of it can be restored. */
  readonly whole: boolean
  readonly failures: readonly FailureRecord[]
  /** Paths that cannot be restored, and those that lose extended attributes only. */
  readonly files: readonly string[]
  readonly metadata: readonly string[]
  /** Parts of the index that are lost, so that nobody can name what cannot be restored. */
  readonly lost: readonly LostEntries[]
}

export interface CheckReport {
  /** Backups checked. */
  readonly backups: number
  /** Blocks of archives read, and bytes read of archives and of indexes. */
  readonly blocks: number
  readonly bytes: number
  readonly indexBytes: number
  /** Stored bytes of all archives of these backups, and how many of them were to be read now. */
  readonly archiveBytes: number
  readonly selectedBytes: number
  readonly damaged: readonly CheckedDamage[]
  /** Backups that could not be checked, or not wholly, for want of a plugin. */
  readonly unchecked: readonly { readonly id: string; readonly failure: FailureRecord }[]
  /** Segments of no backup: of runs that were killed, or that are under way. */
  readonly garbage: { readonly segments: number; readonly bytes: number }
  /** Why it ended early; only with damage that was found by then. */
  readonly stopped?: FailureRecord | undefined
  readonly seconds: number
}

const manifestsAtOnce = 8
/** Milliseconds after which what was verified is written down. */
const saveInterval = 5_000

/**
 * Checks a container.
 * @throws Failure of the storage, `interrupted`, `usage` for a file that cannot be resumed from; where damage was found
 *   before, that is reported instead
 */
export async function checkContainer(request: CheckRequest, context: Context): Promise<CheckReport> {
  const repository = await request.repository
  if (repository instanceof ForeignRepository) return checkForeign(repository, request, context)
  const progress = await ProgressFile.open(request.resume, context.now())
  await using check = await ContainerCheck.begin(request, repository, progress, context)
  try {
    await check.run()
  } catch (error) {
    // Awaited here, because what is disposed meanwhile takes its time.
    return await check.report(error)
  }
  return await check.report()
}

/** A manifest that cannot be read. */
interface Unreadable {
  readonly name: BackupName
  readonly failure: FailureRecord
}

class ContainerCheck implements AsyncDisposable {
  readonly #request: CheckRequest
  readonly #repository: Repository
  readonly #progress: ProgressFile
  readonly #context: Context
  readonly #started = performance.now()
  readonly #segments: SegmentSizes
  readonly #listed: ReadonlySet<string>
  readonly #garbage: { segments: number; bytes: number }
  readonly #backups: readonly ListedBackup[]
  readonly #selected: ReadonlyMap<string, Ranges>
  readonly #archiveBytes: number
  readonly #selectedBytes: number
  readonly #meter: Meter
  readonly #damaged: CheckedDamage[] = []
  readonly #unchecked: { id: string; failure: FailureRecord }[] = []
  #checked = 0
  #blocks = 0
  #bytes = 0
  #indexBytes = 0
  #savedAt = performance.now()

  private constructor(
    request: CheckRequest,
    repository: Repository,
    progress: ProgressFile,
    context: Context,
    found: {
      readonly segments: SegmentSizes
      readonly listed: ReadonlySet<string>
      readonly later: ReadonlySet<string>
      readonly backups: readonly ListedBackup[]
      readonly unreadable: readonly Unreadable[]
    },
  ) {
    const { segments, listed, later, backups, unreadable } = found
    this.#request = request
    this.#repository = repository
    this.#progress = progress
    this.#context = context
    this.#segments = segments
    this.#listed = listed
    this.#backups = backups
    this.#garbage = segments.others(new Set([...listed, ...later]))
    for (const { name, failure } of unreadable) this.#damaged.push(unopened(name, undefined, [failure]))
    this.#checked = unreadable.length
    const facts = backups.map(
      ({ manifest: { id, archive } }): ArchiveFacts => ({
        id,
        blocks: archive.blocks,
        stored: segments.bytes(id, 'data'),
      }),
    )
    this.#archiveBytes = sum(facts.map(({ stored }) => stored))
    if (request.data === 'all') progress.beginRound()
    this.#selected = request.data === undefined ? new Map() : selectBlocks(facts, request.data, progress)
    this.#selectedBytes = Math.round(
      sum(
        facts.flatMap((one) => [...(this.#selected.get(one.id) ?? [])].map((range) => storedOf(one, range))),
      ),
    )
    const indexBytes = sum(backups.map(({ manifest: { id } }) => segments.bytes(id, 'index')))
    this.#meter = new Meter(context, 'check', indexBytes + this.#selectedBytes)
  }

  /** Reads what there is: names, sizes of segments, manifests. */
  static async begin(
    request: CheckRequest,
    repository: Repository,
    progress: ProgressFile,
    context: Context,
  ): Promise<ContainerCheck> {
    const { signal } = context
    const { host, name } = request.filter ?? {}
    // A backup that is listed has all its segments: so they are listed after it.
    const names = await repository.names(undefined, signal)
    const segments = await SegmentSizes.list(repository.storage, signal)
    const later = await repository.names(undefined, signal)
    const wanted =
      host === undefined || name === undefined ? names : await repository.names({ host, name }, signal)
    const backups: ListedBackup[] = []
    const unreadable: Unreadable[] = []
    for await (const one of ahead(wanted, manifestsAtOnce, (of) => readManifest(repository, of, signal))) {
      if ('failure' in one) unreadable.push(one)
      else if (
        (host ?? one.manifest.host) === one.manifest.host &&
        (name ?? one.manifest.name) === one.manifest.name
      )
        backups.push(one)
    }
    const ids = (of: readonly BackupName[]) => new Set(of.map(({ id }) => id))
    progress.keepOnly(ids(later))
    // What a prune removed keeps its segments for as long as another backup builds on it: that is no loss.
    const removed = await removedIds(repository.storage, signal)
    const listed = new Set([...ids([...names, ...wanted]), ...removed])
    const found = { segments, listed, later: ids(later), backups, unreadable }
    return new ContainerCheck(request, repository, progress, context, found)
  }

  async run(): Promise<void> {
    const chains = Map.groupBy(this.#backups, ({ name }) => name.chain)
    for (const backups of chains.values()) await this.#chain(backups)
    if (this.#request.data === 'all') this.#progress.endRound()
  }

  /** @param error why the check ended early */
  async report(error?: unknown): Promise<CheckReport> {
    if (error !== undefined && (this.#damaged.length === 0 || !isFailure(error))) throw error
    this.#meter.end()
    return {
      backups: this.#checked,
      blocks: this.#blocks,
      bytes: this.#bytes,
      indexBytes: this.#indexBytes,
      archiveBytes: this.#archiveBytes,
      selectedBytes: this.#selectedBytes,
      damaged: await this.#stillListed(error),
      unchecked: this.#unchecked,
      garbage: this.#garbage,
      ...(error === undefined ? {} : { stopped: toRecord(error) }),
      seconds: (performance.now() - this.#started) / 1000,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#progress.save()
  }

  async #chain(backups: readonly ListedBackup[]): Promise<void> {
    const { signal } = this.#context
    await using coders = new Coders(this.#request.workers ?? defaultWorkers())
    const chain = new ChainCheck(
      {
        repository: this.#repository,
        segments: this.#segments,
        listed: this.#listed,
        onRead: (bytes) => this.#readIndex(bytes),
        signal,
      },
      coders,
    )
    const checks: BackupCheck[] = []
    for (const backup of backups) {
      throwIfAborted(signal)
      try {
        checks.push(await chain.check(backup))
        this.#checked++
      } catch (error) {
        if (!isFailure(error) || error.code !== 'plugin') throw error
        this.#unchecked.push({ id: backup.manifest.id, failure: toRecord(error) })
      }
    }
    try {
      for (const check of checks) await this.#data(check)
    } finally {
      // What was found is told also when the check ends here.
      for (const check of checks) {
        if (check.allFailures.length > 0) this.#damaged.push(await describeDamage(chain, check))
      }
    }
  }

  /** Reads what was selected of the archive of one backup. */
  async #data(check: BackupCheck): Promise<void> {
    const { manifest } = check.backup
    const blocks = this.#selected.get(manifest.id)
    const archive = check.archives.at(-1)
    if (blocks === undefined || archive === undefined || check.root === undefined) return
    const engine = this.#request.engines.find((one) => one.name === manifest.engine.name)
    if (engine === undefined)
      this.#unchecked.push({ id: manifest.id, failure: toRecord(withoutEngine(manifest)) })
    const own = check.root.pages.filter((page) => page.level === manifest.level && !check.lostPages.has(page))
    await readArchive({
      archive,
      blocks,
      whole: this.#request.data === 'all',
      records: engine === undefined ? undefined : { manifest, pages: own, engine },
      onBlock: (block, sound) => {
        this.#blocks++
        this.#bytes += block.stored
        this.#meter.count(0, block.stored)
        this.#meter.transferred(block.stored)
        if (sound) this.#progress.verified(manifest.id, block.number)
        void this.#saveNowAndThen()
      },
      signal: this.#context.signal,
    })
  }

  #readIndex(bytes: number): void {
    this.#indexBytes += bytes
    this.#meter.count(0, bytes)
    this.#meter.transferred(bytes)
  }

  async #saveNowAndThen(): Promise<void> {
    if (performance.now() - this.#savedAt < saveInterval) return
    this.#savedAt = performance.now()
    // A failure is met at the end.
    await this.#progress.save().catch(() => {})
  }

  /** Damage without that of backups which a prune has removed meanwhile. */
  async #stillListed(error: unknown): Promise<readonly CheckedDamage[]> {
    if (this.#damaged.length === 0 || error !== undefined) return this.#damaged
    const names = await this.#repository.names(undefined, this.#context.signal)
    const listed = new Set(names.map(({ id }) => id))
    return this.#damaged.filter(({ id }) => listed.has(id))
  }
}

async function readManifest(
  repository: Repository,
  name: BackupName,
  signal: AbortSignal,
): Promise<ListedBackup | Unreadable> {
  try {
    return { name, manifest: await repository.manifest(name, signal) }
  } catch (error) {
    if (!isFailure(error) || (error.code !== 'damaged' && error.code !== 'not-found')) throw error
    return { name, failure: toRecord(error) }
  }
}

async function describeDamage(chain: ChainCheck, check: BackupCheck): Promise<CheckedDamage> {
  const { name, manifest } = check.backup
  if (check.root === undefined) return unopened(name, manifest, check.allFailures)
  const meetsDamage = check.archives.some((archive: ArchiveCheck) => !archive.damage.empty)
  const affected = meetsDamage
    ? await affectedEntries(chain.entries(check), check.archives)
    : { files: [], metadata: [] }
  return {
    ...identity(name, manifest),
    whole: false,
    failures: check.allFailures,
    ...affected,
    lost: check.lost,
  }
}

function unopened(
  name: BackupName,
  manifest: Manifest | undefined,
  failures: readonly FailureRecord[],
): CheckedDamage {
  return { ...identity(name, manifest), whole: true, failures, files: [], metadata: [], lost: [] }
}

function withoutEngine({ engine }: Manifest): Failure {
  const message = `The blocks of a backup were verified, but not what they hold: its engine "${engine.name}" is not installed.`
  return new Failure('plugin', message, { remedy: 'Install the plugin that provides it.' })
}

function identity(name: BackupName, manifest: Manifest | undefined) {
  const { id, key, level, time } = name
  const whose = { host: manifest?.host, name: manifest?.name }
  return { id, manifest: key, ...whose, level, time: new Date(time).toISOString() }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}
