/** Copies backups from one container to another: other storage, other key, other codecs. */
import { randomBytes } from 'node:crypto'
import { ArchiveCheck } from '../check/archive.ts'
import { readArchive } from '../check/data.ts'
import { judgePage } from '../check/page.ts'
import { Ranges } from '../check/ranges.ts'
import type { Context } from '../contracts/context.ts'
import {
  Failure,
  type FailureRecord,
  fromRecord,
  isFailure,
  throwIfAborted,
  toRecord,
} from '../contracts/failures.ts'
import { engineFor, ForeignRepository } from '../foreign/foreign-repository.ts'
import { importLevel } from '../foreign/import.ts'
import { type CodecChoice, defaultQueueSize, withoutSecrets } from '../pipeline/backup.ts'
import { BackupWriter } from '../pipeline/backup-writer.ts'
import { isDamage } from '../pipeline/block-runs.ts'
import { Coders, defaultWorkers } from '../pipeline/coders.ts'
import { commit, expectHeld } from '../pipeline/commit.ts'
import { Meter } from '../pipeline/meter.ts'
import { openChainOf } from '../pipeline/open-backup.ts'
import type { StoredChain } from '../repository/chain.ts'
import type { BackupReference, ChosenBackup } from '../repository/choose.ts'
import { holdBackup } from '../repository/hold.ts'
import type { RepositoryKey } from '../repository/keys.ts'
import { Lease } from '../repository/leases.ts'
import type { BackupFilter } from '../repository/listing.ts'
import { type CodecUse, type Manifest, originOf } from '../repository/manifest.ts'
import { type BackupName, manifestKey } from '../repository/names.ts'
import type { Repository } from '../repository/repository.ts'
import type { BlockAddress } from '../repository/root.ts'
import { SegmentSizes } from '../repository/segment-sizes.ts'
import { planCopy } from './plan.ts'
import { inCommon, transcode } from './transcode.ts'

export interface CopyRequest {
  readonly from: Repository
  readonly to: Repository
  /** Which; none: all of `filter`. What they build on is copied too. */
  readonly backups?: readonly BackupReference[] | undefined
  readonly filter?: BackupFilter | undefined
  /** How the copies are compressed; without it, as their originals are. */
  readonly compression?: CodecChoice | 'none' | undefined
  /**
   * How they are encrypted when the destination is: `always`, or where the original is not encrypted, whose codec is
   * taken else.
   */
  readonly encryption?: (CodecChoice & { readonly always: boolean }) | undefined
  /** Bytes of a segment at most, one block always fits. */
  readonly segmentSize?: number | undefined
  /** Blocks under way between the two storages. */
  readonly queueSize?: number | undefined
  /** Segments on their way to the storage at a time; each is in memory. */
  readonly uploadStreams?: number | undefined
  /** Threads that decode and encode. */
  readonly workers?: number | undefined
  /** Read every block of a copy back before it counts as one. */
  readonly verify?: boolean | undefined
  /** Only say what would be copied. */
  readonly dryRun?: boolean | undefined
}

export interface CopiedBackup {
  readonly id: string
  /** Id of the copy. */
  readonly copy: string | undefined
  /** Undefined where the manifest cannot be read. */
  readonly host: string | undefined
  readonly name: string | undefined
  readonly level: number
  /** ISO 8601, UTC. */
  readonly time: string
  /** `present`: the destination had it already. `planned`: would be copied. */
  readonly outcome: 'copied' | 'present' | 'planned' | 'failed'
  /** Bytes that were stored for it; of one that is planned, bytes that are to be read. */
  readonly stored: number
  readonly failure?: FailureRecord | undefined
}

export interface CopyResult {
  readonly backups: readonly CopiedBackup[]
  readonly copied: number
  readonly present: number
  readonly failed: number
  /** Bytes that were read, and stored. */
  readonly read: number
  readonly stored: number
  readonly dryRun: boolean
  readonly seconds: number
}

