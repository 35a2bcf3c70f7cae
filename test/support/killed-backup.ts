/**
 * A backup that kills itself: `node killed-backup.ts SOURCE CONTAINER K` sends SIGKILL to its own process at its K-th storage
 * call, before the call does anything; K after the last call is a whole backup. Prints the number of calls.
 */
import process from 'node:process'
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import { backup, openRepository, quietContext } from '@freezer/sdk'
import { faultyStorage } from '@freezer/sdk/testing'
import { local } from '@freezer/storage-local'

const [source, container, at] = process.argv.slice(2)
if (source === undefined || container === undefined) throw new Error('usage: SOURCE CONTAINER K')

let calls = 0
const context = quietContext()
const storage = faultyStorage(await local.open({ container }, context, { create: true }), [], (call) => {
  calls = call
  if (call === Number(at)) process.kill(process.pid, 'SIGKILL')
})
const passphrase = Buffer.from('a passphrase')
const repository = await openRepository(
  { storage, codecs: [zstd, aes256Gcm], passphrase, signal: context.signal },
  true,
)
await backup(
  {
    repository,
    engine: tar,
    source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
    host: 'h',
    name: 'n',
    mode: { name: 'fs', facts: {} },
    compression: { codec: zstd, options: {} },
    encryption: { codec: aes256Gcm, options: {} },
    levels: { incremental: true },
    segmentSize: 1_500_000,
  },
  context,
)
console.log(calls)
