/**
 * A prune that kills itself: `node killed-prune.ts CONTAINER K` sends SIGKILL to its own process at its K-th storage call,
 * before the call does anything; K after the last call is a whole prune. Keeps the newest backup. Prints the number
 * of calls.
 */
import process from 'node:process'
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { openRepository, prune, quietContext } from '@freezer/sdk'
import { faultyStorage } from '@freezer/sdk/testing'
import { local } from '@freezer/storage-local'

const [container, at] = process.argv.slice(2)
if (container === undefined || at === undefined) throw new Error('usage: CONTAINER K')

let calls = 0
const context = quietContext()
const storage = faultyStorage(await local.open({ container }, context, { create: false }), [], (call) => {
  calls = call
  if (call === Number(at)) process.kill(process.pid, 'SIGKILL')
})
const passphrase = Buffer.from('a passphrase')
const repository = await openRepository(
  { storage, codecs: [zstd, aes256Gcm], passphrase, signal: context.signal },
  false,
)
await prune({ repository, policy: { keepLast: 1 } }, context)
console.log(calls)
