// Snapshot providers that each break the contract in one way, and the check that must notice. The right one copies.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Context, Failure, type Snapshot, type SnapshotProvider, throwIfAborted } from '@freezer/sdk'
import type { SnapshotProviderUnderTest } from '@freezer/sdk/testing'

export interface WrongSnapshots {
  readonly wrong: string
  readonly caughtBy: string
  readonly underTest: () => SnapshotProviderUnderTest
}

/** Where the copies lie: each in a directory that says which process it is of. */
class Copies {
  readonly root = fs.mkdtempSync(path.join(os.tmpdir(), 'copies-'))
  readonly store = path.join(this.root, 'copies')
  open = 0
  #made = 0

  constructor() {
    fs.mkdirSync(this.store)
  }

  count(): number {
    return fs.readdirSync(this.store).length
  }

  directory(): string {
    return fs.mkdtempSync(path.join(this.root, 'tree-'))
  }

  take(at: string, owner = process.pid): string {
    const copy = path.join(this.store, `${owner}.${this.#made++}`)
    const source = fs.realpathSync(at)
    const shown = path.join(copy, path.basename(source))
    fs.mkdirSync(copy)
    execFileSync('cp', ['--archive', '--', source, shown])
    return shown
  }

  sweep(isDead: (owner: string) => boolean = (owner) => owner === '0'): void {
    for (const name of fs.readdirSync(this.store)) {
      if (isDead(name.split('.')[0] ?? '')) fs.rmSync(path.join(this.store, name), { recursive: true })
    }
  }

  covers(at: string): boolean {
    return at.startsWith(this.root)
  }

  async create(at: string, { signal }: Context): Promise<Snapshot> {
    throwIfAborted(signal)
    if (!this.covers(at)) throw new Failure('source', `${at} is elsewhere.`)
    this.sweep()
    await pause(5, undefined, { signal })
    const shown = this.take(at)
    return {
      path: shown,
      verify: async () => {
        if (!fs.existsSync(shown)) throw new Failure('source', 'It is gone.')
      },
      [Symbol.asyncDispose]: async () => fs.rmSync(path.dirname(shown), { recursive: true, force: true }),
    }
  }
}

type Verbs = Pick<SnapshotProvider, 'covers' | 'create'>

function underTest(
  change: (copies: Copies, right: Verbs) => Partial<SnapshotProvider>,
): SnapshotProviderUnderTest {
  const copies = new Copies()
  const right: Verbs = {
    covers: async (at) => copies.covers(at),
    create: (at, _, context) => copies.create(at, context),
  }
  return {
    provider: { name: 'copies', description: 'Copies', options: {}, ...right, ...change(copies, right) },
    directory: () => copies.directory(),
    count: () => copies.count(),
    uncovered: os.tmpdir(),
    abandon: async (at) => void copies.take(at, 0),
    openHandles: () => copies.open,
  }
}

export const rightSnapshots = (): SnapshotProviderUnderTest => underTest(() => ({}))

function wrong(
  what: string,
  caughtBy: string,
  change: (copies: Copies, right: Verbs) => Partial<SnapshotProvider>,
): WrongSnapshots {
  return { wrong: what, caughtBy, underTest: () => underTest(change) }
}

/** Each snapshot as `change` makes it. */
const snapshots =
  (
    change: (
      snapshot: Snapshot,
      at: string,
      copies: Copies,
    ) => Partial<Snapshot> | Promise<Partial<Snapshot>>,
  ) =>
  (copies: Copies, right: Verbs): Partial<SnapshotProvider> => ({
    create: async (at, options, context) => {
      const snapshot = await right.create(at, options, context)
      return { ...snapshot, ...(await change(snapshot, at, copies)) }
    },
  })

const dispose = (change: (snapshot: Snapshot, at: string, copies: Copies) => Promise<void>) =>
  snapshots((snapshot, at, copies) => ({ [Symbol.asyncDispose]: () => change(snapshot, at, copies) }))

const asks = 'covers what it can freeze, and changes nothing by looking'
const later = 'shows the tree as it was, whatever becomes of it'
const paths = 'shows a directory within, a single file, and what a link in the path leads to'
const gone = 'removes a snapshot that is disposed, and nothing else'
const several = 'makes several at a time, each of its own moment'
const aborted = 'leaves nothing of a making that was aborted'
const killed = 'removes what a killed run left, and nothing of one that is alive'

