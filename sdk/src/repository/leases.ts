/**
 * Leases: how a run says what it needs, so that a prune beside it leaves that alone. Nobody waits for a lease, and none
 * outlives its holder for long: one that was not refreshed for a while is dead.
 *
 * A lease is put once and never again. Whoever removes it takes the permission to go on for good, however long its
 * holder stood still; that the holder is alive is said under another key.
 */
import { randomBytes } from 'node:crypto'
import type { Context } from '../contracts/context.ts'
import { isFailure } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { type BackupName, groupOf, leaseKey, leasesPrefix, parseLeaseKey, refreshedKey } from './names.ts'
import { putRecord, readEach, readRecord, textOf, timeOf } from './records.ts'

/**
 * What a run needs: the newest chain of a group of manifests to build on, and `chain`, which a copy or a heal (`heal`)
 * continues; or a chain to read.
 */
export type LeaseClaim =
  | { readonly kind: 'backup'; readonly group: string; readonly chain?: string; readonly heal?: 'yes' }
  | { readonly kind: 'read'; readonly chain: string }

const hour = 3_600_000
/** A lease is dead when it was not refreshed for so many milliseconds. */
export const leaseLife = 2 * hour
const refreshInterval = hour / 12
/** Milliseconds that removing a lease may take; what stays dies by itself. */
const releaseLimit = 10_000

const format = 'freezer lease'

/** A lease that is refreshed until it is released. */
export class Lease implements AsyncDisposable {
  readonly #storage: Storage
  readonly #id: string
  /** What its record says of the moment it was taken: tells it from one that somebody else took under the same id. */
  readonly #taken: string
  readonly #context: Context
  readonly #timer: NodeJS.Timeout
  readonly #ending = new AbortController()
  #refreshing: Promise<void> = Promise.resolve()
  #refreshed = false
  #left = false

