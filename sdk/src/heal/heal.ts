/**
 * Heals several storages with the same container: brings each what others have and it lacks, and puts right what is
 * missing or damaged on it. Blobs are copied as they are, each verified first against the digests that the manifest vouches
 * for; so nothing that is damaged is ever put anywhere.
 *
 * A backup comes to a storage like a new one would: a lease first, then its segments, its manifest last, and what it builds
 * on before it. So a storage is a sound container at each moment, whatever runs beside the heal, or kills it; the
 * order of looks in `#add` is what `docs/format.md`, section 8, says of it. What was removed is not brought back.
 */
import { randomBytes } from 'node:crypto'
import type { Context } from '../contracts/context.ts'
import {
  asFailure,
  Failure,
  type FailureRecord,
  isFailure,
  isTemporary,
  throwIfAborted,
  toRecord,
} from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { isDamage } from '../pipeline/block-runs.ts'
import { Coders, defaultWorkers } from '../pipeline/coders.ts'
import { Meter } from '../pipeline/meter.ts'
import { openChainOf } from '../pipeline/open-backup.ts'
import { readBlob } from '../repository/blobs.ts'
import { holdBackup } from '../repository/hold.ts'
import { isLeased, isLive, Lease, leaseLife, readLeases } from '../repository/leases.ts'
import { type Manifest, manifestLimit } from '../repository/manifest.ts'
import { type BackupName, groupOf, parseSegment, removedKey } from '../repository/names.ts'
import { pinBackup, readPins } from '../repository/pins.ts'
import { readRemovals, type StoredRemoval } from '../repository/removals.ts'
import type { Repository } from '../repository/repository.ts'
import { SegmentSizes } from '../repository/segment-sizes.ts'
import { settle } from '../repository/settle.ts'
import { MirroredStorage } from '../storages/mirrored.ts'
import { holdsSegment, planSegments, readSegment, type SegmentPlan, type Source } from './segments.ts'

export interface HealRequest {
  /** On several storages (`MirroredStorage`). */
  readonly repository: Repository
  /** Read all that is stored, to find what is damaged; else only what is missing, cut short, or an unreadable manifest. */
  readonly readData?: boolean | undefined
  /** Only say what would be done. */
  readonly dryRun?: boolean | undefined
}

/** What was done on one storage with one backup. */
export interface HealedBackup {
  readonly storage: string
  readonly id: string
  /** Undefined where no manifest of it can be read. */
  readonly host: string | undefined
  readonly name: string | undefined
  readonly level: number
  /** ISO 8601, UTC. */
  readonly time: string
  /**
   * `added`: it was missing there. `repaired`: something of it was. `skipped`: it is not to be there, `later`: somebody is
   * at work on it, `failed`: it cannot be had; for the reason in `failure`.
   */
  readonly outcome:
    | 'added'
    | 'repaired'
    | 'would be added'
    | 'would be repaired'
    | 'skipped'
    | 'later'
    | 'failed'
  /** Blobs that were put, or are to be, and their bytes. */
  readonly blobs: number
  readonly bytes: number
  readonly failure?: FailureRecord | undefined
}

export interface HealResult {
  /** What was not as it should be; nothing of what was. */
  readonly backups: readonly HealedBackup[]
  /** Backups that were looked at, on however many storages. */
  readonly looked: number
  readonly added: number
  readonly repaired: number
  readonly skipped: number
  readonly later: number
  readonly failed: number
  /** Pins that were brought to storages. */
  readonly pins: number
  /** Bytes that were put. */
  readonly stored: number
  readonly dryRun: boolean
  readonly seconds: number
}

/** @throws Failure `interrupted`; that of a storage when too few are left */
export async function healStorages(request: HealRequest, context: Context): Promise<HealResult> {
  const { storage } = request.repository
  if (!(storage instanceof MirroredStorage)) {
    throw new Failure('usage', 'There is one storage: nothing that it could be healed from.', {
      remedy: 'Name several, with sections [storage:NAME] in the file of --config or with --storage.',
    })
  }
  return new Healing(request, storage, context).run()
}

/** One of the storages, as it was when the heal began. */
interface Place {
  readonly name: string
  readonly repository: Repository
  readonly storage: Storage
  readonly listed: ReadonlyMap<string, BackupName>
  readonly notes: readonly StoredRemoval[]
  readonly sizes: SegmentSizes
}

