/** Backs up a directory: `node examples/backup.ts SOURCE CONTAINER`. Run again, it stores what changed. */
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { backup, openRepository, openStorage, treeSource } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [source, container] = process.argv.slice(2)
if (!source || !container) throw new Error('usage: backup.ts SOURCE CONTAINER')

await using storage = await openStorage(local, { container }, { create: true })
const repository = await openRepository({ storage, codecs: [zstd] }, true)
const made = await backup(
  {
    repository,
    name: 'example',
    source: treeSource(source, { exclude: ['*.tmp'] }),
    mode: { name: 'fs' },
    engine: tar,
    compression: { codec: zstd, options: { zstdLevel: 9 } },
    levels: { maxLevel: 6 },
  },
  {
    signal: AbortSignal.timeout(3_600_000),
    report: (event) => {
      if (event.type === 'warning') console.error(`${event.warning.path}: ${event.warning.message}`)
    },
  },
)
console.log(`${made.id} level ${made.level}: ${made.entries} entries, ${made.stored} bytes stored`)
