/**
 * Backs up a ledger with a mode of its own, from a snapshot where there can be one, while others write to it:
 *
 *     node examples/held-backup.ts LEDGER CONTAINER
 *
 * The mode holds the lock of the ledger until the snapshot is made; without one, until everything was read.
 */
import path from 'node:path'
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import { backupResources, type Context, openRepository } from '@freezer/sdk'
import { btrfs } from '@freezer/snapshot-btrfs'
import { local } from '@freezer/storage-local'
import { ledgerMode } from './ledger-mode.ts'

const [ledger, container] = process.argv.slice(2).map((word) => path.resolve(word))
if (ledger === undefined || container === undefined) {
  console.error('usage: held-backup.ts LEDGER CONTAINER')
  process.exit(2)
}

const context: Context = {
  signal: AbortSignal.timeout(600_000),
  report: (event) => {
    if (event.type === 'log' && event.level !== 'debug') console.error(event.message)
  },
  now: Date.now,
}

const storage = await local.open({ container }, context, { create: true })
try {
  const backups = backupResources(
    {
      repository: () => openRepository({ storage, codecs: [zstd], signal: context.signal }, true),
      mode: { mode: ledgerMode, options: { ledger } },
      engine: { engine: tar },
      snapshot: { providers: [{ provider: btrfs, options: {} }], required: false },
      maxLock: 30,
      host: 'example',
      name: 'ledger',
      compression: { codec: zstd, options: {} },
      levels: { incremental: true },
    },
    context,
  )
  for await (const { id, level, snapshot = 'no snapshot', locked = 0 } of backups) {
    console.log(`backup ${id}: level ${level}, ${snapshot}, held still for ${locked.toFixed(3)} s`)
  }
} finally {
  await storage.close?.()
}
