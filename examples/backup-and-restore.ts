/**
 * A script that backs up a directory and restores it, with plugins passed as objects:
 *
 *     node examples/backup-and-restore.ts SOURCE CONTAINER DESTINATION
 */
import path from 'node:path'
import compress from '@freezer/codec-compress'
import encrypt from '@freezer/codec-encrypt'
import tar from '@freezer/engine-tar'
import { backup, type Context, openRepository, restore } from '@freezer/sdk'
import local from '@freezer/storage-local'

const [source, container, destination] = process.argv.slice(2).map((word) => path.resolve(word))
if (source === undefined || container === undefined || destination === undefined) {
  console.error('usage: backup-and-restore.ts SOURCE CONTAINER DESTINATION')
  process.exit(2)
}

const [engine] = tar.engines ?? []
const [driver] = local.storages ?? []
const codecs = [...(compress.codecs ?? []), ...(encrypt.codecs ?? [])]
const zstd = codecs.find((codec) => codec.name === 'zstd')
const gcm = codecs.find((codec) => codec.name === 'aes-256-gcm')
if (engine === undefined || driver === undefined || zstd === undefined || gcm === undefined) {
  throw new Error('A plugin lacks what it should provide.')
}

const context: Context = {
  signal: AbortSignal.timeout(600_000),
  report: (event) => {
    if (event.type === 'warning') console.error(`${event.warning.path}: ${event.warning.message}`)
  },
  now: Date.now,
}

const storage = await driver.open({ container }, context, { create: true })
try {
  const passphrase = Buffer.from('only an example')
  const repository = await openRepository({ storage, codecs, passphrase, signal: context.signal }, true)
  const stored = await backup(
    {
      repository,
      engine,
      source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
      host: 'example',
      name: 'example',
      mode: { name: 'fs', facts: {} },
      compression: { codec: zstd, options: {} },
      encryption: { codec: gcm, options: {} },
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
      engines: [engine],
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
