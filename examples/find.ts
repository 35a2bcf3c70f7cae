/** Finds paths in all backups, with their versions: `node examples/find.ts CONTAINER PATTERN`. */
import { zstd } from '@freezer/codec-compress'
import { displayPath, findEntries, openRepository, openStorage } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, pattern] = process.argv.slice(2)
if (!container || !pattern) throw new Error('usage: find.ts CONTAINER PATTERN')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [zstd] })
for await (const { path, versions } of findEntries(repository, { pattern })) {
  console.log(displayPath(path))
  for (const { entry, backups } of versions) {
    console.log(`  ${entry.size} bytes, in the backups of ${backups.map(({ time }) => time).join(', ')}`)
  }
}
