/** What `contracts/engine.ts` and `contracts/entry.ts` promise, as checks that any engine of trees can be put through. */
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { Engine } from '../src/contracts/engine.ts'
import { displayPath, type Entry, entryPath } from '../src/contracts/entry.ts'
import { checkOptions } from '../src/contracts/options.ts'
import { type Check, expect, expectEqual, expectFailure, noise } from './contract.ts'
import { container } from './engine-container.ts'
import { expectAbort, expectAsItIs, expectNamed, expectNone, expectPlaces } from './engine-expectations.ts'
import {
  type Archived,
  archiveTree,
  blockSize,
  bringTree,
  listArchive,
  type ReadyEngine,
  treeSource,
} from './engine-run.ts'
import { changes, makeSmallTree, makeVariedTree } from './engine-trees.ts'
import {
  contents,
  describeTree,
  link,
  makeDirectory,
  rawPath,
  remove,
  settleTimes,
  walk,
  write,
} from './small-tree.ts'
import { unprivileged } from './unprivileged.ts'

export interface EngineContractOptions {
  readonly engine: Engine
  /** Options of the engine; its defaults without it. */
  readonly options?: Readonly<Record<string, unknown>>
  /** Fills an empty directory with all that the engine can keep; one more round trip is made of that. */
  readonly makeTree?: (directory: string) => void | Promise<void>
  /**
   * All that a restore must bring back of a directory, by path (a byte string, '' for the directory itself). Without
   * it: type, mode, modification time in milliseconds, content and link target, as `node:fs` sees them.
   */
  readonly describe?: (directory: string) => Described | Promise<Described>
  /** False for an engine that declines to list an archive without its index. */
  readonly lists?: boolean
}

type Described = Readonly<Record<string, unknown>>

/** So long after a change the system's clock shows another time, in milliseconds. */
const clockTick = 60
/** What an archive may take that tells of no change, in bytes. */
const emptyArchive = 32 * 1024