/** A manifest with its bytes, and those places that hold it as it is. */
interface FoundManifest {
  readonly manifest: Manifest
  readonly bytes: Uint8Array
  readonly sound: ReadonlySet<string>
}

class Healing {
  readonly #request: HealRequest
  readonly #mirrored: MirroredStorage
  readonly #context: Context
  readonly #signal: AbortSignal
  readonly #started = performance.now()
  readonly #results: HealedBackup[] = []
  /** Backups that are not as they should be on a storage after all. */
  readonly #failed = new Set<string>()
  #meter: Meter
  #stored = 0

  constructor(request: HealRequest, mirrored: MirroredStorage, context: Context) {
    this.#request = request
    this.#mirrored = mirrored
    this.#context = context
    this.#signal = context.signal
    this.#meter = new Meter(context, 'heal')
  }

  async run(): Promise<HealResult> {
    const places = await this.#mirrored.each(this.#signal, (storage, name) => this.#look(storage, name))
    const backups = [...new Map(places.flatMap(({ listed }) => [...listed])).values()]
    // What a backup builds on is older than it.
    backups.sort((a, b) => a.time - b.time || a.level - b.level || (a.id < b.id ? -1 : 1))
    this.#meter = new Meter(this.#context, 'heal', this.#expected(places, backups))
    for (const backup of backups) {
      throwIfAborted(this.#signal)
      await this.#heal(backup, this.#living(places))
    }
    const pins = await this.#pins(this.#living(places))
    this.#meter.end()
    const count = (...outcomes: HealedBackup['outcome'][]) =>
      this.#results.filter(({ outcome }) => outcomes.includes(outcome)).length
    return {
      backups: this.#results,
      looked: backups.length,
      added: count('added', 'would be added'),
      repaired: count('repaired', 'would be repaired'),
      skipped: count('skipped'),
      later: count('later'),
      failed: count('failed'),
      pins,
      stored: this.#stored,
      dryRun: this.#request.dryRun ?? false,
      seconds: (performance.now() - this.#started) / 1000,
    }
  }

  async #look(storage: Storage, name: string): Promise<Place> {
    const repository = this.#request.repository.at(storage)
    const names = await repository.names(undefined, this.#signal)
    const notes = await readRemovals(storage, this.#signal)
    const sizes = await SegmentSizes.list(storage, this.#signal)
    const listed = new Map(names.map((one) => [one.id, one]))
    return { name, repository, storage, listed, notes, sizes }
  }

  #living(places: readonly Place[]): Place[] {
    return places.filter(({ name }) => this.#mirrored.live.some((one) => one.name === name))
  }

  /** Bytes to be read, as far as listings tell. */
  #expected(places: readonly Place[], backups: readonly BackupName[]): number {
    let bytes = 0
    for (const { id } of backups) {
      const sizes = places.map(({ sizes: of }) => of.bytes(id, 'data') + of.bytes(id, 'index'))
      const largest = Math.max(...sizes)
      for (const [at, size] of sizes.entries()) {
        if (places[at]?.listed.has(id) !== true) bytes += largest
        else if (this.#request.readData === true) bytes += size
      }
    }
    return bytes
  }

  async #heal(backup: BackupName, places: readonly Place[]): Promise<void> {
    const holders = places.filter(({ listed }) => listed.has(backup.id))
    const lacking = places.filter(({ listed }) => !listed.has(backup.id))
    const removed = places.find(({ notes }) =>
      notes.some(({ id, kind }) => id === backup.id && kind !== 'swept'),
    )
    const found = await this.#manifest(backup, holders)
    if (!('manifest' in found)) {
      for (const { name } of holders) this.#tell(name, backup, undefined, 'failed', 0, 0, found)
      return
    }
    const { manifest } = found
    const targets = [
      ...holders.filter((place) => this.#request.readData === true || !isComplete(place, found, holders)),
      ...(removed === undefined ? lacking : []),
    ]
    if (removed !== undefined) {
      for (const { name } of lacking.filter((place) => place !== removed))
        this.#tell(name, backup, manifest, 'skipped', 0, 0, wasRemoved(removed.name))
    }
    if (targets.length === 0) return
    await using stack = new AsyncDisposableStack()
    const coders = stack.use(new Coders(defaultWorkers()))
    if (this.#request.dryRun !== true) {
      for (const { name, repository } of holders) {
        const hold = holdBackup(repository, async () => ({ name: backup, manifest }), this.#context)
        stack.use(await hold.catch((error) => this.#passOver(name, error)))
      }
    }
    for (const place of targets) {
      if (!this.#mirrored.live.some(({ name }) => name === place.name)) continue
      const adding = !holders.includes(place)
      const done = { blobs: 0, bytes: 0 }
      try {
        const work = { backup, found, place, holders, coders, done }
        const did = await (adding ? this.#add(work) : this.#repair(work))
        if (!did) continue
        const dry = this.#request.dryRun === true
        const outcome = adding ? (dry ? 'would be added' : 'added') : dry ? 'would be repaired' : 'repaired'
        this.#tell(place.name, backup, manifest, outcome, done.blobs, done.bytes)
      } catch (error) {
        throwIfAborted(this.#signal)
        this.#mirrored.expectEnough()
        if (!isFailure(error) || error.code === 'internal') throw error
        const outcome =
          error.code !== 'refused' ? 'failed' : error.facts['later'] === true ? 'later' : 'skipped'
        this.#tell(place.name, backup, manifest, outcome, done.blobs, done.bytes, error)
        // What says nothing of the backup says that the storage does not work.
        const ofStorage = isTemporary(error) || error.code === 'denied' || error.code === 'no-space'
        if (ofStorage && error.facts['source'] !== true) this.#mirrored.lose(place.name, error)
      }
    }
  }

  /** The manifest of a backup from a place where it is sound; else why it is on none. */
  async #manifest(backup: BackupName, holders: readonly Place[]): Promise<FoundManifest | Failure> {
    let found: { manifest: Manifest; bytes: Uint8Array } | undefined
    let failure: Failure | undefined
    const sound = new Set<string>()
    for (const { name, repository, storage } of holders) {
      try {
        const bytes = await readBlob(storage, backup.key, manifestLimit, this.#signal)
        const manifest = repository.openManifest(backup, bytes)
        found ??= { manifest, bytes }
        // Two that both open are the same backup; that they differ would be somebody's doing.
        if (Buffer.compare(bytes, found.bytes) === 0) sound.add(name)
      } catch (error) {
        throwIfAborted(this.#signal)
        if (!isFailure(error)) throw error
        if (isTemporary(error)) this.#mirrored.lose(name, error)
        failure ??= error
      }
    }
    if (found !== undefined) return { ...found, sound }
    return failure ?? new Failure('not-found', 'The backup was removed meanwhile.')
  }

  /** Puts right what of a backup is missing or damaged at a place that lists it. False when nothing is. */
  async #repair(work: Work): Promise<boolean> {
    const { backup, found, place } = work
    const { key, chain } = backup
    const { storage, repository } = place
    const bad: SegmentPlan[] = []
    for await (const plan of this.#plan(work)) {
      if (!(await this.#isSound(plan, place))) bad.push(plan)
    }
    const lost = !found.sound.has(place.name)
    if (bad.length === 0 && !lost) return false
    if (this.#request.dryRun === true) {
      work.done.blobs = bad.length + (lost ? 1 : 0)
      work.done.bytes = bad.reduce((sum, { size }) => sum + size, 0)
      return true
    }
    const claim = { kind: 'backup', group: groupOf(key), chain } as const
    await using _lease = await Lease.take(storage, randomBytes(16).toString('hex'), claim, this.#context)
    await settle(storage, this.#signal)
    await this.#expectListed(repository, backup, 'A prune removed it meanwhile.')
    for (const plan of bad) await this.#putSegment(plan, work)
    if (lost) {
      await storage.put(key, [found.bytes], this.#signal)
      work.done.blobs++
    }
    return true
  }

  /** Brings a backup to a place that does not list it. */
  async #add(work: Work): Promise<boolean> {
    const { backup, found, place, holders } = work
    const { id, key, chain } = backup
    const { storage, repository } = place
    const { manifest } = found
    // It is listed, so the run that made it is over where its lease is gone.
    for (const { name, storage: from } of this.#living(holders)) {
      const leased = await isLeased(from, id, this.#signal).catch((error) => this.#passOver(name, error))
      if (leased === true) throw notNow('The run that makes it is still under way.')
    }
    if (this.#failed.has(`${place.name} ${manifest.parent}`)) throw withoutParent()
    if (this.#request.dryRun === true) {
      for await (const plan of this.#plan(work)) {
        if (await this.#isSound(plan, place)) continue
        work.done.blobs++
        work.done.bytes += plan.size
      }
      work.done.blobs++
      return true
    }
    // A lease that is there already is of a run that was lost to this storage, or of another heal.
    const { leases } = await readLeases(storage, this.#signal)
    const other = leases.find((lease) => lease.id === id)
    if (other?.heal === true && isLive(other, this.#context.now(), leaseLife))
      throw notNow('Another heal brings it there, or was killed while it did.')
    const claim = { kind: 'backup', group: groupOf(key), chain, heal: 'yes' } as const
    await using lease = await Lease.take(storage, id, claim, this.#context)
    await settle(storage, this.#signal)
    const before = await this.#notesOf(storage, id)
    if (before.some(({ kind }) => kind !== 'swept')) throw wasRemoved(place.name)
    if (before.some((note) => !this.#isOver(note)))
      throw notNow('A prune is removing what a run left of it there, or was killed while it did.')
    if (manifest.parent !== undefined) {
      const names = await repository.names({ host: manifest.host, name: manifest.name }, this.#signal)
      if (!names.some((one) => one.id === manifest.parent)) throw withoutParent()
    }
    const there = await SegmentSizes.list(storage, this.#signal, id)
    for await (const plan of this.#plan(work)) {
      if (!(await this.#isSound(plan, place, there))) await this.#putSegment(plan, work)
    }
    for (const { key: note } of before) await storage.remove(note, this.#signal)
    // A prune that looked before the lease was there may have begun to remove what it took for the leftovers of a dead run.
    await settle(storage, this.#signal)
    const written = await SegmentSizes.list(storage, this.#signal, id)
    const whole = written.bytes(id, 'data') + written.bytes(id, 'index') === manifest.stored
    if (!whole || (await this.#notesOf(storage, id)).length > 0 || !(await lease.held(this.#signal)))
      throw notNow('A prune removed part of it meanwhile.')
    await storage.put(key, [found.bytes], this.#signal)
    work.done.blobs++
    await settle(storage, this.#signal)
    if ((await this.#notesOf(storage, id)).length === 0) return true
    await storage.remove(key, this.#signal)
    throw notNow('A prune removed part of it meanwhile.')
  }

  /** Whether whatever was removed because of a note is removed: a prune that stands still for longer is not covered. */
  #isOver({ finished, time }: StoredRemoval): boolean {
    return finished || (time !== undefined && Math.abs(this.#context.now() - time) >= leaseLife)
  }

  async #notesOf(storage: Storage, id: string): Promise<StoredRemoval[]> {
    return readRemovals(storage, this.#signal, removedKey(id, ''))
  }

  async #expectListed(repository: Repository, { id }: BackupName, why: string): Promise<void> {
    const names = await repository.names(undefined, this.#signal)
    if (!names.some((one) => one.id === id)) throw notNow(why)
  }

  /** The segments of a backup, from the index on the first place where that is sound. */
  async *#plan({ backup, found, holders, coders }: Work): AsyncGenerator<SegmentPlan> {
    let given = 0
    let failure: unknown
    for (const { name, repository } of this.#living(holders)) {
      try {
        // The keys of a backup for a recipient are found by the manifest that was opened.
        const chain = await openChainOf(repository, found.manifest, coders, this.#signal)
        let at = 0
        for await (const plan of planSegments(chain, backup.level)) {
          if (at++ < given) continue
          given++
          yield plan
        }
        return
      } catch (error) {
        throwIfAborted(this.#signal)
        if (!isDamage(error)) this.#passOver(name, error)
        // That it is damaged on one says less than that another cannot be read.
        if (failure === undefined || isDamage(failure)) failure = error
      }
    }
    throw isDamage(failure) ? failure : unreadSource(failure)
  }

  /** What a failure of a storage that is read from means: it is no source any more. @throws what is no failure of it */
  #passOver(name: string, error: unknown): undefined {
    throwIfAborted(this.#signal)
    if (isTemporary(error)) this.#mirrored.lose(name, error)
    else if (!isDamage(error) && !isDenied(error)) throw error
  }

  /** @param sizes of what is there now; those from the beginning when not given */
  async #isSound(plan: SegmentPlan, { storage, sizes }: Place, there = sizes): Promise<boolean> {
    const { id, stream, number } = parseSegment(plan.key) ?? { id: '', stream: 'data', number: 0 }
    if (there.size(id, stream, number) !== plan.size) return false
    if (this.#request.readData !== true) return true
    return holdsSegment(plan, storage, this.#signal, (bytes) => this.#meter.count(0, bytes))
  }

  async #putSegment(plan: SegmentPlan, { place, holders, done }: Work): Promise<void> {
    const sources = this.#living([
      ...holders.filter((one) => one !== place),
      ...(holders.includes(place) ? [place] : []),
    ]).map(({ storage, name }): Source => ({ storage, onFailure: (error) => this.#passOver(name, error) }))
    const read = await readSegment(plan, sources, this.#signal, (count) => this.#meter.count(0, count))
    if ('unread' in read) throw unreadSource(read.unread)
    const { bytes } = read
    await place.storage.put(plan.key, [bytes], this.#signal)
    this.#meter.transferred(bytes.length)
    this.#stored += bytes.length
    done.blobs++
    done.bytes += bytes.length
  }

  /** A pin on one storage counts for all: it only ever keeps. */
  async #pins(places: readonly Place[]): Promise<number> {
    const own = new Map(
      await this.#mirrored.each(
        this.#signal,
        async (storage, name) => [name, await readPins(storage, this.#signal)] as const,
      ),
    )
    const pins = new Set([...own.values()].flatMap((ids) => [...ids]))
    let put = 0
    await this.#mirrored.each(this.#signal, async (_, name) => {
      const repository = places.find((place) => place.name === name)?.repository
      if (repository === undefined) return
      const listed = new Set((await repository.names(undefined, this.#signal)).map(({ id }) => id))
      for (const id of pins) {
        if (!listed.has(id) || own.get(name)?.has(id) === true) continue
        put++
        if (this.#request.dryRun !== true) await pinBackup(repository, id, this.#context.now(), this.#signal)
      }
    })
    return put
  }

  #tell(
    storage: string,
    { id, level, time }: BackupName,
    manifest: Manifest | undefined,
    outcome: HealedBackup['outcome'],
    blobs: number,
    bytes: number,
    failure?: Failure,
  ): void {
    if (failure !== undefined) this.#failed.add(`${storage} ${id}`)
    this.#results.push({
      storage,
      id,
      host: manifest?.host,
      name: manifest?.name,
      level,
      time: new Date(time).toISOString(),
      outcome,
      blobs,
      bytes,
      ...(failure === undefined ? {} : { failure: toRecord(failure) }),
    })
  }
}

/** A backup that one place needs. */
interface Work {
  readonly backup: BackupName
  readonly found: FoundManifest
  readonly place: Place
  /** Places that list it. */
  readonly holders: readonly Place[]
  readonly coders: Coders
  /** Blobs that were put, and their bytes. */
  readonly done: { blobs: number; bytes: number }
}

/** Whether a place has all that its manifest promises, each segment as large as elsewhere, as far as listings tell. */
function isComplete(place: Place, { manifest, sound }: FoundManifest, holders: readonly Place[]): boolean {
  const { id, segments, stored } = manifest
  if (!sound.has(place.name)) return false
  let bytes = 0
  for (const stream of ['data', 'index'] as const) {
    for (let number = 0; number < segments[stream]; number++) {
      const size = place.sizes.size(id, stream, number)
      if (size === undefined) return false
      if (holders.some(({ sizes }) => (sizes.size(id, stream, number) ?? size) !== size)) return false
      bytes += size
    }
  }
  return bytes === stored
}

function isDenied(error: unknown): boolean {
  return isFailure(error) && error.code === 'denied'
}

/** That a storage which is healed lacks something still, because of another. */
function unreadSource(error: unknown): Failure {
  const { code, message, remedy } = asFailure(error ?? new Failure('unavailable', 'None is left.'))
  return new Failure(code, `The storages that have it cannot be read now: ${message}`, {
    remedy,
    facts: { source: true },
    cause: error,
  })
}

function notNow(why: string): Failure {
  return new Failure('refused', why, { remedy: 'Heal again later.', facts: { later: true } })
}

function withoutParent(): Failure {
  return new Failure('refused', 'What it builds on is not there.')
}

function wasRemoved(name: string): Failure {
  return new Failure('refused', `A prune removed it from ${name}.`, {
    remedy: 'A prune of the other storages by the same rules removes it there too.',
  })
}
