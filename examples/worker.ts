/**
 * The whole SDK on a thread of its own, so that the main thread stays free for its users:
 *
 *     node examples/worker.ts SOURCE CONTAINER
 *
 * Results and events are plain data: they cross threads as they are. An abort crosses as a message.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import {
  type BackupResult,
  backup,
  type FailureRecord,
  fromRecord,
  openRepository,
  openStorage,
  type RunEvent,
  toRecord,
  treeSource,
} from '@freezer/sdk'
import { local } from '@freezer/storage-local'

type Message =
  | { readonly event: RunEvent }
  | { readonly result: BackupResult }
  | { readonly failure: FailureRecord }

if (isMainThread) {
  const [source, container] = process.argv.slice(2)
  if (!source || !container) throw new Error('usage: worker.ts SOURCE CONTAINER')
  const { promise, resolve, reject } = Promise.withResolvers<BackupResult>()
  let ticks = 0
  const clock = setInterval(() => ticks++, 1)
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { source, container },
    // Its threads inherit this: engines open files by calls of the C library, which Node would wonder about.
    trackUnmanagedFds: false,
  })
  process.once('SIGINT', () => worker.postMessage('abort', []))
  worker.on('error', reject)
  worker.on('message', (message: Message) => {
    if ('result' in message) resolve(message.result)
    if ('failure' in message) reject(fromRecord(message.failure))
  })
  const { entries, stored } = await promise.finally(() => clearInterval(clock))
  console.log(`${entries} entries, ${stored} bytes stored, while the main thread did ${ticks} other things`)
} else {
  const { source, container } = workerData as { source: string; container: string }
  const send = (message: Message) => parentPort?.postMessage(message, [])
  const stop = new AbortController()
  parentPort?.once('message', () => stop.abort())
  const context = { signal: stop.signal, report: (event: RunEvent) => send({ event }) }
  try {
    await using storage = await openStorage(local, { container }, { create: true }, context)
    const repository = await openRepository({ storage, codecs: [zstd] }, true)
    const result = await backup(
      {
        repository,
        name: 'worker',
        source: treeSource(source),
        mode: { name: 'fs' },
        engine: tar,
        compression: { codec: zstd },
      },
      context,
    )
    send({ result })
  } catch (error) {
    send({ failure: toRecord(error) })
  }
  parentPort?.close()
}
