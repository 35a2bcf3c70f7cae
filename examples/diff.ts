/** Shows what changed between the two newest backups: `node examples/diff.ts CONTAINER`. */
import { zstd } from '@freezer/codec-compress'
import {
  diffBackups,
  displayPath,
  entryPath,
  listBackups,
  openBackup,
  openRepository,
  openStorage,
} from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container] = process.argv.slice(2)
if (!container) throw new Error('usage: diff.ts CONTAINER')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [zstd] })
const backups = await Array.fromAsync(listBackups(repository))
const [older, newer] = backups.filter((one) => 'id' in one).slice(-2)
if (older === undefined || newer === undefined) throw new Error('There are no two backups.')

await using before = await openBackup(repository, { id: older.id })
await using after = await openBackup(repository, { id: newer.id })
for await (const difference of diffBackups({ before, after })) {
  const entry = difference.change === 'removed' ? difference.before : difference.after
  const aspects = difference.change === 'changed' ? ` (${difference.aspects.join(', ')})` : ''
  console.log(`${difference.change} ${displayPath(entryPath(entry)) || '.'}${aspects}`)
}
