/**
 * Backs up a stream of bytes, here standard input, and gives it back:
 *
 *     pg_dump shop | node examples/stream.ts backup CONTAINER
 *     node examples/stream.ts restore CONTAINER | psql shop
 *
 * A program that fails looks like one that ended. Who starts it from the script itself sees its exit status, and throws where
 * the stream ends: then there is no backup.
 */
import { once } from 'node:events'
import { zstd } from '@freezer/codec-compress'
import { stream } from '@freezer/engine-stream'
import { backup, openRepository, openStorage, restore } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [verb, container] = process.argv.slice(2)
if ((verb !== 'backup' && verb !== 'restore') || !container) {
  throw new Error('usage: stream.ts backup|restore CONTAINER')
}

await using storage = await openStorage(local, { container }, { create: verb === 'backup' })
const repository = await openRepository({ storage, codecs: [zstd] }, verb === 'backup')

if (verb === 'backup') {
  const { bytes, stored } = await backup({
    repository,
    name: 'input',
    source: { kind: 'stream', name: 'input', open: () => process.stdin },
    mode: { name: 'stream' },
    engine: stream,
    compression: { codec: zstd },
  })
  console.log(`${bytes} bytes backed up, ${stored} stored`)
} else {
  const { damaged } = await restore({
    repository,
    engines: [stream],
    target: {
      kind: 'stream',
      write: async (chunks) => {
        for await (const chunk of chunks) {
          if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
        }
      },
    },
  })
  if (damaged) process.exitCode = 6
}