  private constructor(storage: Storage, id: string, taken: string, context: Context) {
    this.#taken = taken
    this.#storage = storage
    this.#id = id
    this.#context = context
    this.#timer = setInterval(() => {
      this.#refreshing = this.#refreshing.then(() => this.#refresh())
    }, refreshInterval)
    this.#timer.unref()
  }

  /**
   * @param id 32 hexadecimal digits that nobody else takes: of the backup that is made, or random
   * @throws whatever the storage throws; there is no lease then
   */
  static async take(storage: Storage, id: string, claim: LeaseClaim, context: Context): Promise<Lease> {
    const refreshed = new Date(context.now()).toISOString()
    await putRecord(storage, leaseKey(id), { format, version: 1, ...claim, refreshed }, context.signal)
    return new Lease(storage, id, refreshed, context)
  }

  /**
   * Whether the lease is still there; once it is gone it stays so.
   * @param storage one of those it was put on, where it is on several
   */
  async held(signal: AbortSignal, storage = this.#storage): Promise<boolean> {
    const record = await readRecord(storage, leaseKey(this.#id), format, signal)
    return record !== undefined && (textOf(record['refreshed']) ?? this.#taken) === this.#taken
  }

  /** Ends the refreshing, but lets the lease die by itself instead of removing it. */
  leave(): void {
    this.#left = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#ending.abort()
    await this.#refreshing
    if (this.#left) return
    const signal = AbortSignal.timeout(releaseLimit)
    try {
      await this.#storage.remove(leaseKey(this.#id), signal)
      if (this.#refreshed) await this.#storage.remove(refreshedKey(this.#id), signal)
    } catch (error) {
      this.#tell('debug', 'A lease could not be removed and will die by itself', error)
    }
  }

  async #refresh(): Promise<void> {
    if (this.#ending.signal.aborted) return
    const refreshed = new Date(this.#context.now()).toISOString()
    const record = { format, version: 1, refreshed }
    this.#refreshed = true
    try {
      await putRecord(this.#storage, refreshedKey(this.#id), record, this.#ending.signal)
    } catch (error) {
      if (this.#ending.signal.aborted) return
      this.#tell('warn', 'A lease could not be refreshed; it will be tried again in some minutes', error)
    }
  }

  #tell(level: 'debug' | 'warn', what: string, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    this.#context.report({ type: 'log', level, message: `${what}: ${why}` })
  }
}

/** A lease that nothing is kept for. */
export interface IdleLease {
  readonly id: string
  /** Never fails: what stays dies by itself. */
  remove(): Promise<void>
}

/**
 * Puts a lease on a chain that there is not, for somebody to see that it is there.
 * @throws whatever the storage throws
 */
export async function leaveIdleLease(storage: Storage, signal: AbortSignal): Promise<IdleLease> {
  const id = randomBytes(16).toString('hex')
  const claim: LeaseClaim = { kind: 'read', chain: id }
  const refreshed = new Date().toISOString()
  await putRecord(storage, leaseKey(id), { format, version: 1, ...claim, refreshed }, signal)
  return {
    id,
    async remove() {
      await storage.remove(leaseKey(id), AbortSignal.timeout(releaseLimit)).catch(() => {})
    },
  }
}

/** Whether there is a lease under an id, dead or alive. */
export async function isLeased(storage: Storage, id: string, signal: AbortSignal): Promise<boolean> {
  return (await readRecord(storage, leaseKey(id), format, signal)) !== undefined
}

/** A lease as others see it. */
export interface StoredLease {
  readonly id: string
  /** Undefined when it cannot be understood. */
  readonly kind: string | undefined
  readonly group: string | undefined
  readonly chain: string | undefined
  /** Milliseconds since 1970, by its holder's clock; undefined when it cannot be understood. */
  readonly refreshed: number | undefined
  /** Its holder brings the backup here from another storage. */
  readonly heal?: boolean
}

/** Every lease, dead or alive, and signs of life that outlived their lease. */
export async function readLeases(
  storage: Storage,
  signal: AbortSignal,
): Promise<{ leases: StoredLease[]; orphans: string[] }> {
  const held = new Set<string>()
  const refreshed = new Set<string>()
  for await (const { key } of storage.list(leasesPrefix, signal)) {
    const parsed = parseLeaseKey(key)
    if (parsed !== undefined) (parsed.refreshed ? refreshed : held).add(parsed.id)
  }
  const leases = await readEach([...held], async (id) => {
    const sign = refreshed.has(id) ? await readRecord(storage, refreshedKey(id), format, signal) : undefined
    const lease = await readRecord(storage, leaseKey(id), format, signal)
    if (lease === undefined) return undefined
    const times = [timeOf(lease['refreshed']), timeOf(sign?.['refreshed'])].filter((t) => t !== undefined)
    return {
      id,
      kind: textOf(lease['kind']),
      group: textOf(lease['group']),
      chain: textOf(lease['chain']),
      refreshed: times.length === 0 ? undefined : Math.max(...times),
      ...(lease['heal'] === 'yes' ? { heal: true } : {}),
    }
  })
  return {
    leases: leases.filter((lease) => lease !== undefined),
    orphans: [...refreshed].filter((id) => !held.has(id)),
  }
}

/**
 * Whether the holder of a lease is thought to be there. A time that is far in the future says as little as one in the
 * past: it is of a clock that is wrong.
 *
 * @param now milliseconds since 1970
 * @param life milliseconds
 */
export function isLive(lease: StoredLease, now: number, life: number): boolean {
  return lease.refreshed !== undefined && Math.abs(now - lease.refreshed) < life
}

/** Segments that no listed backup needs; group and chain are undefined when they are not known. */
export interface Lost {
  readonly id: string
  readonly group: string | undefined
  readonly chain: string | undefined
}

/** Whether the holder of `lease` may need the segments of a backup that was removed. */
export function mayNeed(lease: StoredLease, { id, group, chain }: Lost): boolean {
  if (lease.id === id) return true
  switch (lease.kind) {
    case 'backup':
      return lease.group === undefined || group === undefined || lease.group === group
    case 'read':
      return lease.chain === undefined || chain === undefined || lease.chain === chain
    default:
      // Of a newer program: who knows what it needs.
      return true
  }
}

/** The chains that runs under way may build on: the newest of each group. */
export function chainsInUse(names: readonly BackupName[], leases: readonly StoredLease[]): Set<string> {
  const newest = new Map<string, BackupName>()
  for (const name of names) {
    const group = groupOf(name.key)
    const other = newest.get(group)
    if (name.level === 0 && (other === undefined || name.time > other.time)) newest.set(group, name)
  }
  const used = [...newest].filter(([group]) =>
    leases.some((lease) => lease.kind !== 'read' && (lease.group ?? group) === group),
  )
  const continued = leases.flatMap(({ kind, chain }) =>
    kind === 'read' || chain === undefined ? [] : [chain],
  )
  return new Set([...used.map(([, { chain }]) => chain), ...continued])
}

/** Whether taking a lease failed for a reason that is none for not reading: the storage may be read-only, or full. */
export function mayReadWithout(error: unknown): boolean {
  return isFailure(error) && ['denied', 'no-space'].includes(error.code)
}
