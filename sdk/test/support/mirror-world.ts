// Several containers in memory that are to be one, with outages, kills and damage.
import assert from 'node:assert/strict'
import {
  type BackupResult,
  type Context,
  Failure,
  type HealResult,
  healStorages,
  openRepository,
  pruneEach,
  quietContext,
  type Repository,
  type RetentionPolicy,
} from '@freezer/sdk'
import { MirroredStorage } from '@freezer/sdk/storages'
import { faultyStorage, type OnCall } from '@freezer/sdk/testing'
import { World } from './world.ts'

/** What a storage that is away answers with. */
export function away(): Failure {
  return new Failure('unavailable', 'It is away.')
}

/** Moments and states that were restored: what is the same to the byte is restored once. */
const restoredStates = new Set<string>()

export interface Opening {
  /** Told of each call of any storage; throws to make it fail. */
  readonly onCall?: (storage: string, ...call: Parameters<OnCall>) => void | Promise<void>
  readonly least?: number
  /** Names of storages that do not answer. */
  readonly out?: ReadonlySet<string>
}

export class MirrorWorld {
  readonly worlds: ReadonlyMap<string, World>

  private constructor(worlds: Iterable<readonly [string, World]>) {
    this.worlds = new Map(worlds)
  }

  /** Empty containers of these names. */
  static empty(scratch: string, names: readonly string[]): MirrorWorld {
    return new MirrorWorld(names.map((name) => [name, new World(scratch)]))
  }

  /** The same containers once more, and a tree that was changed. */
  copy(): MirrorWorld {
    return new MirrorWorld([...this.worlds].map(([name, world]) => [name, world.copy()]))
  }

  get #first(): World {
    const [first] = this.worlds.values()
    assert.ok(first !== undefined)
    return first
  }

  world(name: string): World {
    const world = this.worlds.get(name)
    assert.ok(world !== undefined)
    return world
  }

  pass(hours: number): void {
    for (const world of this.worlds.values()) world.pass(hours)
  }

  change(): void {
    this.#first.change()
  }

  context(): Context {
    return { ...quietContext(), now: () => this.#first.now }
  }

  async open({ onCall, least = 1, out = new Set() }: Opening = {}): Promise<Repository> {
    const { signal } = quietContext()
    const mirrors = [...this.worlds].map(([name, { storage }]) => ({
      name,
      storage: faultyStorage(storage, [], async (...call) => {
        if (out.has(name)) throw away()
        await onCall?.(name, ...call)
      }),
    }))
    const storage = new MirroredStorage(mirrors, { least })
    return openRepository({ storage, codecs: [], signal }, true)
  }

  /** Backs up to all, or to what `repository` is. */
  async backUp(repository: Repository, incremental = true): Promise<BackupResult> {
    const result = await this.#first.backUp(repository, incremental)
    for (const { contents } of this.worlds.values())
      contents.set(result.time, this.#first.contents.get(result.time) ?? '')
    return result
  }

  async prune(repository: Repository, policy: RetentionPolicy): Promise<void> {
    await pruneEach({ repository, policy }, this.context())
  }

  heal(repository: Repository, readData = false): Promise<HealResult> {
    return healStorages({ repository, readData }, this.context())
  }

  /**
   * Demands that each storage alone has every block of everything it lists, and with `restored` that the newest of each
   * restores to what it was. Gives the ids by storage.
   */
  async expectWhole(what: string, restored = true): Promise<Map<string, string[]>> {
    const listed = new Map<string, string[]>()
    for (const [name, world] of this.worlds) {
      if (world.storage.blobs.size === 0) {
        listed.set(name, [])
        continue
      }
      listed.set(name, (await world.expectWhole(`${what}, on ${name}`)).toSorted())
      const state = `${world.now} ${world.state()}`
      if (!restored || restoredStates.has(state)) continue
      await world.restore(await world.open())
      restoredStates.add(state)
    }
    return listed
  }

  /** Demands that all list the same, byte for byte. */
  async expectAlike(what: string): Promise<void> {
    const listed = await this.expectWhole(what)
    const [first = [], ...others] = listed.values()
    for (const other of others) assert.deepEqual(other, first, what)
    const kept = ({ storage }: World) =>
      [...storage.blobs]
        .filter(
          ([key]) => key.startsWith('manifests/') || first.some((id) => key.startsWith(`segments/${id}/`)),
        )
        .filter(([key]) => !key.startsWith('manifests/') || first.some((id) => key.endsWith(id)))
        .map(([key, bytes]) => [key, Buffer.from(bytes).toString('hex')] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
    const [one, ...rest] = [...this.worlds.values()].map(kept)
    for (const other of rest) assert.deepEqual(other, one, what)
  }
}
