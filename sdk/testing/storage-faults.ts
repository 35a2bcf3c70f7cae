/**
 * What backups on a storage promise when calls of it fail: nothing that was backed up is lost, no backup is there twice or in
 * part, no wrong byte is restored, and a listing that failed is never taken for an empty one.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { quietContext } from '../src/contracts/context.ts'
import { Failure, isFailure } from '../src/contracts/failures.ts'
import type { Storage } from '../src/contracts/storage.ts'
import { retrying } from '../src/storages/retry.ts'
import { backup, listBackups, openRepository, prune, restore } from '../src/verbs.ts'
import { type Check, expect, expectEqual, expectFailure, noise } from './contract.ts'
import { type ReadyEngine, treeSource } from './engine-run.ts'
import { changes, makeSmallTree } from './engine-trees.ts'
import { type Fault, faultyStorage } from './faulty-storage.ts'
import type { StorageMethod } from './memory-storage.ts'
import { describeTree, settleTimes, write } from './small-tree.ts'

export interface StorageFaultsOptions {
  /** Gives a storage that is empty; called once for each check, which closes what it was given. */
  readonly open: () => Promise<Storage>
  /** What archives are made by. */
  readonly engine: ReadyEngine
  /** How many calls of each method are struck, spread over all of a run; 3 unless said. */
  readonly strikes?: number
}

const never = new AbortController().signal
const busy = new Failure('unavailable', 'Struck by the test.')
/** Retries that take no time. */
const policy = { retries: 8, wait: 1, longest: 5 }
const keptByPrune = 2
const methods = ['put', 'get', 'list', 'remove'] as const satisfies readonly StorageMethod[]

/** The checks; each throws an error that says what is wrong. */
export function storageFaults({ open, engine, strikes = 3 }: StorageFaultsOptions): readonly Check[] {
  const checks: Check[] = []

  function check(name: string, run: (scene: Scene) => Promise<void>): void {
    checks.push({
      name,
      run: async () => {
        await using stack = new AsyncDisposableStack()
        const directory = mkdtempSync(path.join(tmpdir(), 'freezer-faults-'))
        stack.defer(() => rmSync(directory, { recursive: true, force: true }))
        const storage = await open()
        stack.defer(() => storage.close?.())
        const scene = await Scene.begin(storage, engine, directory)
        await run(scene)
        await scene.expectAllIntact()
      },
    })
  }

  /** Does `strike` for some calls of `method` of a backup: the first, the last, and between. */
  function atSomeCalls(
    what: string,
    struck: readonly StorageMethod[],
    strike: (scene: Scene, method: StorageMethod, call: number) => Promise<void>,
  ): void {
    for (const method of struck) {
      check(what.replace('METHOD', method), async (scene) => {
        const calls = await scene.callsOfBackup(method)
        for (const call of spread(calls, strikes)) await strike(scene, method, call)
      })
    }
  }

  atSomeCalls('a backup whose METHOD fails is whole or none', methods, async (scene, method, call) => {
    const faulty = faultyStorage(scene.storage, [{ method, call, fail: busy }])
    await scene.backsUpOrFails(faulty)
    await scene.backsUp(scene.storage)
  })

  atSomeCalls(
    'a backup whose METHOD loses its answer is whole or none, and there once',
    ['put', 'remove'],
    async (scene, method, call) => {
      const faults = [{ method, call, failAfter: busy }] as const
      await scene.backsUpOrFails(faultyStorage(scene.storage, faults))
      await scene.backsUp(patient(scene.storage, faults))
    },
  )

  atSomeCalls('a backup outlives a while in which METHOD fails', methods, async (scene, method, call) => {
    await scene.backsUp(patient(scene.storage, [{ method, call, count: 5, fail: busy }]))
  })

  check('a backup outlives a while in which nothing works', async (scene) => {
    const calls = await scene.callsOfBackup(undefined)
    for (const call of spread(calls, strikes)) {
      await scene.backsUp(patient(scene.storage, [{ call, count: 6, fail: busy }]))
    }
  })

  check('a listing that breaks off is no short one, and no empty one', async (scene) => {
    for (const after of [0, 1]) {
      const calls = await scene.callsOfBackup('list')
      for (const call of spread(calls, strikes)) {
        const broken = [{ method: 'list', call, after, failure: busy }] as const
        await scene.backsUpOrFails(faultyStorage(scene.storage, broken))
        await scene.backsUp(patient(scene.storage, broken))
      }
      const always = [{ method: 'list', after, failure: busy }] as const
      await expectFailure(
        ['unavailable'],
        () => scene.backups(faultyStorage(scene.storage, always)),
        `backups listed though every listing breaks off after ${after}`,
      )
    }
    await scene.expectIntact()
  })

  check('a prune whose calls fail removes nothing that is to stay', async (scene) => {
    for (let at = 0; at < 5; at++) await scene.backsUp(scene.storage)
    for (const method of methods) {
      for (const call of [1, 2, 4, 8, 16].slice(0, strikes)) {
        await scene.backsUp(scene.storage)
        await scene.prune(faultyStorage(scene.storage, [{ method, call, fail: busy }]))
        await scene.prune(faultyStorage(scene.storage, [{ method, call: call + 1, failAfter: busy }]))
      }
    }
    await scene.prune(scene.storage)
  })

  check('a restore whose reads fail, or end early, brings back no wrong byte', async (scene) => {
    const counting = { get: 0 }
    const counted = faultyStorage(scene.storage, [], (_, method) => {
      if (method === 'get') counting.get++
    })
    await scene.restores(counted)
    for (const call of spread(counting.get, strikes + 1)) {
      const faults: readonly Fault[] = [
        { method: 'get', call, fail: busy },
        { method: 'get', call, after: 100, failure: busy },
        { method: 'get', call, cut: 100 },
        { method: 'get', call, cut: 0 },
        { method: 'get', call, flip: 30 },
      ]
      for (const fault of faults) {
        await scene.restoresNothingWrong(faultyStorage(scene.storage, [fault]))
        if ('fail' in fault || 'failure' in fault) await scene.restores(patient(scene.storage, [fault]))
      }
    }
    await scene.expectIntact()
  })

  check('what is slow is waited for', async (scene) => {
    const slow = faultyStorage(scene.storage, [{ delay: 40 }])
    await scene.backsUp(slow)
    await scene.restores(slow)
  })

  check('a listing that shows late what was put loses nothing', async (scene) => {
    const late = lagging(scene.storage, 400)
    await scene.backsUp(late)
    await scene.backsUp(late)
    await wait(500)
    await scene.prune(late)
  })

  return checks
}

