/**
 * A script that backs up a stream (here, what a program writes) and reads it back into memory:
 *
 *     node examples/stream.ts CONTAINER
 */
import { spawn } from 'node:child_process'
import { zstd } from '@freezer/codec-compress'
import { stream } from '@freezer/engine-stream'
import { backup, openRepository, openStorage, readFile } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container = ''] = process.argv.slice(2)

/** An iteration that ends is a whole stream: so a program that fails must throw. */
async function* output(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const program = spawn(process.execPath, ['--version'], { stdio: ['ignore', 'pipe', 'inherit'], signal })
  const ended = new Promise<number | null>((resolve, reject) =>
    program.on('error', reject).on('exit', resolve),
  )
  // Met below; until then it must not count as unhandled.
  ended.catch(() => {})
  yield* program.stdout
  const status = await ended
  if (status !== 0) throw new Error(`the program ended with status ${status}`)
}

await using storage = await openStorage(local, { container }, { create: true })
const repository = await openRepository({ storage, codecs: [zstd] }, true)
const source = { kind: 'stream', name: 'version', open: output } as const
const { id } = await backup({
  repository,
  engine: stream,
  source,
  name: 'example',
  mode: { name: 'command' },
  compression: { codec: zstd },
})

const file = readFile({ repository, engines: [stream], backup: { id }, path: 'version' })
console.log(
  Buffer.concat(await Array.fromAsync(file))
    .toString()
    .trim(),
)
