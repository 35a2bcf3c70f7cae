/** Restores the newest backup, or a part of it: `node examples/restore.ts CONTAINER DESTINATION [PATH...]`. */
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { bytePath, openRepository, openStorage, restore, treeTarget } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, destination, ...paths] = process.argv.slice(2)
if (!container || !destination) throw new Error('usage: restore.ts CONTAINER DESTINATION [PATH...]')

await using storage = await openStorage(local, { container })
const result = await restore({
  repository: await openRepository({ storage, codecs: [zstd] }),
  engines: [tar],
  target: treeTarget(destination, { overwrite: 'if-changed' }),
  select: { paths: paths.map(bytePath), include: [], exclude: [] },
})
console.log(
  `${result.created} created, ${result.replaced} replaced, ${result.kept} kept, as of ${result.time}`,
)
// Damage and what could not be written are in the result, not thrown: the rest was restored.
if (result.damaged || result.unrestored > 0) process.exitCode = 1