function patient(storage: Storage, faults: readonly Fault[]): Storage {
  return retrying(faultyStorage(storage, faults), quietContext(), policy)
}

/** Up to `count` numbers from 1 to `last`, both among them. */
function spread(last: number, count: number): readonly number[] {
  const some = Array.from(
    { length: count },
    (_, at) => 1 + Math.round((at * (last - 1)) / Math.max(1, count - 1)),
  )
  return last === 0 ? [] : [...new Set(some)]
}

/** `storage`, whose listings show what was put through it only so many milliseconds later. */
function lagging(storage: Storage, lag: number): Storage {
  const shownAt = new Map<string, number>()
  return {
    ...storage,
    settle: lag + 50,
    put: async (key, chunks, signal) => {
      if (!shownAt.has(key)) shownAt.set(key, performance.now() + lag)
      await storage.put(key, chunks, signal)
    },
    get: (key, range, signal) => storage.get(key, range, signal),
    remove: (key, signal) => storage.remove(key, signal),
    async *list(prefix, signal) {
      for await (const blob of storage.list(prefix, signal)) {
        if ((shownAt.get(blob.key) ?? 0) <= performance.now()) yield blob
      }
    },
    close: async () => {},
  }
}

interface Known {
  readonly id: string
  readonly tree: ReturnType<typeof describeTree>
}

/** A container on a storage, a tree that changes, and what is known to be in the container. */
class Scene {
  readonly storage: Storage
  readonly #engine: ReadyEngine
  readonly #directory: string
  readonly #source: string
  #known: Known[] = []
  #changed = 0
  #targets = 0

  private constructor(storage: Storage, engine: ReadyEngine, directory: string) {
    this.storage = storage
    this.#engine = engine
    this.#directory = directory
    this.#source = path.join(directory, 'source')
  }

