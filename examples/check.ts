/** Reads a container to its last byte and says whether everything can be restored: `node examples/check.ts CONTAINER`. */
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { checkContainer, openRepository, openStorage } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container] = process.argv.slice(2)
if (!container) throw new Error('usage: check.ts CONTAINER')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [zstd] })
const report = await checkContainer({ repository, engines: [tar], data: 'all' })
for (const { id, files, whole } of report.damaged) {
  console.log(`${id} is damaged: ${whole ? 'nothing of it can be restored' : files.join(', ')}`)
}
console.log(
  `${report.backups} backups, ${report.blocks} blocks read, ${report.damaged.length} backups damaged`,
)
process.exitCode = report.damaged.length === 0 ? 0 : 1
