// Engines that each break the contract in one way, and the check that must notice. An engine is loaded on a thread by
// its address, so the fault stands in the query of this module's: `wrong-engine.ts?fault=3`.
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  bytePath,
  compareDirectories,
  displayPath,
  type Engine,
  type EngineBackup,
  type EngineRestore,
  type Entry,
  type EntryReader,
  entryPath,
  Failure,
  isFailure,
  type TreeSource,
  type TreeTarget,
} from '@freezer/sdk'
import { engine as plainEngine } from '../../../core/templates/engine/src/index.ts'
import { readAll } from '../../../core/templates/engine/src/list.ts'

type Verbs = Pick<Engine, 'backup' | 'restore' | 'list'>

interface Fault {
  readonly wrong: string
  readonly caughtBy: string
  readonly verbs: Partial<Verbs>
}

const right: Verbs = plainEngine

/** The right backup, given a run that is changed. */
const backingUp = (change: (run: EngineBackup) => Partial<EngineBackup>): Partial<Verbs> => ({
  backup: (run) => right.backup({ ...run, ...change(run) }),
})

const restoring = (change: (run: EngineRestore) => Partial<EngineRestore>): Partial<Verbs> => ({
  restore: (run) => right.restore({ ...run, ...change(run) }),
})

/** Each entry as `change` makes it; undefined leaves it out of the index. */
const indexing = (change: (entry: Entry) => Entry | undefined): Partial<Verbs> =>
  backingUp(({ index }) => ({
    index: {
      add: (entry) => {
        const changed = change(entry)
        if (changed !== undefined) index.add(changed)
      },
    },
  }))

const reading = (reader: EntryReader, change: (entry: Entry) => Entry): EntryReader => ({
  peek: () => {
    const entry = reader.peek()
    return entry && change(entry)
  },
  next: () => reader.next(),
  more: () => reader.more(),
})

const bringing = (change: (entry: Entry) => Entry): Partial<Verbs> =>
  restoring(({ entries }) => ({ entries: reading(entries, change) }))

const targeting = (change: Partial<TreeTarget>): Partial<Verbs> =>
  restoring(({ target }) => ({ target: { ...(target as TreeTarget), ...change } }))

const excluding = (change: (patterns: readonly string[]) => readonly string[]): Partial<Verbs> =>
  backingUp(({ source }) => ({
    source: { ...(source as TreeSource), exclude: change((source as TreeSource).exclude) },
  }))

const warning = (verb: 'backup' | 'restore', act: (kind: string, message: string) => boolean) => {
  const change = ({ warn }: EngineBackup | EngineRestore): Pick<EngineBackup, 'warn'> => ({
    warn: (told) => {
      if (act(told.kind, told.message)) warn(told)
    },
  })
  return verb === 'backup' ? backingUp(change) : restoring(change)
}

/** Restores by whole paths, straight into the final file. */
async function careless(run: EngineRestore): Promise<void> {
  const root = (run.target as TreeTarget).path
  for (;;) {
    const entry = run.entries.peek()
    if (entry === undefined) {
      if (await run.entries.more()) continue
      return
    }
    run.entries.next()
    const { type, link, size, place } = entry
    const file = path.join(root, displayPath(entryPath(entry)))
    if (type === 'directory') {
      fs.mkdirSync(file, { recursive: true })
    } else if (type === 'symlink') {
      fs.symlinkSync(displayPath(link), file)
    } else {
      const fd = fs.openSync(file, 'w')
      for (let done = 0; done < size; ) {
        const bytes = await run.archive.at(place.level, place.offset + place.length - size + done)
        done += fs.writeSync(fd, bytes?.subarray(0, size - done) ?? Buffer.alloc(0))
      }
      fs.closeSync(fd)
    }
  }
}

/** Takes what is left when the run was aborted for a reason to wait. */
const lingering = (verb: 'backup' | 'restore'): Partial<Verbs> => {
  const run = async (work: Promise<void>): Promise<void> => {
    try {
      await work
    } catch (error) {
      await sleep(20_000)
      throw error
    }
  }
  return verb === 'backup'
    ? { backup: (given) => run(right.backup(given)) }
    : { restore: (given) => run(right.restore(given)) }
}

const walkOrder = (a: Entry, b: Entry): number =>
  compareDirectories(a.directory, b.directory) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

