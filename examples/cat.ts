/** Writes one file of the newest backup to standard output, chunk by chunk: `node examples/cat.ts CONTAINER PATH`. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { bytePath, openRepository, openStorage, readFile } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, path] = process.argv.slice(2)
if (!container || !path) throw new Error('usage: cat.ts CONTAINER PATH')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [zstd] })
const content = readFile({ repository, engines: [tar], backup: 'latest', path: bytePath(path) })
await pipeline(Readable.from(content, { objectMode: false }), process.stdout)
