/**
 * A script that backs up a directory, encrypted, and restores it, with plugins passed as objects:
 *
 *     node examples/backup-and-restore.ts SOURCE CONTAINER DESTINATION
 */
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import { backup, openRepository, openStorage, restore, treeSource, treeTarget } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [source, container, destination] = process.argv.slice(2)
if (!source || !container || !destination) {
  throw new Error('usage: backup-and-restore.ts SOURCE CONTAINER DESTINATION')
}

await using storage = await openStorage(local, { container }, { create: true })
const passphrase = Buffer.from('only an example')
const repository = await openRepository({ storage, codecs: [zstd, aes256Gcm], passphrase }, true)
const stored = await backup({
  repository,
  name: 'example',
  source: treeSource(source),
  mode: { name: 'fs' },
  engine: tar,
  compression: { codec: zstd },
  encryption: { codec: aes256Gcm },
})
console.log(
  `backup ${stored.id}: level ${stored.level}, ${stored.entries} entries, ${stored.stored} bytes stored`,
)

const restored = await restore({
  repository,
  engines: [tar],
  target: treeTarget(destination),
  name: 'example',
})
console.log(`restored ${restored.entries} entries, ${restored.bytes} bytes, as of ${restored.time}`)
if (restored.damaged || restored.unrestored > 0) process.exitCode = 1