export const faults: readonly Fault[] = [
  {
    wrong: 'drops empty files',
    caughtBy: 'brings back files and directories of any name and size',
    verbs: indexing((entry) => (entry.type === 'file' && entry.size === 0 ? undefined : entry)),
  },
  {
    wrong: 'takes names for text',
    caughtBy: 'brings back files and directories of any name and size',
    verbs: bringing((entry) => ({ ...entry, name: bytePath(displayPath(entry.name)) })),
  },
  {
    wrong: 'forgets setuid',
    caughtBy: 'brings back files and directories of any name and size',
    verbs: bringing((entry) => ({ ...entry, mode: entry.mode & 0o777 })),
  },
  {
    wrong: 'forgets times before 1970',
    caughtBy: 'brings back files and directories of any name and size',
    verbs: bringing((entry) => ({ ...entry, mtime: Math.max(0, entry.mtime) })),
  },
  {
    wrong: 'forgets the time of directories',
    caughtBy: 'brings back the tree that it was given',
    verbs: bringing((entry) => (entry.type === 'directory' ? { ...entry, mtime: 0 } : entry)),
  },
  {
    wrong: 'sees a change by the modification time alone',
    caughtBy: 'brings back every level as it was',
    verbs: backingUp(({ previous, source }) => ({
      previous:
        previous &&
        reading(previous, (entry) => {
          const file = path.join((source as TreeSource).path, displayPath(entryPath(entry)))
          const stat = fs.lstatSync(file, { bigint: true, throwIfNoEntry: false })
          if (Number(stat?.mtimeMs) !== entry.mtime * 1000 + Math.floor(entry.mtimeNs / 1e6)) return entry
          const ctimeNs = Number((stat?.ctimeNs ?? 0n) % 1_000_000_000n)
          const ctime = Number((stat?.ctimeNs ?? 0n) / 1_000_000_000n)
          return { ...entry, ctime, ctimeNs, inode: Number(stat?.ino) }
        }),
    })),
  },
  {
    wrong: 'forgets that something was removed',
    caughtBy: 'brings back every level as it was',
    verbs: {
      async backup(run) {
        const before = await readAll(run.previous)
        const now = new Map<string, Entry>()
        const previous = [...before.values()]
        let fetched = false
        await right.backup({
          ...run,
          previous: run.previous && {
            peek: () => (fetched ? previous[0] : undefined),
            next: () => void previous.shift(),
            more: async () => !fetched && (fetched = true),
          },
          index: { add: (entry) => void now.set(entryPath(entry), entry) },
        })
        const all = new Map([...before, ...now]).values()
        for (const entry of [...all].sort(walkOrder)) run.index.add(entry)
      },
    },
  },
  {
    wrong: 'archives everything at every level',
    caughtBy: 'writes next to nothing, and keeps every place, when nothing changed',
    verbs: backingUp(() => ({ previous: undefined })),
  },
  {
    wrong: 'archives everything when something changed',
    caughtBy: 'writes again only what changed',
    verbs: backingUp(() => ({ previous: undefined })),
  },
  {
    wrong: 'leaves links out of the index',
    caughtBy: 'names every path once, in walk order and as it is',
    verbs: indexing((entry) => (entry.type === 'symlink' ? undefined : entry)),
  },
  {
    wrong: 'names entries as its directories come',
    caughtBy: 'names every path once, in walk order and as it is',
    verbs: {
      async backup(run) {
        const entries: Entry[] = []
        await right.backup({ ...run, index: { add: (entry) => void entries.push(entry) } })
        for (const entry of entries.sort((a, b) => (entryPath(a) < entryPath(b) ? -1 : 1)))
          run.index.add(entry)
      },
    },
  },
  {
    wrong: 'tells whole seconds of time alone',
    caughtBy: 'names every path once, in walk order and as it is',
    verbs: indexing((entry) => ({ ...entry, mtimeNs: 0 })),
  },
  {
    wrong: 'places records beyond the archive',
    caughtBy: 'places every record in the archive of a level, none over another',
    verbs: indexing((entry) => ({ ...entry, place: { ...entry.place, offset: entry.place.offset + 1e9 } })),
  },
  {
    wrong: 'places records over one another',
    caughtBy: 'places every record in the archive of a level, none over another',
    verbs: indexing((entry) => ({
      ...entry,
      place: { ...entry.place, length: entry.place.length + 1 },
    })),
  },
  {
    wrong: 'counts no directories',
    caughtBy: 'counts every entry and every byte',
    verbs: backingUp(({ count }) => ({
      count: (entries, bytes) => (bytes > 0 ? count(entries, bytes) : undefined),
    })),
  },
  {
    wrong: 'counts nothing that it restores',
    caughtBy: 'counts every entry and every byte',
    verbs: restoring(() => ({ count: () => {} })),
  },
  {
    wrong: 'excludes nothing',
    caughtBy: 'leaves out what is excluded',
    verbs: excluding(() => []),
  },
  {
    wrong: 'knows no patterns of several names',
    caughtBy: 'leaves out what is excluded',
    verbs: excluding((patterns) => patterns.filter((pattern) => !pattern.includes('/'))),
  },
  {
    wrong: 'takes the directory of a single file',
    caughtBy: 'takes a single file for its source',
    verbs: backingUp(({ source }) => {
      const tree = source as TreeSource
      const single = fs.lstatSync(tree.path).isFile()
      return { source: { ...tree, path: single ? path.dirname(tree.path) : tree.path } }
    }),
  },
  {
    wrong: 'takes a missing source for an empty one',
    caughtBy: 'fails when there is no source',
    verbs: {
      backup: (run) =>
        fs.existsSync((run.source as TreeSource).path) ? right.backup(run) : Promise.resolve(),
    },
  },
  {
    wrong: 'says nothing of what it cannot read',
    caughtBy: 'names what it cannot read, and keeps what the level below knew of it',
    verbs: warning('backup', (kind) => kind !== 'unread'),
  },
  {
    wrong: 'forgets what it cannot read',
    caughtBy: 'names what it cannot read, and keeps what the level below knew of it',
    verbs: indexing((entry) => (entry.name === 'known' && entry.place.level === 0 ? undefined : entry)),
  },
  {
    wrong: 'fails when something vanishes',
    caughtBy: 'goes on when something vanishes while it reads',
    verbs: warning('backup', (_kind, message) => {
      if (message.includes('vanished')) throw new Failure('source', message)
      return true
    }),
  },
  {
    wrong: 'says nothing of what changes',
    caughtBy: 'says what changed while it was read, and takes it again next time',
    verbs: warning('backup', (kind) => kind !== 'changed'),
  },
  {
    wrong: 'passes over sockets in silence',
    caughtBy: 'passes over a socket, and says so',
    verbs: warning('backup', (kind) => kind !== 'skipped'),
  },
  {
    wrong: 'overwrites unasked',
    caughtBy: 'leaves what is there, and says so, unless it may overwrite',
    verbs: targeting({ overwrite: 'always' }),
  },
  {
    wrong: 'leaves what is there in silence',
    caughtBy: 'leaves what is there, and says so, unless it may overwrite',
    verbs: warning('restore', () => false),
  },
  {
    wrong: 'never overwrites',
    caughtBy: 'replaces what is there when it may overwrite, and removes nothing else',
    verbs: targeting({ overwrite: false }),
  },
  {
    wrong: 'removes unasked',
    caughtBy: 'replaces what is there when it may overwrite, and removes nothing else',
    verbs: targeting({ remove: true }),
  },
  {
    wrong: 'never removes',
    caughtBy: 'removes what the backup lacks when it may',
    verbs: targeting({ remove: false }),
  },
  {
    wrong: 'fills damage with zeros',
    caughtBy: 'names what a damaged block took, and brings the rest back',
    verbs: restoring(({ archive }) => ({
      archive: {
        at: async (level, offset) => {
          try {
            return await archive.at(level, offset)
          } catch (error) {
            if (!isFailure(error) || error.code !== 'damaged') throw error
            return Buffer.alloc(2 ** 20)
          }
        },
      },
    })),
  },
  {
    wrong: 'gives up at the first damage',
    caughtBy: 'names what a damaged block took, and brings the rest back',
    verbs: warning('restore', (_kind, message) => {
      throw new Failure('damaged', message)
    }),
  },
  {
    wrong: 'forgets what was promised',
    caughtBy: 'refuses more content than was promised',
    verbs: restoring(() => ({ promised: Number.POSITIVE_INFINITY })),
  },
  {
    wrong: 'follows links of the target',
    caughtBy: 'writes nothing through a symbolic link that is in the target',
    verbs: { restore: careless },
  },
  {
    wrong: 'follows links of the archive',
    caughtBy: 'writes nothing through a symbolic link that the archive brings',
    verbs: { restore: careless },
  },
  {
    wrong: 'lingers after an abort of a backup',
    caughtBy: 'ends soon when a backup is aborted',
    verbs: lingering('backup'),
  },
  {
    wrong: 'lingers after an abort of a restore',
    caughtBy: 'ends soon when a restore is aborted, and leaves no half of a file',
    verbs: lingering('restore'),
  },
  {
    wrong: 'leaves half of a file',
    caughtBy: 'ends soon when a restore is aborted, and leaves no half of a file',
    verbs: { restore: careless },
  },
  {
    wrong: 'lists what is gone',
    caughtBy: 'lists an archive from its bytes alone',
    verbs: {
      async list(run) {
        const before = await readAll(run.previous)
        const listed = new Map<string, Entry>()
        await right.list({
          ...run,
          previous: undefined,
          index: { add: (entry) => void listed.set(entryPath(entry), entry) },
        })
        const all = new Map([...before, ...listed]).values()
        for (const entry of [...all].sort(walkOrder)) run.index.add(entry)
      },
    },
  },
]

const fault = new URL(import.meta.url).searchParams.get('fault')

/** The engine with fault number `at`. */
export function wrongEngine(at: number): Engine {
  return {
    ...plainEngine,
    ...faults[at]?.verbs,
    module: new URL(`?fault=${at}`, import.meta.url).href,
  }
}

export default { engines: [fault === null ? plainEngine : wrongEngine(Number(fault))] }