export const wrongSnapshots: readonly WrongSnapshots[] = [
  wrong('covers directories alone', asks, (copies) => ({
    covers: async (at) => copies.covers(at) && fs.statSync(at).isDirectory(),
  })),
  wrong('makes one to find out whether it can', asks, (copies) => ({
    covers: async (at) => {
      if (copies.covers(at)) copies.take(at)
      return copies.covers(at)
    },
  })),
  wrong('covers everything', 'does not cover what it cannot freeze, and fails there', () => ({
    covers: async () => true,
  })),
  wrong(
    'shows what it cannot freeze as it is',
    'does not cover what it cannot freeze, and fails there',
    (copies, right) => ({
      create: async (at, options, context) =>
        copies.covers(at)
          ? right.create(at, options, context)
          : { path: at, verify: async () => {}, [Symbol.asyncDispose]: async () => {} },
    }),
  ),
  wrong(
    'gives a relative path',
    'shows the tree as it is',
    snapshots((snapshot) => ({ path: path.relative('/', snapshot.path) })),
  ),
  wrong(
    'forgets modes',
    'shows the tree as it is',
    snapshots((snapshot) => {
      const file = path.join(snapshot.path, 'runs')
      if (fs.existsSync(file)) fs.chmodSync(file, 0o644)
      return {}
    }),
  ),
  wrong(
    'shows the tree itself',
    later,
    snapshots(async (_, at) => {
      const view = `${at}.view`
      fs.rmSync(view, { force: true })
      fs.symlinkSync(at, view)
      return { path: `${view}/.` }
    }),
  ),
  wrong(
    'shows the top of the tree whatever the path',
    paths,
    snapshots((snapshot) => ({ path: path.dirname(snapshot.path) })),
  ),
  wrong('copies links in the path', paths, (_, right) => ({
    create: (at, options, context) =>
      at.includes('way/')
        ? Promise.reject(new Failure('source', 'Links.'))
        : right.create(at, options, context),
  })),
  wrong('gives names to a shell', 'takes any name', (_, right) => ({
    create: (at, options, context) =>
      /[\s'$`]/.test(path.basename(at))
        ? Promise.reject(new Failure('source', 'sh: syntax error'))
        : right.create(at, options, context),
  })),
  wrong('has one snapshot at a time', several, (copies, right) => ({
    create: (at, options, context) => {
      copies.sweep(() => true)
      return right.create(at, options, context)
    },
  })),
  wrong(
    'removes all with one',
    several,
    dispose(async (_, __, copies) => copies.sweep(() => true)),
  ),
  wrong(
    'finds fault with a tree that goes on',
    'finds that a view held',
    snapshots((snapshot, at) => ({
      verify: async () => {
        const [alive, frozen] = [at, snapshot.path].map((one) =>
          fs.readFileSync(path.join(one, 'file'), 'utf8'),
        )
        if (alive !== frozen) throw new Failure('source', 'It overflowed.')
      },
    })),
  ),
  wrong(
    'omits all with absolute paths',
    'names what it omits by paths below the tree',
    snapshots((_, at) => ({ omitted: async () => [path.join(at, 'deep')] })),
  ),
  wrong(
    'omits what it has',
    'names what it omits by paths below the tree',
    snapshots(() => ({ omitted: async () => ['deep'] })),
  ),
  wrong(
    'keeps its snapshots',
    gone,
    dispose(async () => {}),
  ),
  wrong(
    'leaves its mark on the tree',
    gone,
    snapshots((_, at) => {
      if (fs.statSync(at).isDirectory()) fs.writeFileSync(path.join(at, '.snapshot'), '')
      return {}
    }),
  ),
  wrong(
    'removes what is there the second time',
    'has nothing to do when disposed again',
    (copies, right) => ({
      create: async (at, options, context) => {
        const snapshot = await right.create(at, options, context)
        let removed = false
        return {
          ...snapshot,
          [Symbol.asyncDispose]: async () => {
            if (removed) copies.sweep(() => true)
            removed = true
            await snapshot[Symbol.asyncDispose]()
          },
        }
      },
    }),
  ),
  wrong(
    'removes nothing once the run is aborted',
    'removes the snapshot of a run that was aborted',
    (_, right) => ({
      create: async (at, options, context) => {
        const snapshot = await right.create(at, options, context)
        const end = async () => {
          throwIfAborted(context.signal)
          await snapshot[Symbol.asyncDispose]()
        }
        return { ...snapshot, [Symbol.asyncDispose]: end }
      },
    }),
  ),
  wrong('does not look at the signal', aborted, (_, right) => ({
    create: (at, options, context) =>
      right.create(at, options, { ...context, signal: new AbortController().signal }),
  })),
  wrong('leaves what it has when it is aborted', aborted, (_, right) => ({
    create: async (at, options, context) => {
      const snapshot = await right.create(at, options, context)
      await pause(30, undefined, { signal: context.signal })
      return snapshot
    },
  })),
  wrong('leaves what killed runs left', killed, (copies) => ({
    create: (at, _, context) => {
      copies.sweep = () => {}
      return copies.create(at, context)
    },
  })),
  wrong('takes every other run for dead', killed, (copies, right) => ({
    create: (at, options, context) => {
      copies.sweep(() => true)
      return right.create(at, options, context)
    },
  })),
  wrong('leaves something open', 'leaves nothing open', (copies, right) => ({
    create: (at, options, context) => {
      copies.open++
      return right.create(at, options, context)
    },
  })),
  wrong('has a name of two words', 'declares itself as it is', () => ({ name: 'my copies' })),
  wrong('has an option without help', 'declares itself as it is', () => ({
    options: { copyTo: { type: 'path', help: '' } },
  })),
]
