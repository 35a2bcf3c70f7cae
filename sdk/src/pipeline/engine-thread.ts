/** The thread on which an engine runs. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Warning } from '../contracts/context.ts'
import type { Engine } from '../contracts/engine.ts'
import { Failure, toRecord } from '../contracts/failures.ts'
import { type Plugin, providers } from '../contracts/plugin.ts'
import { PageWriter } from '../repository/entries.ts'
import type { EngineTask, FromEngine, ToEngine, TreeSize } from './engine-messages.ts'
import { ThreadArchiveReader, ThreadArchiveWriter, ThreadEntryReader } from './engine-streams.ts'

const port = parentPort
if (port === null) throw new Error('This module runs on a worker thread.')

const { module, engine: name, options, job, blockSize, blocks } = workerData as EngineTask
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
  post({ type: 'count', entries, bytes })
  entries = 0
  bytes = 0
}

const aborted = new AbortController()
const writer = new ThreadArchiveWriter(post, blockSize, blocks)
const archive = new ThreadArchiveReader(post)
const reader = new ThreadEntryReader(post, job.verb === 'restore')

port.on('message', (message: ToEngine) => {
  switch (message.type) {
    case 'space':
      writer.returned(message.bytes)
      break
    case 'page':
      reader.arrived(message.bytes)
      break
    case 'block':
      archive.arrived(message)
      break
    case 'abort': {
      const failure = new Failure('interrupted', 'Interrupted.')
      aborted.abort(failure)
      writer.fail(failure)
      reader.fail(failure)
      archive.fail(failure)
    }
  }
})

async function run(engine: Engine): Promise<TreeSize> {
  const common = {
    options: options as Parameters<Engine['backup']>[0]['options'],
    signal: aborted.signal,
    warn: (warning: Warning) => post({ type: 'warning', warning }),
    count,
  }
  if (job.verb === 'backup') {
    const index = new PageWriter((page) => post({ type: 'page', page }, [page.bytes.buffer]))
    await engine.backup({
      ...common,
      source: job.source,
      level: job.level,
      previous: job.previous ? reader : undefined,
      archive: writer,
      index,
    })
    writer.end()
    index.end()
    return { entries: index.entries, bytes: index.bytes }
  }
  await engine.restore({ ...common, target: job.target, promised: job.promised, entries: reader, archive })
  return { entries: 0, bytes: 0 }
}

try {
  const loaded = (await import(module)) as { default: Plugin }
  const engine = providers(loaded.default, 'engine').find((e) => e.name === name)
  if (engine === undefined) throw new Failure('plugin', `The module of engine ${name} does not hold it.`)
  const tree = await run(engine)
  sendCount()
  post({ type: 'done', tree })
} catch (error) {
  post({ type: 'failure', failure: toRecord(error) })
}
port.close()
