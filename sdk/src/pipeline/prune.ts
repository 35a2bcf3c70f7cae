/** A prune: removes the backups that the rules of retention ask to remove, then what no backup needs. */
import { randomBytes } from 'node:crypto'
import type { Context } from '../contracts/context.ts'
import { Failure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { holds } from '../repository/blobs.ts'
import { chainsInUse, isLive, leaseLife, readLeases, type StoredLease } from '../repository/leases.ts'
import type { DamagedBackup } from '../repository/listing.ts'
import {
  type BackupName,
  groupOf,
  leaseKey,
  mirroredKey,
  pinKey,
  plannedKey,
  refreshedKey,
} from '../repository/names.ts'
import { readPins } from '../repository/pins.ts'
import { noteRemoval, readRemovals, type StoredRemoval } from '../repository/removals.ts'
import type { Repository } from '../repository/repository.ts'
import { type BackupFacts, type Decision, decide, type RetentionPolicy } from '../repository/retention.ts'
import { settle } from '../repository/settle.ts'
import { StoredManifests } from '../repository/stored-manifests.ts'
import { MirroredStorage } from '../storages/mirrored.ts'
import { Ancestry } from './ancestry.ts'
import { Meter } from './meter.ts'
import { foresee, listSegments, type Swept, sweep } from './sweep.ts'

export interface PruneRequest {
  readonly repository: Repository
  /** Without any rule no backup is removed, only what killed runs left. */
  readonly policy: RetentionPolicy
  /** The rules concern backups of this host, or name, only. */
  readonly host?: string | undefined
  readonly name?: string | undefined
  /** Hours after which a run that gave no sign of life is taken for dead; 2 when not given. */
  readonly garbageAfter?: number | undefined
  /** Backups that stay as if they were pinned here. */
  readonly pinned?: ReadonlySet<string> | undefined
  /** Only says what would be done. */
  readonly dryRun?: boolean | undefined
}

export interface PruneResult {
  /** What was decided about each backup that the rules concern, and why; by host, name and time. */
  readonly decisions: readonly Decision[]
  /** How many of these stayed, and went. */
  readonly kept: number
  readonly removed: number
  /** Runs that never became a backup, whose leftovers were removed. */
  readonly deadRuns: number
  /** Bytes of segments that were removed. */
  readonly freed: number
  /** Removed backups, also of earlier prunes, whose segments stay for now because a run may need them. */
  readonly inUse: Swept['inUse']
  /** Backups whose manifests cannot be read. They and their chains stay. */
  readonly damaged: readonly DamagedBackup[]
  readonly dryRun: boolean
  readonly seconds: number
}

const hour = 3_600_000
/**
 * Milliseconds that a note stays that makes a manifest of a dead run count for nothing; and where other storages hold the
 * same container, one of a removed backup of which nothing is left, so that nobody brings it back from there.
 */
const noteLife = 30 * 24 * hour

/** @throws Failure; a prune that failed leaves nothing broken, and the next one goes on where it ended */
export async function prune(request: PruneRequest, context: Context): Promise<PruneResult> {
  if (request.repository.storage instanceof MirroredStorage) {
    throw new Failure('internal', 'Several storages are pruned one by one.')
  }
  const started = performance.now()
  const work = new Prune(request, context)
  await using ancestry = new Ancestry(request.repository, work.manifests, context.signal)
  const dryRun = request.dryRun ?? false
  const { decisions, damaged, swept } = await (dryRun ? work.foresee(ancestry) : work.run(ancestry))
  const removed = decisions.filter(({ keep }) => !keep).length
  return {
    decisions,
    kept: decisions.length - removed,
    removed,
    deadRuns: swept.runs,
    freed: swept.bytes,
    inUse: swept.inUse,
    damaged,
    dryRun,
    seconds: (performance.now() - started) / 1000,
  }
}

/** What a container shows at one look. */
interface Look {
  readonly leases: readonly StoredLease[]
  readonly orphans: readonly string[]
  readonly names: readonly BackupName[]
  readonly notes: readonly StoredRemoval[]
  readonly pins: ReadonlySet<string>
}

interface Plan {
  readonly decisions: readonly Decision[]
  readonly damaged: readonly DamagedBackup[]
}

interface Outcome extends Plan {
  readonly swept: Swept
}

class Prune {
  readonly #request: PruneRequest
  readonly #repository: Repository
  readonly #storage: Storage
  readonly #context: Context
  readonly #signal: AbortSignal
  readonly #now: number
  /** Milliseconds. */
  readonly #life: number
  readonly #meter: Meter
  readonly #id = randomBytes(16).toString('hex')
  readonly manifests: StoredManifests

  constructor(request: PruneRequest, context: Context) {
    this.#request = request
    this.#repository = request.repository
    this.#storage = request.repository.storage
    this.#context = context
    this.#signal = context.signal
    this.#now = context.now()
    this.#life = request.garbageAfter === undefined ? leaseLife : request.garbageAfter * hour
    this.#meter = new Meter(context, 'prune')
    this.manifests = new StoredManifests(request.repository, context.signal)
  }

  /** What `run` would do if nobody else did anything meanwhile. */
  async foresee(ancestry: Ancestry): Promise<Outcome> {
    const seen = await this.#look()
    const leases = seen.leases.filter((lease) => this.#isLive(lease))
    const notes = seen.notes.filter((note) => !this.#isForgotten(note))
    const plan = await this.#plan({ ...seen, leases, notes })
    const doomed = new Set(plan.decisions.filter(({ keep }) => !keep).map(({ backup }) => backup.id))
    const gone = finals(notes)
    const leaves = ({ id }: BackupName): boolean => doomed.has(id) || gone.has(id)
    const segments = await listSegments(this.#repository, this.#signal)
    const removed = [...seen.names.filter(leaves).map(lost), ...gone.values()]
    const listed = seen.names.filter((name) => !leaves(name))
    const swept = await foresee({ segments, listed, removed, leases }, ancestry)
    return { ...plan, swept }
  }

  async run(ancestry: Ancestry): Promise<Outcome> {
    const seen = await this.#bury(await this.#look())
    let plan = await this.#plan(seen)
    const doomed = plan.decisions.filter(({ keep }) => !keep).map(({ backup }) => backup)
    if (doomed.length > 0) plan = await this.#remove(doomed, seen.names)
    const swept = await sweep(this.#repository, ancestry, this.#id, this.#context, (bytes) =>
      this.#meter.count(1, bytes),
    )
    await this.#tidy()
    this.#meter.end()
    return { ...plan, swept }
  }

  /**
   * Leases before manifests: a run that ends between the two is seen with the one or the other. Pins before manifests:
   * whatever is pinned then is listed.
   */
  async #look(): Promise<Look> {
    const pins = await readPins(this.#storage, this.#signal)
    const { leases, orphans } = await readLeases(this.#storage, this.#signal)
    const names = await this.#repository.manifestNames(undefined, this.#signal)
    const notes = await readRemovals(this.#storage, this.#signal)
    return { leases, orphans, names, notes, pins }
  }

  #isLive(lease: StoredLease): boolean {
    return isLive(lease, this.#now, this.#life)
  }

  /** A removal that was planned by a prune that is dead. */
  #isForgotten({ kind, time }: StoredRemoval): boolean {
    return kind === 'planned' && (time === undefined || Math.abs(this.#now - time) >= this.#life)
  }

  /** Ends what dead runs began. What is left of `seen` is of the living. */
  async #bury(seen: Look): Promise<Look> {
    const dead = seen.leases.filter((lease) => !this.#isLive(lease))
    for (const { id } of dead) {
      // The lease first: it is the permission to commit.
      await this.#storage.remove(leaseKey(id), this.#signal)
      await this.#storage.remove(refreshedKey(id), this.#signal)
    }
    for (const id of seen.orphans) await this.#storage.remove(refreshedKey(id), this.#signal)

    const forgotten = seen.notes.filter((note) => this.#isForgotten(note))
    for (const { key } of forgotten) await this.#storage.remove(key, this.#signal)
    const notes = seen.notes.filter((note) => !forgotten.includes(note))
    const names: BackupName[] = []
    const gone = new Set(notes.filter(({ kind }) => kind !== 'planned').map(({ id }) => id))
    for (const name of seen.names.toSorted((a, b) => b.level - a.level)) {
      if (gone.has(name.id)) await this.#finish(name)
      else names.push(name)
    }
    return { ...seen, leases: seen.leases.filter((lease) => !dead.includes(lease)), notes, names }
  }

  /**
   * Decides about what is listed.
   * @param own backups that this prune itself noted, which count as listed
   */
  async #plan(seen: Look, own: ReadonlySet<string> = new Set()): Promise<Plan> {
    const { host, name } = this.#request
    const noted = new Set(seen.notes.map(({ id }) => id))
    const all = seen.names.filter(({ id }) => own.has(id) || !noted.has(id))
    const groups = host !== undefined && name !== undefined ? this.#repository.groups(host, name) : undefined
    const names = groups === undefined ? all : all.filter(({ key }) => groups.includes(groupOf(key)))
    const read = await this.manifests.getAll(names)
    const history: BackupFacts[] = []
    const damaged: DamagedBackup[] = []
    const doubtful = new Set<string>()
    for (const [at, { key, id, chain, level, time }] of names.entries()) {
      const found = read[at]
      if (found === undefined) continue
      if ('failure' in found) {
        damaged.push({ manifest: key, failure: found.failure })
        doubtful.add(chain)
        continue
      }
      const { manifest } = found
      if (host !== undefined && manifest.host !== host) continue
      if (name !== undefined && manifest.name !== name) continue
      history.push({
        id,
        host: manifest.host,
        name: manifest.name,
        chain,
        level,
        time,
        parent: manifest.parent,
      })
    }
    const decisions = decide(history.toSorted(byName), this.#request.policy, {
      now: this.#now,
      pinned: new Set([...seen.pins, ...(this.#request.pinned ?? [])]),
      inUse: chainsInUse(all, seen.leases),
      damaged: doubtful,
    })
    return { decisions, damaged }
  }

  /**
   * Removes backups, but none that is pinned, built on or needed by a run when their removal is announced. Whoever
   * began to build on one, or pinned it, before the announcement is seen after it; whoever comes later sees it.
   */
  async #remove(doomed: readonly BackupFacts[], names: readonly BackupName[]): Promise<Plan> {
    const byId = new Map(names.map((name) => [name.id, name]))
    const targets = doomed
      .flatMap(({ id }) => byId.get(id) ?? [])
      .toSorted((a, b) => b.level - a.level || b.time - a.time)
    for (const target of targets) await this.#note(target, 'planned')
    const own = new Set(targets.map(({ id }) => id))
    await settle(this.#storage, this.#signal)
    const seen = await this.#look()
    const plan = await this.#plan(seen, own)
    // What came meanwhile may make the rules ask for more. That, and what it builds on, is for the next prune.
    const asked = plan.decisions.filter(({ keep }) => !keep).map(({ backup }) => backup)
    const later = new Set(asked.filter(({ id }) => !own.has(id)).map(({ chain }) => chain))
    const still = new Set(asked.filter(({ chain }) => !later.has(chain)).map(({ id }) => id))
    // From the lowest level up, so that none is back without what it builds on.
    for (const { id } of targets.toReversed()) {
      if (!still.has(id)) await this.#storage.remove(plannedKey(id, this.#id), this.#signal)
    }
    const going = targets.filter(({ id }) => still.has(id))
    for (const target of going) {
      await this.#finish(target)
      await this.#storage.remove(plannedKey(target.id, this.#id), this.#signal)
    }
    const gone = new Set(going.map(({ id }) => id))
    const decisions = plan.decisions.map((decision) =>
      decision.keep || gone.has(decision.backup.id)
        ? decision
        : { ...decision, keep: true, reasons: [{ rule: 'in use' as const }] },
    )
    return { ...plan, decisions }
  }

  /** Removes a backup for good. */
  async #finish(name: BackupName): Promise<void> {
    await this.#note(name, 'removed')
    await this.#storage.remove(name.key, this.#signal)
  }

  #note(name: BackupName, kind: 'planned' | 'removed'): Promise<void> {
    const { id, chain, level, key } = name
    const note = { kind, group: groupOf(key), chain, level } as const
    return noteRemoval(this.#storage, id, this.#id, note, this.#context.now(), this.#signal)
  }

  /** Removes notes and pins that nothing is left of. */
  async #tidy(): Promise<void> {
    const pins = await readPins(this.#storage, this.#signal)
    await settle(this.#storage, this.#signal)
    const { names, notes } = await this.#look()
    const segments = await listSegments(this.#repository, this.#signal)
    const mirrored = await holds(this.#storage, mirroredKey, this.#signal)
    const listed = new Set(names.map(({ id }) => id))
    for (const { key, id, kind, time } of notes) {
      if (listed.has(id) || segments.has(id) || kind === 'planned') continue
      const old = time === undefined || Math.abs(this.#now - time) >= noteLife
      if (old || (kind === 'removed' && !mirrored)) await this.#storage.remove(key, this.#signal)
    }
    for (const id of pins) if (!listed.has(id)) await this.#storage.remove(pinKey(id), this.#signal)
  }
}

function lost(name: BackupName) {
  return { id: name.id, group: groupOf(name.key), chain: name.chain, level: name.level }
}

function finals(notes: readonly StoredRemoval[]): Map<string, StoredRemoval> {
  return new Map(notes.filter(({ kind }) => kind === 'removed').map((note) => [note.id, note]))
}

function byName(a: BackupFacts, b: BackupFacts): number {
  const [x, y] = [`${a.host}\0${a.name}`, `${b.host}\0${b.name}`]
  return x === y ? a.time - b.time || (a.id < b.id ? -1 : 1) : x < y ? -1 : 1
}
