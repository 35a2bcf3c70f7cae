/** What `contracts/snapshot.ts` promises, as checks that any snapshot provider can be put through. */
import fs from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Context, quietContext } from '../src/contracts/context.ts'
import { isFailure } from '../src/contracts/failures.ts'
import { checkOptions } from '../src/contracts/options.ts'
import type { Snapshot, SnapshotProvider } from '../src/contracts/snapshot.ts'
import { type Check, expect, expectEqual, expectFailure } from './contract.ts'
import { expectDeclared } from './declared.ts'

export interface SnapshotProviderUnderTest {
  readonly provider: SnapshotProvider
  /** Values for its options; what is left out has its default. */
  readonly options?: Readonly<Record<string, unknown>>
  /** An empty directory on a volume that it covers; called once for each check, which writes to it. */
  readonly directory: () => string | Promise<string>
  /** How many snapshots there are now, as anybody but the provider sees it. */
  readonly count: () => number | Promise<number>
  /** A path that it does not cover. Without it no check asks for one. */
  readonly uncovered?: string
  /** Leaves a snapshot of a path behind, as a process does that is killed. Without it no check looks for what becomes of that. */
  readonly abandon?: (path: string) => Promise<void>
  /** Descriptors, connections and processes open now; without it no check looks for leaks. */
  readonly openHandles?: () => number | Promise<number>
}

/** Milliseconds after which a making is aborted: at once, early, late. */
const moments = [0, 1, 3, 8, 20, 50, 120]

/** The checks of the snapshot contract. */
export function snapshotContract({
  provider,
  options = {},
  directory,
  count,
  uncovered,
  abandon,
  openHandles,
}: SnapshotProviderUnderTest): readonly Check[] {
  const values = checkOptions(provider.options, options)
  const checks: Check[] = []
  const create = (at: string, context: Context = quietContext()): Promise<Snapshot> =>
    provider.create(at, values, context)

  /** `run` gets a small tree, and what it makes with `make` is removed, whatever happens. */
  function check(name: string, run: (tree: string, make: typeof create) => Promise<void>): void {
    checks.push({
      name,
      run: async () => {
        await using made = new AsyncDisposableStack()
        const tree = await directory()
        await plant(tree)
        await run(tree, async (...given) => {
          const snapshot = await create(...given)
          made.defer(() => snapshot[Symbol.asyncDispose]())
          return snapshot
        })
      },
    })
  }

  check('covers what it can freeze, and changes nothing by looking', async (tree) => {
    const before = await described(tree)
    for (const at of [tree, path.join(tree, 'deep'), path.join(tree, 'deep/er/file')]) {
      const covers = await provider.covers(at, values, quietContext())
      expect(covers === true, `it does not cover ${at}: ${isFailure(covers) ? covers.message : covers}`)
    }
    expectEqual(await count(), 0, 'snapshots after it was only asked')
    expectEqual(await described(tree), before, 'tree after it was only asked')
  })

  if (uncovered !== undefined) {
    check('does not cover what it cannot freeze, and fails there', async () => {
      const covers = await provider.covers(uncovered, values, quietContext())
      expect(covers !== true, `it says that it covers ${uncovered}`)
      await expectFailure(
        ['source', 'denied', 'plugin', 'not-found'],
        async () => (await create(uncovered))[Symbol.asyncDispose](),
        `a snapshot of ${uncovered}`,
      )
      expectEqual(await count(), 0, 'snapshots after one that failed')
    })
  }

  check('shows the tree as it is', async (tree, make) => {
    const before = await described(tree)
    const snapshot = await make(tree)
    expect(path.isAbsolute(snapshot.path), `"${snapshot.path}" is not absolute`)
    expect(path.relative(tree, snapshot.path) !== '', 'the snapshot is the tree itself')
    expectEqual(await described(snapshot.path), before, 'tree in the snapshot')
  })

  check('shows the tree as it was, whatever becomes of it', async (tree, make) => {
    const before = await described(tree)
    const snapshot = await make(tree)
    await fs.writeFile(path.join(tree, 'file'), 'another content')
    await fs.appendFile(path.join(tree, 'deep/er/file'), 'more')
    await fs.chmod(path.join(tree, 'runs'), 0o600)
    await fs.rename(path.join(tree, 'deep'), path.join(tree, 'moved'))
    await fs.rm(path.join(tree, 'link'))
    await fs.writeFile(path.join(tree, 'new'), 'new')
    expectEqual(await described(snapshot.path), before, 'tree in the snapshot, after it was changed')
  })

  check(
    'shows a directory within, a single file, and what a link in the path leads to',
    async (tree, make) => {
      await fs.symlink('deep', path.join(tree, 'way'))
      for (const [at, shown] of [
        ['deep', 'deep'],
        ['deep/er/file', 'deep/er/file'],
        ['way/er', 'deep/er'],
      ] as const) {
        const before = await described(path.join(tree, shown))
        const snapshot = await make(path.join(tree, at))
        expectEqual(await described(snapshot.path), before, `${at} in a snapshot`)
      }
    },
  )

  check('takes any name', async (tree, make) => {
    for (const name of ['a b', '-rf', '$(touch x)', "it's", 'new\nline', '`x`', 'ü', '*']) {
      const at = path.join(tree, name)
      await fs.mkdir(at)
      await fs.writeFile(path.join(at, 'file'), name)
      const snapshot = await make(at)
      const text = await fs.readFile(path.join(snapshot.path, 'file'), 'utf8')
      expectEqual(text, name, `content of a file in a directory called ${JSON.stringify(name)}`)
    }
  })

  check('makes several at a time, each of its own moment', async (tree, make) => {
    const snapshots: Snapshot[] = []
    for (const text of ['one', 'two', 'three']) {
      await fs.writeFile(path.join(tree, 'file'), text)
      snapshots.push(await make(tree))
    }
    await snapshots[1]?.[Symbol.asyncDispose]()
    for (const [at, text] of [
      [0, 'one'],
      [2, 'three'],
    ] as const) {
      const shown = await fs.readFile(path.join(snapshots[at]?.path ?? '', 'file'), 'utf8')
      expectEqual(shown, text, `snapshot ${at + 1} of 3, after the second was removed`)
      await snapshots[at]?.verify()
    }
    expectEqual(await count(), 2, 'snapshots after one of three was removed')
  })

  check('finds that a view held', async (tree, make) => {
    const snapshot = await make(tree)
    await fs.writeFile(path.join(tree, 'file'), 'another content')
    await described(snapshot.path)
    await snapshot.verify()
    await snapshot.verify()
  })

  check('names what it omits by paths below the tree', async (tree, make) => {
    const snapshot = await make(tree)
    const all = (await snapshot.omitted?.(new AbortController().signal)) ?? []
    for (const omitted of all) {
      const sound = omitted !== '' && !path.isAbsolute(omitted) && !omitted.split('/').includes('..')
      expect(sound, `"${omitted}" is no path below the tree`)
    }
    expectEqual(all, [], 'what it omits of a tree that is all on one volume')
  })

  check('removes a snapshot that is disposed, and nothing else', async (tree, make) => {
    const before = await described(tree)
    const snapshot = await make(tree)
    expectEqual(await count(), 1, 'snapshots')
    await snapshot[Symbol.asyncDispose]()
    expectEqual(await count(), 0, 'snapshots after the only one was disposed')
    expect(!(await exists(snapshot.path)), `${snapshot.path} is still there`)
    expectEqual(await described(tree), before, 'tree after its snapshot was removed')
  })

  check('has nothing to do when disposed again', async (tree, make) => {
    const snapshot = await make(tree)
    await snapshot[Symbol.asyncDispose]()
    const other = await make(tree)
    await snapshot[Symbol.asyncDispose]()
    expectEqual(await described(other.path), await described(tree), 'a later snapshot')
  })

  check('removes the snapshot of a run that was aborted', async (tree, make) => {
    const stop = new AbortController()
    const snapshot = await make(tree, quietContext(stop.signal))
    stop.abort()
    await snapshot[Symbol.asyncDispose]()
    expectEqual(await count(), 0, 'snapshots')
  })

  check('leaves nothing of a making that was aborted', async (tree) => {
    await expectFailure(
      ['interrupted'],
      async () => (await create(tree, quietContext(AbortSignal.abort())))[Symbol.asyncDispose](),
      'a snapshot for a run that was aborted',
    )
    for (const moment of moments) {
      const stop = new AbortController()
      const making = create(tree, quietContext(stop.signal))
      making.catch(() => {})
      await pause(moment)
      stop.abort()
      try {
        // It may have been done by then.
        await (await making)[Symbol.asyncDispose]()
      } catch (error) {
        await expectFailure(['interrupted'], () => Promise.reject(error), `aborted after ${moment} ms`)
      }
      expectEqual(await count(), 0, `snapshots after a making that was aborted after ${moment} ms`)
    }
  })

  if (abandon !== undefined) {
    check('removes what a killed run left, and nothing of one that is alive', async (tree, make) => {
      const alive = await make(tree)
      await abandon(tree)
      expectEqual(await count(), 2, 'snapshots of a run that is alive and of one that was killed')
      const next = await make(tree)
      expectEqual(await count(), 2, 'snapshots of two runs that are alive, after one that was killed')
      expectEqual(await described(alive.path), await described(next.path), 'snapshots that are alive')
    })
  }

  if (openHandles !== undefined) {
    check('leaves nothing open', async (tree) => {
      const once = async (): Promise<void> => {
        const snapshot = await create(tree)
        await snapshot.verify()
        await snapshot[Symbol.asyncDispose]()
      }
      await once()
      const before = await openHandles()
      for (let i = 0; i < 3; i++) await once()
      const after = await openHandles()
      expect(after <= before, `${after} handles are open where ${before} were`)
    })
  }

  checks.push({ name: 'declares itself as it is', run: async () => expectDeclared(provider) })
  return checks
}

