/** The thread on which an engine runs. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Warning } from '../contracts/context.ts'
import type { Action, Engine, TreeDifference } from '../contracts/engine.ts'
import type { Entry } from '../contracts/entry.ts'
import { Failure, toRecord } from '../contracts/failures.ts'
import { type Plugin, providers } from '../contracts/plugin.ts'
import { PageWriter } from '../repository/entries.ts'
import { ThreadEntryTarget } from './engine-entries.ts'
import type {
  ActionCounts,
  EngineStart,
  EngineTask,
  FromEngine,
  ToEngine,
  Told,
  TreeSize,
} from './engine-messages.ts'
import { ThreadStream } from './engine-source.ts'
import { ThreadArchiveReader, ThreadArchiveWriter, ThreadEntryReader } from './engine-streams.ts'

const port = parentPort
if (port === null) throw new Error('This module runs on a worker thread.')

const start = workerData as EngineStart
const post = (message: FromEngine, transfer: readonly ArrayBuffer[] = []): void => {
  port.postMessage(message, transfer)
}

/** Counts go out in lots: a message for each file would cost more than the file. */
const countLot = { entries: 500, bytes: 2 * 2 ** 20 }
let entries = 0
let bytes = 0
function count(moreEntries: number, moreBytes: number): void {
  entries += moreEntries
  bytes += moreBytes
  if (entries >= countLot.entries || bytes >= countLot.bytes) sendCount()
}
function sendCount(): void {
  if (Object.keys(counts).length > 0) {
    post({ type: 'told', counts, told })
    counts = {}
    told = []
  }
  post({ type: 'count', entries, bytes })
  entries = 0
  bytes = 0
}

let counts: ActionCounts = {}
let told: Told[] = []
/** What is told goes out with the counts, or when there is much of it. */
function tell(action: Action, path: string, differs: readonly TreeDifference[], listing: boolean): void {
  counts[action] = (counts[action] ?? 0) + 1
  // That nothing differs is no news.
  if (listing && action !== 'same') told.push([action, path, differs])
  if (told.length >= countLot.entries) sendCount()
}

async function load(): Promise<Engine> {
  const loaded = (await import(start.module)) as { default: Plugin }
  const engine = providers(loaded.default, 'engine').find((e) => e.name === start.engine)
  if (engine === undefined)
    throw new Failure('plugin', `The module of engine ${start.engine} does not hold it.`)
  await engine.prepare?.()
  return engine
}

const loading = load()
// Met when the task comes.
loading.catch(() => {})

async function run({ job, options, blockSize, blocks }: EngineTask): Promise<TreeSize> {
  const engine = await loading
  const aborted = new AbortController()
  const writer = new ThreadArchiveWriter(post, blockSize, blocks)
  const archive = new ThreadArchiveReader(post)
  const reader = new ThreadEntryReader(post, job.verb === 'restore')
  const wanted = job.verb === 'restore' && job.target.kind === 'entries' && job.target.content
  const entryTarget = new ThreadEntryTarget(post, wanted)
  const stream = new ThreadStream(post)
  serve = (message) => {
    switch (message.type) {
      case 'space':
        return writer.returned(message.bytes)
      case 'filled':
        return stream.arrived(message.bytes)
      case 'page':
        return reader.arrived(message.bytes)
      case 'block':
        return archive.arrived(message)
      case 'lot taken':
        return entryTarget.taken()
      case 'left':
        return entryTarget.leave(message.entry)
      case 'abort': {
        const failure = new Failure('interrupted', 'Interrupted.')
        aborted.abort(failure)
        for (const one of [writer, reader, archive, entryTarget, stream]) one.fail(failure)
      }
    }
  }
  const common = {
    options: options as Parameters<Engine['backup']>[0]['options'],
    signal: aborted.signal,
    warn: (warning: Warning) => post({ type: 'warning', warning }),
    count,
  }
  if (job.verb === 'restore') {
    const { promised, listing } = job
    const target = job.target.kind === 'tree' ? job.target : entryTarget
    const telling = (action: Action, path: string, differs: readonly TreeDifference[] = []) =>
      tell(action, path, differs, listing)
    const expect = (needed: (entry: Entry) => number) => reader.expect(needed)
    await engine.restore({ ...common, target, promised, entries: reader, archive, expect, tell: telling })
    entryTarget.finish()
    return { entries: 0, bytes: 0 }
  }
  const index = new PageWriter((page) => post({ type: 'page', page }, [page.bytes.buffer]))
  const previous = job.previous ? reader : undefined
  if (job.verb === 'list') {
    const cut = (failure: Failure) => post({ type: 'cut', failure: toRecord(failure) })
    await engine.list({ ...common, level: job.level, previous, archive, index, cut })
    index.end()
    return { entries: index.entries, bytes: index.bytes }
  }
  const source = job.source.kind === 'tree' ? job.source : { ...job.source, open: () => stream.open() }
  await engine.backup({ ...common, source, level: job.level, previous, archive: writer, index })
  writer.end()
  index.end()
  return { entries: index.entries, bytes: index.bytes }
}

async function perform(task: EngineTask): Promise<void> {
  try {
    const tree = await run(task)
    sendCount()
    post({ type: 'done', tree })
  } catch (error) {
    post({ type: 'failure', failure: toRecord(error) })
  }
  port?.close()
}

let serve: (message: ToEngine) => void = (message) => {
  if (message.type === 'abort') port.close()
}
port.on('message', (message: ToEngine) => {
  if (message.type === 'task') void perform(message.task)
  else serve(message)
})
