/** Lists the backups in a container, oldest first: `node examples/list.ts CONTAINER`. */
import { describeContainer, listBackups, openRepository, openStorage } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container] = process.argv.slice(2)
if (!container) throw new Error('usage: list.ts CONTAINER')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [] })
for await (const one of listBackups(repository)) {
  // A manifest that cannot be read hides no other backup.
  if ('failure' in one) console.log(`${one.manifest} is damaged: ${one.failure.message}`)
  else console.log(`${one.id} ${one.time} ${one.host} ${one.name} level ${one.level} ${one.bytes} bytes`)
}
const { backups, encrypted } = await describeContainer(repository)
console.log(`${backups} backups, ${encrypted ? 'encrypted' : 'not encrypted'}`)
