/**
 * A nightly backup for cron: quiet when all is well, one line for each problem, the exit statuses of the program, and an
 * end when the machine is shut down. Prunes when the backup is there.
 *
 *     15 2 * * *  node /opt/backup/cron.ts /srv /mnt/backups
 */
import { zstd } from '@freezer/codec-compress'
import { tar } from '@freezer/engine-tar'
import {
  asFailure,
  backup,
  exitStatus,
  Failure,
  openRepository,
  openStorage,
  prune,
  type RunEvent,
  treeSource,
} from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())

const report = (event: RunEvent): void => {
  if (event.type === 'warning') console.error(`${event.warning.path}: ${event.warning.message}`)
  if (event.type === 'log' && event.level === 'warn') console.error(event.message)
}

try {
  const [source, container] = process.argv.slice(2)
  if (!source || !container) throw new Failure('usage', 'cron.ts SOURCE CONTAINER')
  const context = { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(6 * 3_600_000)]), report }
  await using storage = await openStorage(local, { container }, { create: true }, context)
  const repository = await openRepository({ storage, codecs: [zstd], signal: context.signal }, true)
  const { unread, name, host } = await backup(
    {
      repository,
      name: 'nightly',
      source: treeSource(source, { oneFileSystem: true }),
      mode: { name: 'fs' },
      engine: tar,
      compression: { codec: zstd },
      levels: { maxLevel: 6 },
    },
    context,
  )
  await prune({ repository, name, host, policy: { keepDaily: 14, keepMonthly: 12 } }, context)
  if (unread > 0) throw new Failure('incomplete', `${unread} files could not be read.`)
} catch (error) {
  const { message, remedy = '' } = asFailure(error)
  console.error(`backup: ${message} ${remedy}`)
  // 9 when the storage does not answer: worth another try; 3 when files are missing; …
  process.exitCode = exitStatus(error)
}
