/**
 * A script that backs up a directory and restores it, with plugins passed as objects:
 *
 *     node examples/backup-and-restore.ts SOURCE CONTAINER DESTINATION
 */
import path from 'node:path'
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import { backup, type Context, openRepository, restore } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [source, container, destination] = process.argv.slice(2).map((word) => path.resolve(word))
if (source === undefined || container === undefined || destination === undefined) {
  console.error('usage: backup-and-restore.ts SOURCE CONTAINER DESTINATION')
  process.exit(2)
}

const context: Context = {
  signal: AbortSignal.timeout(600_000),
  report: (event) => {
    if (event.type === 'warning') console.error(`${event.warning.path}: ${event.warning.message}`)
  },
  now: Date.now,
}

const storage = await local.open({ container }, context, { create: true })
try {
  const passphrase = Buffer.from('only an example')
  const repository = await openRepository(
    { storage, codecs: [zstd, aes256Gcm], passphrase, signal: context.signal },
    true,
  )
  const stored = await backup(
    {
      repository,
      engine: tar,
      source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
      host: 'example',
      name: 'example',
      mode: { name: 'fs', facts: {} },
      compression: { codec: zstd, options: {} },
      encryption: { codec: aes256Gcm, options: {} },
      levels: { incremental: true },
    },
    context,
  )
  console.log(
    `backup ${stored.id}: level ${stored.level}, ${stored.entries} entries, ${stored.stored} bytes stored`,
  )

  const restored = await restore(
    {
      repository,
      engines: [tar],
      target: () => ({ kind: 'tree', path: destination, overwrite: false, remove: false }),
      host: 'example',
      name: 'example',
    },
    context,
  )
  console.log(`restored ${restored.entries} entries, ${restored.bytes} bytes, as of ${restored.time}`)
} finally {
  await storage.close?.()
}