  /** With one backup. */
  static async begin(storage: Storage, engine: ReadyEngine, directory: string): Promise<Scene> {
    const scene = new Scene(storage, engine, directory)
    mkdirSync(scene.#source)
    makeSmallTree(scene.#source)
    await scene.backsUp(storage)
    return scene
  }

  /** Backs the tree up, changed, through `storage`, and expects that the backup is there, once, with all before it. */
  async backsUp(storage: Storage): Promise<void> {
    const tree = this.#change()
    this.#known.push({ id: await this.#backup(storage), tree })
    await this.expectIntact()
  }

  /** The same for a backup that may fail: then there is none, or, when it is the end of the run that failed, a whole one. */
  async backsUpOrFails(storage: Storage): Promise<void> {
    const tree = this.#change()
    try {
      this.#known.push({ id: await this.#backup(storage), tree })
    } catch (error) {
      if (!isFailure(error) || error.code !== 'unavailable') throw error
      const known = this.#known.map(({ id }) => id)
      const others = (await this.backups(this.storage)).filter((id) => !known.includes(id))
      expect(others.length <= 1, `a backup that failed left ${others.length} backups`)
      if (others[0] !== undefined) this.#known.push({ id: others[0], tree })
    }
    await this.expectIntact()
  }

  /** Expects the backups that are known, no others, and the newest to be what was backed up. */
  async expectIntact(): Promise<void> {
    const known = this.#known.map(({ id }) => id)
    expectEqual(await this.backups(this.storage), known, 'backups listed')
    await this.restores(this.storage)
  }

  /** The same of all of them. */
  async expectAllIntact(): Promise<void> {
    for (const one of this.#known) await this.#expectRestored(this.storage, one)
  }

  /** Restores the newest backup. */
  restores(storage: Storage): Promise<void> {
    return this.#expectRestored(storage, this.#newest())
  }

  /** Restores the newest backup, which may fail, say so, or leave files out; what is there is right. */
  async restoresNothingWrong(storage: Storage): Promise<void> {
    const { id, tree } = this.#newest()
    const { target, complete } = await this.#restore(storage, id)
    const found = describeTree(target)
    for (const [name, { content }] of Object.entries(found)) {
      const expected = tree[name]?.content
      if (content === undefined || content === expected) continue
      throw new Error(`${name} was restored as ${content} where ${expected} was expected`)
    }
    if (complete) expectEqual(found, tree, 'a restore that tells of no damage')
    rmSync(target, { recursive: true, force: true })
  }

  /** Prunes all but two backups and what they build on, which may fail; whatever is listed afterwards is whole. */
  async prune(storage: Storage): Promise<void> {
    try {
      const repository = await this.#open(storage, false)
      await prune({ repository, policy: { keepLast: keptByPrune } }, quietContext())
    } catch (error) {
      if (!isFailure(error) || error.code !== 'unavailable') throw error
    }
    const left = await this.backups(this.storage)
    const kept = this.#known.slice(-keptByPrune).map(({ id }) => id)
    expectEqual(left.slice(-kept.length), kept, 'backups that a prune has to keep')
    this.#known = this.#known.filter(({ id }) => left.includes(id))
    await this.expectIntact()
  }

  /** Ids of all backups, the oldest first. */
  async backups(storage: Storage): Promise<string[]> {
    const repository = await this.#open(storage, false)
    const ids: string[] = []
    for await (const one of listBackups(repository, {}, never)) {
      if ('failure' in one) throw new Error(`a backup cannot be read: ${JSON.stringify(one)}`)
      ids.push(one.id)
    }
    return ids
  }

  /** How many calls of `method`, or of all, one backup makes. */
  async callsOfBackup(method: StorageMethod | undefined): Promise<number> {
    let calls = 0
    const counting = faultyStorage(this.storage, [], (_, called) => {
      if (method === undefined || called === method) calls++
    })
    await this.backsUp(counting)
    return calls
  }

  #newest(): Known {
    const newest = this.#known.at(-1)
    if (newest === undefined) throw new Error('Nothing was backed up.')
    return newest
  }

  #change(): Known['tree'] {
    const change = changes[this.#changed]
    change?.(this.#source)
    write(this.#source, 'counter', `change ${this.#changed++}`)
    write(this.#source, 'large', noise(200_000, this.#changed))
    settleTimes(this.#source)
    return describeTree(this.#source)
  }

  #open(storage: Storage, create: boolean) {
    return openRepository({ storage, codecs: [], signal: never }, create)
  }

  async #backup(storage: Storage): Promise<string> {
    const { id } = await backup(
      {
        repository: await this.#open(storage, true),
        source: treeSource(this.#source),
        engine: this.#engine.engine,
        engineOptions: this.#engine.options,
        host: 'h',
        name: 'n',
        mode: { name: 'fs', facts: {} },
        levels: { incremental: true, maxLevel: 3 },
        segmentSize: 65_536,
        workers: 1,
      },
      quietContext(),
    )
    return id
  }

  async #expectRestored(storage: Storage, { id, tree }: Known): Promise<void> {
    const { target, complete, why } = await this.#restore(storage, id)
    expect(complete, `the restore of a backup that must be there failed: ${why}`)
    expectEqual(describeTree(target), tree, 'what was restored')
    rmSync(target, { recursive: true, force: true })
  }

  async #restore(storage: Storage, id: string): Promise<{ target: string; complete: boolean; why: unknown }> {
    const target = path.join(this.#directory, `target-${this.#targets++}`)
    mkdirSync(target)
    try {
      const { damaged, unrestored } = await restore(
        {
          repository: await this.#open(storage, false),
          engines: [this.#engine.engine],
          backup: { id },
          target: () => ({ kind: 'tree', path: target, overwrite: false, remove: false }),
          workers: 1,
        },
        quietContext(),
      )
      return {
        target,
        complete: !damaged && unrestored === 0,
        why: `damaged ${damaged}, unrestored ${unrestored}`,
      }
    } catch (error) {
      if (!isFailure(error) || error.code === 'internal') throw error
      return { target, complete: false, why: error }
    }
  }
}
