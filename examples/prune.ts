/** Removes old backups; first shows what would go, and why: `node examples/prune.ts CONTAINER KEEP`. */
import { zstd } from '@freezer/codec-compress'
import { openRepository, openStorage, prune, type RetentionPolicy } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, keep] = process.argv.slice(2)
if (!container || !keep) throw new Error('usage: prune.ts CONTAINER KEEP')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [zstd] })
const policy: RetentionPolicy = { keepLast: Number(keep), keepMonthly: 12 }
const foreseen = await prune({ repository, policy, dryRun: true })
for (const { backup, keep: stays, reasons } of foreseen.decisions) {
  console.log(`${backup.id} ${stays ? 'stays' : 'goes'}: ${reasons.map(({ rule }) => rule).join(', ')}`)
}
const { removed, kept, freed } = await prune({ repository, policy })
console.log(`${removed} removed, ${kept} kept, ${freed} bytes freed`)