/**
 * Copies backups with all that they build on, oldest first. One that cannot be copied is in the result, and those that do
 * not build on it are copied all the same. Run again, it goes on with what is missing.
 *
 * @throws Failure of a storage, `not-found` when nothing fits, `interrupted`; what was stored of the copy under way is no
 *   backup and disturbs none
 */
export async function copyBackups(request: CopyRequest, context: Context): Promise<CopyResult> {
  return new Copying(request, context).run()
}

/** A backup in the destination, as what builds on it needs it. */
interface Counterpart {
  readonly manifest: Manifest
  readonly key: RepositoryKey | undefined
}

/** Where a copy goes. */
interface CopyPlace {
  readonly id: string
  readonly key: RepositoryKey | undefined
  readonly codecs: readonly CodecUse[]
  readonly parent: Counterpart | undefined
  /** The chain of the parent in the destination. */
  readonly below: StoredChain | undefined
}

/** What was stored of a copy, whose manifest is still to come. */
interface Stored {
  readonly made: Manifest
  readonly discard: () => Promise<void>
}

class Copying {
  readonly #request: CopyRequest
  readonly #context: Context
  readonly #started = performance.now()
  /** By the id of the original: what there is of it in the destination, or why there is nothing. */
  readonly #counterparts = new Map<string, Counterpart | Failure>()
  /** What the destination had of each host and name, by their moments. */
  readonly #existing = new Map<string, Promise<ReadonlyMap<number, readonly BackupName[]>>>()
  readonly #results: CopiedBackup[] = []
  #meter: Meter

  constructor(request: CopyRequest, context: Context) {
    this.#request = request
    this.#context = context
    this.#meter = new Meter(context, 'copy')
  }

  async run(): Promise<CopyResult> {
    const { from, backups = [], filter = {}, dryRun = false } = this.#request
    const { signal } = this.#context
    const plan = await planCopy(from, backups, filter, signal)
    this.#results.push(...plan.failed)
    const missing: ChosenBackup[] = []
    for (const backup of plan.backups) {
      throwIfAborted(signal)
      if (!(await this.#isPresent(backup))) missing.push(backup)
    }
    this.#meter = new Meter(
      this.#context,
      'copy',
      // What a reader reads is counted after decoding.
      from instanceof ForeignRepository
        ? undefined
        : missing.reduce((sum, { manifest }) => sum + manifest.stored, 0),
    )
    for (const backup of missing) await this.#copyOrTell(backup, dryRun)
    this.#meter.end()
    const results = this.#results.toSorted((a, b) =>
      a.time < b.time ? -1 : a.time > b.time ? 1 : a.level - b.level,
    )
    const count = (outcome: CopiedBackup['outcome']) =>
      results.filter((one) => one.outcome === outcome).length
    return {
      backups: results,
      copied: count('copied'),
      present: count('present'),
      failed: count('failed'),
      read: this.#meter.bytes,
      stored: results.reduce((sum, one) => sum + (one.outcome === 'copied' ? one.stored : 0), 0),
      dryRun,
      seconds: (performance.now() - this.#started) / 1000,
    }
  }

  /** Whether the destination has the backup, or one that leaves it no place; either way nothing is to be done. */
  async #isPresent({ name, manifest }: ChosenBackup): Promise<boolean> {
    const { to } = this.#request
    try {
      const others = (await this.#history(manifest)).get(name.time) ?? []
      let found: Counterpart | undefined
      for (const other of others) {
        const existing = await this.#stillThere(other)
        if (existing === undefined) continue
        if (originOf(existing) !== originOf(manifest)) throw occupied(other)
        found ??= { manifest: existing, key: to.keyOf(existing) }
      }
      if (found === undefined) return false
      this.#counterparts.set(manifest.id, found)
      this.#tell(manifest, { outcome: 'present', copy: found.manifest.id, stored: 0 })
    } catch (error) {
      if (!isFailure(error) || !['damaged', 'refused'].includes(error.code)) throw error
      this.#fail(manifest, error.code === 'damaged' ? unreadable(error) : error)
    }
    return true
  }

  /** The manifest of a backup of the destination; undefined when a prune removed it since it was listed. */
  async #stillThere(name: BackupName): Promise<Manifest | undefined> {
    try {
      return await this.#request.to.manifest(name, this.#context.signal)
    } catch (error) {
      if (!isFailure(error) || error.code !== 'not-found') throw error
      return undefined
    }
  }