async function plant(tree: string): Promise<void> {
  await fs.mkdir(path.join(tree, 'deep/er'), { recursive: true })
  await fs.writeFile(path.join(tree, 'file'), 'content')
  await fs.writeFile(path.join(tree, 'deep/er/file'), 'x'.repeat(100_000))
  await fs.writeFile(path.join(tree, 'runs'), '#!', { mode: 0o755 })
  await fs.symlink('file', path.join(tree, 'link'))
  await fs.utimes(path.join(tree, 'file'), 1_600_000_000, 1_600_000_001.5)
}

/** Everything at `at`, with what a backup keeps of it. The times of directories change when names come and go. */
async function described(at: string): Promise<readonly unknown[]> {
  const all: unknown[] = []
  const look = async (one: string, name: string): Promise<void> => {
    const { mode, uid, gid, mtimeMs, size } = await fs.lstat(one)
    const kind = mode & 0o170000
    const [file, directory, link] = [0o100000, 0o040000, 0o120000].map((type) => kind === type)
    const content = file ? (await fs.readFile(one)).toString('latin1') : link ? await fs.readlink(one) : ''
    all.push([name, mode, uid, gid, ...(file ? [mtimeMs, size] : []), content])
    if (!directory) return
    for (const child of (await fs.readdir(one)).sort()) await look(path.join(one, child), `${name}/${child}`)
  }
  await look(at, '.')
  return all
}

async function exists(at: string): Promise<boolean> {
  return fs.lstat(at).then(
    () => true,
    () => false,
  )
}
