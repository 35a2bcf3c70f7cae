// A container in memory, with runs beside each other on it: their storage calls can be held, and runs killed there.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import {
  type BackupResult,
  backup,
  type Context,
  Failure,
  isFailure,
  openRepository,
  type PruneResult,
  prune,
  quietContext,
  type Repository,
  type RestoreResult,
  type RetentionPolicy,
  restore,
} from '@freezer/sdk'
import { faultyStorage, type MemoryStorage, memoryStorage, type OnCall } from '@freezer/sdk/testing'
import { engine as plainEngine } from '../../../core/templates/engine/src/index.ts'
import { Coders } from '../../dist/src/pipeline/coders.js'
import { openChainOf } from '../../dist/src/pipeline/open-backup.js'

const hour = 3_600_000

/** Ids of what is listed in states that were read to the end: what is the same to the byte is read once. */
const wholeStates = new Map<string, readonly string[]>()

export class World {
  readonly storage: MemoryStorage = memoryStorage()
  readonly #scratch: string
  readonly #tree: string
  /** Milliseconds since 1970. */
  now = Date.UTC(2026, 10, 1)
  /** The content of the one file of the tree, by the time of the backup. */
  readonly contents: Map<string, string>

  constructor(scratch: string, contents: ReadonlyMap<string, string> = new Map()) {
    this.#scratch = fs.mkdtempSync(path.join(scratch, 'world-'))
    this.#tree = path.join(this.#scratch, 'tree')
    this.contents = new Map(contents)
    fs.mkdirSync(this.#tree)
    this.change()
  }

  /** The same container once more. */
  copy(): World {
    const other = new World(path.dirname(this.#scratch), this.contents)
    for (const [key, blob] of this.storage.blobs) other.storage.blobs.set(key, blob)
    other.now = this.now
    return other
  }

  /** The same for worlds that hold the same blobs, byte for byte. */
  state(): string {
    const hash = createHash('sha256')
    for (const [key, bytes] of [...this.storage.blobs].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      hash.update(`\0${key}\0${bytes.length}\0`).update(bytes)
    return hash.digest('hex')
  }

  get #file(): string {
    return path.join(this.#tree, 'file')
  }

  change(): void {
    fs.writeFileSync(this.#file, randomBytes(20).toString('hex'))
  }

  pass(hours: number): void {
    this.now += hours * hour
  }

  #context(): Context {
    return { ...quietContext(), now: () => this.now }
  }

  /** @param onCall told of each storage call after the opening, from 1 */
  async open(onCall?: OnCall): Promise<Repository> {
    let opening = 0
    let opened = false
    const storage = faultyStorage(this.storage, [], (call, method, key) => {
      if (opened) return onCall?.(call - opening, method, key)
      opening = call
    })
    const repository = await openRepository({ storage, codecs: [], signal: quietContext().signal }, true)
    opened = true
    return repository
  }

  async backUp(repository: Repository, incremental = true): Promise<BackupResult> {
    const content = fs.readFileSync(this.#file, 'utf8')
    const result = await backup(
      {
        repository,
        source: { kind: 'tree', path: this.#tree, exclude: [], oneFileSystem: false, dereference: 'none' },
        engine: plainEngine,
        host: 'h',
        name: 'n',
        mode: { name: 'fs', facts: {} },
        levels: { incremental },
      },
      this.#context(),
    )
    this.contents.set(result.time, content)
    return result
  }

  prune(repository: Repository, policy: RetentionPolicy, garbageAfter = 2): Promise<PruneResult> {
    return prune({ repository, policy, garbageAfter }, this.#context())
  }

  /** Restores the newest backup and compares it; undefined when there is none, or none any more. */
  async restore(repository: Repository): Promise<RestoreResult | undefined> {
    const target = fs.mkdtempSync(path.join(this.#scratch, 'target-'))
    try {
      const result = await restore(
        {
          repository,
          engines: [plainEngine],
          target: () => ({ kind: 'tree', path: target, overwrite: 'always', remove: false }),
          host: 'h',
          name: 'n',
        },
        this.#context(),
      )
      assert.deepEqual([result.damaged, result.unrestored], [false, 0])
      const expected = this.contents.get(result.time)
      const restored = fs.readFileSync(path.join(target, 'file'), 'utf8')
      if (expected !== undefined) assert.equal(restored, expected)
      return result
    } catch (error) {
      if (isFailure(error) && error.code === 'not-found') return undefined
      throw error
    }
  }

  /** Demands that everything listed can be read, every block of it and of what it builds on. Gives the ids. */
  async expectWhole(what: string): Promise<readonly string[]> {
    const state = this.state()
    const known = wholeStates.get(state)
    if (known !== undefined) return known
    const { signal } = quietContext()
    const repository = await this.open()
    const names = await repository.names(undefined, signal)
    await using coders = new Coders(1)
    for (const name of names) {
      try {
        const manifest = await repository.manifest(name, signal)
        const chain = await openChainOf(repository, manifest, coders, signal)
        for (const page of chain.root.pages) await chain.readPage(page)
        for (const level of chain.levels) {
          for (let block = await level.blockAt(0); block !== undefined; block = await level.blockAfter(block))
            await level.readBlock('data', block)
        }
      } catch (error) {
        assert.fail(`${what}: level ${name.level} ${name.id} is listed and cannot be read: ${error}`)
      }
    }
    const ids = names.map(({ id }) => id)
    wholeStates.set(state, ids)
    return ids
  }

  /** Demands that a later prune leaves nothing but what listed backups need. */
  async expectClean(what: string): Promise<void> {
    this.pass(24)
    await this.prune(await this.open(), {})
    await this.expectWhole(`${what}, after another prune`)
    this.pass(24 * 40)
    await this.prune(await this.open(), {})
    const listed = await this.expectWhole(`${what}, after a last prune`)
    const needed = new Set(listed)
    const repository = await this.open()
    await using coders = new Coders(1)
    for (const name of await repository.names(undefined, quietContext().signal)) {
      const manifest = await repository.manifest(name, quietContext().signal)
      const chain = await openChainOf(repository, manifest, coders, quietContext().signal)
      for (const { id } of chain.levels) needed.add(id)
    }
    for (const key of this.storage.blobs.keys()) {
      const [kind, id = ''] = key.split('/')
      if (kind === 'segments') assert.ok(needed.has(id), `${what}: ${key} is left`)
      assert.ok(kind !== 'leases', `${what}: ${key} is left`)
      assert.ok(!key.endsWith('.planned'), `${what}: ${key} is left`)
      if (kind === 'removed')
        assert.ok(this.storage.blobs.size > 0 && needed.has(id), `${what}: ${key} is left`)
    }
  }
}

/** What a run that was killed answers with from then on. */
export class Killed extends Failure {
  constructor() {
    super('interrupted', 'Killed.')
  }
}

/** Kills a run at its `at`-th storage call: neither that call nor any later one does anything. */
export function killAt(at: number, onCall?: OnCall): OnCall {
  return async (call, method, key) => {
    if (call >= at) throw new Killed()
    await onCall?.(call, method, key)
  }
}

/** The outcome of a run, with the failures that a run beside others may meet. */
export async function outcome<T>(run: Promise<T>, ...codes: readonly string[]): Promise<T | undefined> {
  try {
    return await run
  } catch (error) {
    for (let one = error; one instanceof Error; one = one.cause) if (one instanceof Killed) return undefined
    if (isFailure(error) && codes.includes(error.code)) return undefined
    throw error
  }
}

/** Lets the storage calls of several runs through one at a time, in a random order that `random` gives. */
export class Schedule {
  readonly #random: () => number
  readonly #waiting: { readonly run: number; readonly go: () => void }[] = []
  readonly #running = new Set<number>()
  #runs = 0
  #timer: NodeJS.Immediate | undefined
  calls = 0

  /** @param random numbers from 0 up to 1 */
  constructor(random: () => number) {
    this.#random = random
  }

  /** Whether a run that is told so is killed at its next call. */
  add<T>(work: (onCall: OnCall) => Promise<T>, killed: () => boolean): Promise<T> {
    const run = this.#runs++
    this.#running.add(run)
    let dead = false
    const onCall: OnCall = async () => {
      await new Promise<void>((resolve) => {
        this.#waiting.push({ run, go: resolve })
        this.#next()
      })
      this.calls++
      if (dead || killed()) {
        dead = true
        throw new Killed()
      }
    }
    return work(onCall).finally(() => {
      this.#running.delete(run)
      this.#next()
    })
  }

  /** Lets one call through once every run waits: what a run does by itself takes no turn. */
  #next(): void {
    if (this.#timer !== undefined) return
    this.#timer = setImmediate(() => {
      this.#timer = undefined
      const ready = new Set(this.#waiting.map(({ run }) => run))
      if (ready.size < this.#running.size || this.#waiting.length === 0) return
      const [chosen] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1)
      chosen?.go()
      this.#next()
    })
  }
}