  async #copyOrTell(backup: ChosenBackup, dryRun: boolean): Promise<void> {
    const { manifest } = backup
    throwIfAborted(this.#context.signal)
    try {
      const parent = this.#parentOf(manifest)
      if (dryRun) {
        this.#counterparts.set(manifest.id, { manifest, key: undefined })
        this.#tell(manifest, { outcome: 'planned', copy: undefined, stored: manifest.stored })
        return
      }
      const made = await this.#copy(backup, parent)
      this.#counterparts.set(manifest.id, made)
      this.#tell(manifest, { outcome: 'copied', copy: made.manifest.id, stored: made.manifest.stored })
    } catch (error) {
      if (!isFailure(error) || !['damaged', 'hostile', 'refused', 'plugin', 'not-found'].includes(error.code))
        throw error
      this.#fail(manifest, error)
    }
  }

  /** @throws Failure of the parent when there is no copy of it */
  #parentOf({ level, parent }: Manifest): Counterpart | undefined {
    if (level === 0 || parent === undefined) return undefined
    const found = this.#counterparts.get(parent)
    if (found !== undefined && !isFailure(found)) return found
    const message = `It builds on the backup ${parent}, of which there is no copy.`
    throw new Failure(found?.code ?? 'damaged', message, { facts: { parent }, cause: found })
  }

  async #copy(original: ChosenBackup, parent: Counterpart | undefined): Promise<Counterpart> {
    const { manifest } = original
    const { from, to, workers = defaultWorkers() } = this.#request
    const { signal } = this.#context
    const id = randomBytes(16).toString('hex')
    const key = to.writeKey()
    if (parent !== undefined && parent.key?.fingerprint !== key?.fingerprint) {
      throw new Failure('refused', 'The copy of what it builds on has a key that was replaced since.', {
        remedy: 'Back up anew with --no-incremental and copy that, or copy to another container.',
      })
    }
    const [group] = to.groups(manifest.host, manifest.name)
    await using _original =
      from instanceof ForeignRepository
        ? undefined
        : await holdBackup(from, async () => original, this.#context)
    const continued = parent === undefined ? {} : { chain: parent.manifest.chain }
    await using lease = await Lease.take(
      to.storage,
      id,
      { kind: 'backup', group, ...continued },
      this.#context,
    )
    // Since the lease is there, what is listed now stays.
    if (parent !== undefined) await this.#expectListed(parent.manifest)
    await using coders = new Coders(workers)
    const below =
      parent === undefined
        ? undefined
        : await openChainOf(to, parent.manifest, coders, signal).catch((error: unknown) => {
            throw isDamage(error) ? unreadable(error) : error
          })
    const codecs = await to.codecUses(this.#codecs(manifest), key, this.#context)
    const place = { id, key, codecs, parent, below }
    const { made, discard } =
      from instanceof ForeignRepository
        ? await this.#import(from, original, place, coders)
        : await this.#transcode(original, place, coders)
    let committing = false
    try {
      await this.#verify(made, coders)
      throwIfAborted(signal)
      await this.#expectFree(manifest)
      const time = Date.parse(made.time)
      const storedAs = manifestKey(group, { id, chain: made.chain, level: made.level, time })
      const text = await to.sealManifest(made, storedAs, key, signal)
      await expectHeld(to, lease, signal)
      committing = true
      await commit(
        to,
        lease,
        { id, chain: made.chain, level: made.level, key: storedAs },
        text,
        this.#context,
      )
      return { manifest: made, key }
    } catch (error) {
      // Once the manifest was sent, nobody can say that it is not there.
      if (!committing) await discard()
      throw error
    }
  }

  /** Stores blocks and pages of a backup of ours. */
  async #transcode({ manifest }: ChosenBackup, place: CopyPlace, coders: Coders): Promise<Stored> {
    const { from, to, segmentSize } = this.#request
    const { signal } = this.#context
    const { id, key, codecs, below } = place
    const source = await openChainOf(from, manifest, coders, signal)
    const writer = new BackupWriter(
      to.storage,
      coders.chain(to.coderSetup(id, codecs, key)),
      { id, level: manifest.level, segmentSize, uploadStreams: this.#request.uploadStreams, parent: below },
      signal,
      (bytes) => this.#meter.transferred(bytes),
    )
    const kept = inCommon(manifest.codecs, codecs, (name) => from.codec(name).kind === 'compress')
    try {
      await transcode({
        from: source,
        to: writer,
        kept,
        blocks: this.#request.queueSize ?? defaultQueueSize,
        onRead: (bytes) => this.#meter.count(0, bytes),
      })
      const root = await writer.end()
      const { bytes, blocks } = writer.archive
      if (bytes !== manifest.archive.bytes || blocks !== manifest.archive.blocks)
        throw new Failure('damaged', 'The manifest and the block table of a backup disagree.')
      const made = copyManifest(manifest, { ...place, root, writer, now: this.#context.now() })
      return { made, discard: () => writer.discard() }
    } catch (error) {
      await writer.discard()
      throw error
    }
  }

  /** Stores the archive of another program, and an index of it. */
  async #import(
    from: ForeignRepository,
    { name }: ChosenBackup,
    { id, key, codecs, parent, below }: CopyPlace,
    coders: Coders,
  ): Promise<Stored> {
    const { to, segmentSize } = this.#request
    const backup = (await from.backups()).get(name.id)
    if (backup === undefined) throw new Error('A backup that was planned is not listed.')
    const { manifest, discard } = await importLevel(
      {
        from: from.container,
        backup,
        engine: engineFor(backup, from.engines),
        to,
        id,
        key,
        codecs,
        segmentSize,
        parent: parent && below && { manifest: parent.manifest, chain: below },
        salvage: false,
        now: this.#context.now,
      },
      coders,
      this.#meter,
      this.#context.signal,
    )
    return { made: manifest, discard }
  }

  /** The codecs of a copy, in the order of encoding. */
  #codecs({ codecs }: Manifest): CodecUse[] {
    const { from, to, compression, encryption } = this.#request
    const kind = (wanted: 'compress' | 'encrypt') =>
      // Another program's codecs are undone by its reader.
      (from instanceof ForeignRepository ? [] : codecs)
        .filter(({ name }) => from.codec(name).kind === wanted)
        .map(({ name, options }) => ({ name, options }))
    const use = ({ codec, options = {} }: CodecChoice): CodecUse => ({
      name: codec.name,
      options: withoutSecrets(codec.options, options),
    })
    const compress =
      compression === undefined ? kind('compress') : compression === 'none' ? [] : [use(compression)]
    if (!to.encrypted) return compress
    const encrypt = kind('encrypt')
    if (encryption !== undefined && (encryption.always || encrypt.length === 0))
      return [...compress, use(encryption)]
    if (encrypt.length > 0) return [...compress, ...encrypt]
    throw new Failure('usage', 'The destination is encrypted, and nothing says how to encrypt what is not.')
  }

  /**
   * That the destination holds what was written: every segment with its size, root, tables and pages; with `verify`
   * every block.
   * @throws Failure `damaged`
   */
  async #verify(made: Manifest, coders: Coders): Promise<void> {
    const { to, verify = false } = this.#request
    const { signal } = this.#context
    const chain = await openChainOf(to, made, coders, signal)
    const own = chain.level(made.level)
    const archive = new ArchiveCheck(own, made.level)
    const segments = await SegmentSizes.list(to.storage, signal, made.id)
    await archive.examine(segments, () => {})
    const written = segments.bytes(made.id, 'data') + segments.bytes(made.id, 'index')
    if (written !== made.stored)
      archive.lose(0, 0, new Failure('damaged', 'Segments are missing or cut short.'))
    const lengths = Array.from({ length: made.level }, () => Number.POSITIVE_INFINITY)
    for (const page of chain.root.pages.filter(({ level }) => level === made.level)) {
      const verdict = await judgePage(own, page, [...lengths, archive.length])
      if ('failure' in verdict) archive.lose(0, 0, verdict.failure)
    }
    if (verify) {
      const blocks = new Ranges([{ start: 0, end: archive.blocks }])
      await readArchive({ archive, blocks, whole: true, records: undefined, onBlock: () => {}, signal })
    }
    const [failure] = archive.failures
    if (failure === undefined) return
    throw new Failure('damaged', `The destination does not hold what was written to it: ${failure.message}`, {
      cause: fromRecord(failure),
      remedy: 'Check the storage of the destination, then copy again.',
      facts: failure.facts,
    })
  }

  /** That no prune removed what a copy is to build on. @throws Failure `refused` */
  async #expectListed({ id, host, name }: Manifest): Promise<void> {
    const names = await this.#request.to.names({ host, name }, this.#context.signal)
    if (names.some((one) => one.id === id)) return
    throw new Failure('refused', 'A prune of the destination removed what the copy would build on.', {
      remedy: 'Copy again: what is missing is copied anew.',
      facts: { parent: id },
    })
  }

  /** That nobody took the moment of a backup while it was being copied. @throws Failure `refused` */
  async #expectFree({ host, name, time }: Manifest): Promise<void> {
    const names = await this.#request.to.names({ host, name }, this.#context.signal)
    const other = names.find((one) => one.time === Date.parse(time))
    if (other !== undefined) throw occupied(other)
  }

  #history({ host, name }: Manifest): Promise<ReadonlyMap<number, readonly BackupName[]>> {
    const whose = JSON.stringify([host, name])
    let history = this.#existing.get(whose)
    if (history === undefined) {
      const { to } = this.#request
      history = to
        .names({ host, name }, this.#context.signal)
        .then((names) => Map.groupBy(names, ({ time }) => time))
      this.#existing.set(whose, history)
    }
    return history
  }

  #fail(manifest: Manifest, failure: Failure): void {
    this.#counterparts.set(manifest.id, failure)
    this.#tell(manifest, { outcome: 'failed', copy: undefined, stored: 0, failure: toRecord(failure) })
  }

  #tell(
    { id, host, name, level, time }: Manifest,
    what: Pick<CopiedBackup, 'outcome' | 'copy' | 'stored' | 'failure'>,
  ): void {
    this.#results.push({ id, host, name, level, time, ...what })
  }
}

