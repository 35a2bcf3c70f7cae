/** Lists a directory of the newest backup: `node examples/ls.ts CONTAINER [PATH]`. Reads the index, no data. */
import { zstd } from '@freezer/codec-compress'
import {
  bytePath,
  displayPath,
  entryPath,
  listEntries,
  openBackup,
  openRepository,
  openStorage,
} from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, path = ''] = process.argv.slice(2)
if (!container) throw new Error('usage: ls.ts CONTAINER [PATH]')

await using storage = await openStorage(local, { container })
await using opened = await openBackup(await openRepository({ storage, codecs: [zstd] }))
for await (const entry of listEntries(opened, { path: bytePath(path) })) {
  console.log(`${entry.type} ${entry.size} ${displayPath(entryPath(entry))}`)
}