/** The checks of the engine contract. They make and remove directories under the system's temporary directory. */
export function engineContract({
  engine,
  options = {},
  makeTree,
  describe = describeTree,
  lists = true,
}: EngineContractOptions): readonly Check[] {
  const ready: ReadyEngine = { engine, options: checkOptions(engine.options, options) }
  const checks: Check[] = []

  /** `run` gets a directory of its own. */
  function check(name: string, run: (scratch: string) => Promise<void>): void {
    checks.push({
      name,
      run: async () => {
        const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-engine-'))
        try {
          fs.chmodSync(scratch, 0o755)
          fs.mkdirSync(path.join(scratch, 'tree'))
          await run(scratch)
        } finally {
          fs.rmSync(scratch, { recursive: true })
        }
      },
    })
  }

  /** Waits until the clock has gone on, so that what was changed can be told from what changes next. */
  async function rest(tree: string): Promise<void> {
    settleTimes(tree)
    await sleep(clockTick)
  }

  async function archived(tree: string, below: readonly Archived[] = []): Promise<Archived> {
    await rest(tree)
    return archiveTree(ready, treeSource(tree), below)
  }

  async function expectSame(directory: string, described: Described, what: string): Promise<void> {
    const found = await describe(directory)
    for (const own of new Set([...Object.keys(described), ...Object.keys(found)])) {
      if (isDeepStrictEqual(found[own], described[own])) continue
      const [is, wanted] = [found[own], described[own]].map((value) => inspect(value, { breakLength: 1000 }))
      expect(false, `${what}: "${displayPath(own)}" is ${is} where ${wanted} was expected`)
    }
  }

  async function roundTrip(scratch: string, tree: string): Promise<void> {
    const store = container(ready)
    const backup = await store.backup(tree)
    expectNone(backup.warnings)
    const result = await store.restore(path.join(scratch, 'restored'))
    expectNone(result.warnings)
    expect(!result.damaged, 'the restore calls its own backup damaged')
    await expectSame(path.join(scratch, 'restored'), await describe(tree), 'restored')
  }

  check('brings back files and directories of any name and size', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    makeVariedTree(tree)
    await rest(tree)
    await roundTrip(scratch, tree)
  })

  if (makeTree !== undefined) {
    check('brings back the tree that it was given', async (scratch) => {
      const tree = path.join(scratch, 'tree')
      await makeTree(tree)
      if (describe === describeTree) settleTimes(tree)
      await sleep(clockTick)
      await roundTrip(scratch, tree)
    })
  }

  check('brings back every level as it was', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    const store = container(ready)
    const moments: { time: string; described: Described }[] = []
    makeSmallTree(tree)
    for (const change of [() => {}, ...changes]) {
      change(tree)
      await rest(tree)
      const { time, level } = await store.backup(tree)
      expectEqual(level, moments.length, 'level')
      moments.push({ time, described: await describe(tree) })
    }
    for (const [level, { time, described }] of moments.entries()) {
      const directory = path.join(scratch, `level-${level}`)
      expectNone((await store.restore(directory, time)).warnings)
      await expectSame(directory, described, `level ${level}`)
    }
  })

  check('writes next to nothing, and keeps every place, when nothing changed', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    makeSmallTree(tree)
    const whole = await archived(tree)
    const again = await archived(tree, [whole])
    expect(
      again.archive.length <= emptyArchive,
      `${again.archive.length} bytes were written where nothing had changed`,
    )
    expectEqual(places(again), places(whole), 'places')
  })

  check('writes again only what changed', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    makeSmallTree(tree)
    const whole = await archived(tree)
    write(tree, 'documents/letter', noise(1000, 77))
    const next = await archived(tree, [whole])
    expect(next.archive.length <= emptyArchive, `${next.archive.length} bytes were written for 1000 bytes`)
    for (const entry of next.entries) {
      if (entry.type !== 'file') continue
      const own = entryPath(entry)
      expectEqual(entry.place.level, own === 'documents/letter' ? 1 : 0, `level of "${own}"`)
    }
  })

  check('names every path once, in walk order and as it is', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    makeVariedTree(tree)
    const { entries } = await archived(tree)
    expectEqual(entries.map(entryPath), walk(tree), 'paths of the index')
    for (const entry of entries) expectAsItIs(entry, tree)
  })

  check('places every record in the archive of a level, none over another', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    const chain: Archived[] = []
    makeSmallTree(tree)
    for (const change of [() => {}, ...changes]) {
      change(tree)
      chain.push(await archived(tree, chain))
      expectPlaces(chain)
    }
  })

  check('counts every entry and every byte', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    makeSmallTree(tree)
    const whole = await archived(tree)
    expectEqual(whole.counted, whole.tree, 'counted by the backup')
    const { counted } = await bringTree(ready, [whole], path.join(scratch, 'restored'))
    expectEqual(counted, whole.tree, 'counted by the restore')
  })

  check('leaves out what is excluded', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    const kept = ['cache.txt', 'a/kept', 'a/b/kept', 'logs', 'xyz']
    const left = ['x.log', 'a/y.log', 'a/cache/inside', 'cache/deep/inside', 'a/b/one7', 'p/some/q', 'r/s/t']
    for (const name of [...kept, ...left]) write(tree, name, name)
    await rest(tree)
    const patterns = ['*.log', 'cache', 'one?', 'p*q', 's/t']
    const whole = await archiveTree(ready, treeSource(tree, patterns))
    const files = whole.entries.filter(({ type }) => type === 'file').map(entryPath)
    expectEqual(files.sort(), kept.sort(), `files that ${patterns.join(', ')} leave`)
    const directories = whole.entries.filter(({ type }) => type === 'directory').map(entryPath)
    expectEqual(directories.sort(), ['', 'a', 'a/b', 'p', 'p/some', 'r', 'r/s'], 'directories')
    expectNone(whole.warnings)
  })

  check('takes a single file for its source', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    write(tree, 'alone', noise(200_000))
    write(tree, 'other', 'other')
    await rest(tree)
    const chain = [await archiveTree(ready, treeSource(path.join(tree, 'alone')))]
    write(tree, 'alone', noise(100_000, 3))
    await rest(tree)
    chain.push(await archiveTree(ready, treeSource(path.join(tree, 'alone')), chain))
    for (const { entries } of chain) expectEqual(entries.map(entryPath).at(-1), 'alone', 'last path')
    const restored = path.join(scratch, 'restored')
    await bringTree(ready, chain, restored)
    const { alone } = contents(tree)
    expectEqual(contents(restored), { '': 'directory', ...(alone && { alone }) }, 'what was restored')
  })

  check('fails when there is no source', async (scratch) => {
    const missing = treeSource(path.join(scratch, 'tree', 'missing'))
    await expectFailure(
      ['source', 'not-found'],
      () => archiveTree(ready, missing),
      'a source that is missing',
    )
  })

  check('names what it cannot read, and keeps what the level below knew of it', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    fs.chmodSync(tree, 0o755)
    for (const name of ['known', 'open', 'shut/inside']) write(tree, name, `old ${name}`)
    const whole = await archived(tree)
    for (const name of ['known', 'open', 'unknown']) write(tree, name, `new ${name}`)
    settleTimes(tree)
    for (const name of ['known', 'unknown', 'shut']) fs.chmodSync(rawPath(tree, name), 0)
    await sleep(clockTick)
    // The first question about the level below comes when all code is loaded, which may need privileges.
    const next = await unprivileged((drop) =>
      archiveTree(ready, treeSource(tree), [whole], { onMore: drop }),
    ).finally(() => fs.chmodSync(rawPath(tree, 'shut'), 0o755))
    expectNamed(next.warnings, 'unread', ['known', 'unknown', 'shut'])
    const level = (own: string) => next.entries.find((entry) => entryPath(entry) === own)?.place.level
    expectEqual(level('open'), 1, 'level of what can be read')
    expectEqual(level('known'), 0, 'level of what was known')
    expectEqual(level('shut/inside'), 0, 'level of what lies in a directory that cannot be read')
    expectEqual(level('unknown'), undefined, 'level of what was never read')
    const restored = path.join(scratch, 'restored')
    await bringTree(ready, [whole, next], restored)
    expectEqual(
      readFiles(restored),
      {
        known: 'old known',
        open: 'new open',
        'shut/inside': 'old shut/inside',
      },
      'restored',
    )
  })

  check('goes on when something vanishes while it reads', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    write(tree, 'a', noise(8 * blockSize))
    for (const name of ['b', 'c', 'd/inside', 'e/inside']) write(tree, name, name)
    const before = contents(tree)
    await rest(tree)
    const onBlock = (number: number): void => {
      if (number === 0) for (const name of ['b', 'd']) remove(tree, name)
    }
    const whole = await archiveTree(ready, treeSource(tree), [], { onBlock })
    const restored = path.join(scratch, 'restored')
    const { warnings } = await bringTree(ready, [whole], restored)
    expectNone(warnings)
    const found = contents(restored)
    expectEqual(found, pick(before, Object.keys(found)), 'what is in the backup')
    const missing = Object.keys(contents(tree)).filter((own) => !(own in found))
    expectEqual(missing, [], 'what stayed and is not in the backup')
  })

  check('says what changed while it was read, and takes it again next time', async (scratch) => {
    const changing = {
      shrinks: (file: string) => fs.truncateSync(file, 1000),
      grows: (file: string) => fs.appendFileSync(file, noise(3 * blockSize, 9)),
    }
    for (const [how, change] of Object.entries(changing)) {
      const tree = path.join(scratch, how)
      write(tree, how, noise(8 * blockSize))
      for (const name of ['z', 'd/z']) write(tree, name, name)
      await rest(tree)
      const onBlock = (number: number): void => {
        if (number === 0) change(path.join(tree, how))
      }
      const whole = await archiveTree(ready, treeSource(tree), [], { onBlock })
      expectNamed(whole.warnings, 'changed', [how])
      const restored = path.join(scratch, `${how}-0`)
      expectNone((await bringTree(ready, [whole], restored)).warnings)
      const beside = ['', 'd', 'd/z', 'z']
      expectEqual(Object.keys(contents(restored)).sort(), [...beside, how].sort(), 'paths')
      expectEqual(pick(contents(restored), beside), pick(contents(tree), beside), 'what does not change')
      const chain = [whole, await archived(tree, [whole])]
      await bringTree(ready, chain, path.join(scratch, `${how}-1`))
      expectEqual(contents(path.join(scratch, `${how}-1`)), contents(tree), `the level after a file ${how}`)
    }
  })

  check('passes over a socket, and says so', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    write(tree, 'file', 'file')
    const server = net.createServer()
    try {
      await new Promise<void>((resolve) => server.listen(path.join(tree, 'socket'), resolve))
      const whole = await archived(tree)
      expectEqual(whole.entries.map(entryPath), ['', 'file'], 'paths of the index')
      expectNamed(whole.warnings, 'skipped', ['socket'])
    } finally {
      server.close()
    }
  })

  /** A tree, its backup, and a target in which other things have some of its names. */
  async function occupied(scratch: string) {
    const tree = path.join(scratch, 'tree')
    const target = path.join(scratch, 'target')
    for (const name of ['file', 'behind', 'free', 'directory/inside', 'both/new']) write(tree, name, name)
    link(tree, 'link', 'file')
    write(scratch, 'victim', 'victim')
    for (const name of ['file', 'link', 'directory', 'both/old', 'extra', 'more/extra'])
      write(target, name, `other ${name}`)
    link(target, 'behind', path.join(scratch, 'victim'))
    return { tree, target, whole: await archived(tree) }
  }

  check('leaves what is there, and says so, unless it may overwrite', async (scratch) => {
    const { tree, target, whole } = await occupied(scratch)
    const before = contents(target)
    const { warnings } = await bringTree(ready, [whole], target)
    expectNamed(warnings, 'unrestored', ['file', 'link', 'behind', 'directory'])
    const added = pick(contents(tree), ['free', 'both/new'])
    expectEqual(contents(target), { ...before, ...added }, 'target')
    expectEqual(fs.readFileSync(path.join(scratch, 'victim'), 'utf8'), 'victim', 'file outside the target')
  })

  check('replaces what is there when it may overwrite, and removes nothing else', async (scratch) => {
    const { tree, target, whole } = await occupied(scratch)
    const extra = pick(contents(target), ['both/old', 'extra', 'more', 'more/extra'])
    const { warnings } = await bringTree(ready, [whole], target, { overwrite: true })
    expectNone(warnings)
    expectEqual(contents(target), { ...contents(tree), ...extra }, 'target')
    expectEqual(fs.readFileSync(path.join(scratch, 'victim'), 'utf8'), 'victim', 'file outside the target')
  })

  check('removes what the backup lacks when it may', async (scratch) => {
    const { tree, target, whole } = await occupied(scratch)
    makeDirectory(scratch, 'outside')
    write(scratch, 'outside/precious', 'precious')
    link(target, 'leads-out', path.join(scratch, 'outside'))
    const { warnings } = await bringTree(ready, [whole], target, { overwrite: true, remove: true })
    expectNone(warnings)
    await expectSame(target, await describe(tree), 'target')
    expectEqual(readFiles(path.join(scratch, 'outside')), { precious: 'precious' }, 'outside the target')
  })

  check('names what a damaged block took, and brings the rest back', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    const names = Array.from({ length: 8 }, (_, at) => `directory/file-${at}`)
    for (const [at, name] of names.entries()) write(tree, name, noise(600_000, at + 1))
    for (const name of ['small', 'directory/zz/small']) write(tree, name, name)
    await rest(tree)
    const store = container(ready)
    await store.backup(tree)
    const [, blob] = [...store.blobs].find(([key]) => key.includes('/data.')) ?? []
    const middle = (blob?.length ?? 0) >> 1
    if (blob !== undefined) blob[middle] = (blob[middle] ?? 0) ^ 1
    const restored = path.join(scratch, 'restored')
    const { warnings, damaged } = await store.restore(restored)
    expect(damaged, 'the engine did not read the block that is damaged')
    const lost = warnings.filter(({ kind }) => kind === 'unrestored').map((warning) => warning.path)
    expect(lost.length > 0, 'a damaged block took something, and no warning says what')
    expect(lost.length <= 3, `one damaged block took ${lost.length} files: ${lost.join(', ')}`)
    const described = Object.entries(await describe(tree)).filter(([own]) => !lost.includes(own))
    await expectSame(restored, Object.fromEntries(described), 'beside the damage')
  })

  check('refuses more content than was promised', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    for (const [at, name] of ['a', 'b', 'c'].entries()) write(tree, name, noise(100_000, at + 1))
    const whole = await archived(tree)
    const promised = whole.tree.bytes - 1
    const run = () => bringTree(ready, [whole], path.join(scratch, 'restored'), { promised })
    await expectFailure(['hostile'], run, 'content that outgrows its promise')
  })

  /** Restores; a refusal is as good as a warning where nothing outside may change. */
  async function restoreBeside(
    scratch: string,
    chain: readonly Archived[],
    target: string,
    { overwrite, entries }: { overwrite: boolean; entries?: readonly Entry[] },
  ): Promise<void> {
    const outside = path.join(scratch, 'outside')
    const before = describeTree(outside)
    await bringTree(ready, chain, target, {
      overwrite,
      remove: overwrite,
      ...(entries && { entries, promised: 2 ** 30 }),
    }).catch(() => {})
    expectEqual(describeTree(outside), before, 'outside the target')
  }

  check('writes nothing through a symbolic link that is in the target', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    for (const name of ['directory/inside', 'directory/new', 'file']) write(tree, name, name)
    fs.chmodSync(path.join(tree, 'directory'), 0o700)
    const whole = await archived(tree)
    write(scratch, 'outside/inside', 'precious')
    write(scratch, 'outside/file', 'precious')
    for (const overwrite of [false, true]) {
      const target = path.join(scratch, `target-${overwrite}`)
      makeDirectory(target, '')
      link(target, 'directory', path.join(scratch, 'outside'))
      link(target, 'file', path.join(scratch, 'outside/file'))
      await restoreBeside(scratch, [whole], target, { overwrite })
    }
  })

  check('writes nothing through a symbolic link that the archive brings', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    write(tree, 'way/inside', 'evil')
    write(scratch, 'outside/inside', 'precious')
    const chain = [await archived(tree)]
    remove(tree, 'way')
    link(tree, 'way', path.join(scratch, 'outside'))
    chain.push(await archived(tree, chain))
    const [below, top] = chain.map(({ entries }) => entries)
    // The link and what lies under its name: no honest index holds both.
    const forged = [...(top ?? []), ...(below?.filter(({ directory }) => directory === 'way') ?? [])]
    expectEqual(forged.map(entryPath), ['', 'way', 'way', 'way/inside'], 'forged paths')
    for (const overwrite of [false, true]) {
      await restoreBeside(scratch, chain, path.join(scratch, `target-${overwrite}`), {
        overwrite,
        entries: forged,
      })
    }
  })

  check('ends soon when a backup is aborted', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    for (let at = 0; at < 6; at++) write(tree, `f${at}`, noise(4 * blockSize, at + 1))
    await rest(tree)
    await expectAbort((abort, signal) =>
      archiveTree(ready, treeSource(tree), [], {
        signal,
        onBlock: (number) => void (number === 3 && abort()),
      }),
    )
  })

  check('ends soon when a restore is aborted, and leaves no half of a file', async (scratch) => {
    const tree = path.join(scratch, 'tree')
    for (let at = 0; at < 6; at++) write(tree, `f${at}`, noise(4 * blockSize, at + 1))
    const whole = await archived(tree)
    const restored = path.join(scratch, 'restored')
    let needed = 0
    await expectAbort((abort, signal) =>
      bringTree(ready, [whole], restored, { signal, onNeed: () => void (++needed === 11 && abort()) }),
    )
    const found = contents(restored)
    expectEqual(found, pick(contents(tree), Object.keys(found)), 'what is there after the abort')
  })

  if (lists) {
    check('lists an archive from its bytes alone', async (scratch) => {
      const tree = path.join(scratch, 'tree')
      const chain: Archived[] = []
      makeSmallTree(tree)
      for (const change of [() => {}, ...changes]) {
        change(tree)
        const next = await archived(tree, chain)
        chain.push(next)
        const listed = await listArchive(ready, chain)
        expectEqual(facts(listed), facts(next.entries), `level ${chain.length - 1}`)
      }
    })
  } else {
    check('declines to list', async (scratch) => {
      const tree = path.join(scratch, 'tree')
      write(tree, 'file', 'file')
      const whole = await archived(tree)
      await expectFailure(['plugin'], () => listArchive(ready, [whole]), 'listing')
    })
  }

  return checks
}

const places = ({ entries }: Archived) => entries.map((entry) => [entryPath(entry), entry.place])

const facts = (entries: readonly Entry[]) =>
  entries.map((entry) => ({ path: entryPath(entry), type: entry.type, link: entry.link, place: entry.place }))

function pick(from: Record<string, string>, names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, from[name]]))
}

function readFiles(directory: string): Record<string, string> {
  const files = walk(directory).filter((own) => fs.lstatSync(rawPath(directory, own)).isFile())
  return Object.fromEntries(files.map((own) => [own, fs.readFileSync(rawPath(directory, own), 'utf8')]))
}