function copyManifest(
  original: Manifest,
  made: {
    readonly id: string
    readonly codecs: readonly CodecUse[]
    readonly key: RepositoryKey | undefined
    readonly parent: Counterpart | undefined
    readonly root: BlockAddress
    readonly writer: BackupWriter
    readonly now: number
  },
): Manifest {
  const { key: _key, parent: _parent, ...rest } = original
  const { id, codecs, key, parent, root, writer, now } = made
  return {
    ...rest,
    id,
    chain: parent?.manifest.chain ?? id,
    ...(parent === undefined ? {} : { parent: parent.manifest.id }),
    completed: new Date(now).toISOString(),
    codecs,
    ...(key === undefined ? {} : { key: key.fingerprint }),
    archive: writer.archive,
    stored: writer.stored,
    segments: writer.segments,
    root: { ...root, digest: Buffer.from(root.digest).toString('hex') },
    origin: { id: originOf(original) },
  }
}

function occupied({ key }: BackupName): Failure {
  return new Failure(
    'refused',
    'The destination has another backup of the same host, name and moment, which is no copy of this one.',
    { remedy: 'Copy to another container.', facts: { manifest: key } },
  )
}

function unreadable(error: Failure): Failure {
  return new Failure('damaged', `What the destination has of it, or below it, is damaged: ${error.message}`, {
    cause: error,
    remedy: 'Check the destination with "freezer check".',
    facts: error.facts,
  })
}
