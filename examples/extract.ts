/** Sums of all files of the newest backup, as sha256sum prints them: `node examples/extract.ts CONTAINER`. */
import { createHash } from 'node:crypto'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { displayPath, entryPath, extract, openRepository, openStorage } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container] = process.argv.slice(2)
if (!container) throw new Error('usage: extract.ts CONTAINER')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [zstd] })
for await (const { entry, failure, content } of extract({ repository, engines: [tar], backup: 'latest' })) {
  if (failure !== undefined) throw failure
  if (entry.type !== 'file') continue
  const sum = createHash('sha256')
  for await (const chunk of content()) sum.update(chunk)
  console.log(`${sum.digest('hex')}  ${displayPath(entryPath(entry))}`)
}
