/**
 * Progress of a backup in a browser, by server-sent events. Who closes the page stops the backup.
 *
 *     node examples/web-server.ts SOURCE CONTAINER [PORT]
 */
import { createServer, type ServerResponse } from 'node:http'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { backup, openRepository, openStorage, toRecord, treeSource } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [source, container, port = '0'] = process.argv.slice(2)
if (!source || !container) throw new Error('usage: web-server.ts SOURCE CONTAINER [PORT]')

await using storage = await openStorage(local, { container }, { create: true })
const repository = await openRepository({ storage, codecs: [zstd] }, true)

const page = `<!doctype html><title>Backup</title><button>Back up</button><pre></pre><script>
document.querySelector('button').onclick = () => {
  const events = new EventSource('backup'), show = ({ type, data }) => {
    document.querySelector('pre').textContent = type + ' ' + data
    if (type !== 'progress') events.close()
  }
  for (const type of ['progress', 'done', 'failed']) events.addEventListener(type, show)
}
</script>`

const server = createServer((request, response) => {
  if (request.url === '/backup') return void run(response)
  if (request.url === '/') return void response.setHeader('content-type', 'text/html').end(page)
  response.writeHead(404).end()
})

/** One backup, told to one browser. */
async function run(response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const send = (type: string, data: unknown) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`)
  try {
    const result = await backup(
      {
        repository,
        name: 'web',
        source: treeSource(source ?? ''),
        mode: { name: 'fs' },
        engine: tar,
        compression: { codec: zstd },
      },
      {
        signal: gone.signal,
        report: (event) => {
          if (event.type === 'progress') send('progress', event.progress)
        },
      },
    )
    send('done', result)
  } catch (error) {
    send('failed', toRecord(error))
  }
  response.end()
}

// Until SIGTERM or Ctrl-C.
const ended = Promise.withResolvers<void>()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ended.resolve())
server.listen(Number(port), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`http://127.0.0.1:${address?.port}/`)
})
await ended.promise
server.closeAllConnections()
server.close()
