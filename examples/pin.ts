/** Keeps a backup whatever the rules say: `node examples/pin.ts CONTAINER ID`. An id may be the beginning of one. */
import { chooseBackup, listPins, openRepository, openStorage, pinBackup } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, id] = process.argv.slice(2)
if (!container || !id) throw new Error('usage: pin.ts CONTAINER ID')

await using storage = await openStorage(local, { container })
const repository = await openRepository({ storage, codecs: [] })
const { manifest } = await chooseBackup(repository, { id })
await pinBackup(repository, manifest.id)
for (const pinned of await listPins(repository)) console.log(pinned)
