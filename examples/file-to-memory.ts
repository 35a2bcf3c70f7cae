/**
 * Brings one file back into memory, as it was at a moment, and nothing to the disk:
 *
 *     node examples/file-to-memory.ts CONTAINER PATH [DATE]
 */
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { bytePath, openRepository, openStorage, readFile } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, path, date] = process.argv.slice(2)
if (!container || !path) throw new Error('usage: file-to-memory.ts CONTAINER PATH [DATE]')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [zstd] })
const backup = date === undefined ? 'latest' : { before: new Date(date) }
const chunks = await Array.fromAsync(readFile({ repository, engines: [tar], backup, path: bytePath(path) }))
const settings: unknown = JSON.parse(Buffer.concat(chunks).toString())
console.log(settings)
