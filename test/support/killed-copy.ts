/**
 * A copy that kills itself: `node killed-copy.ts CONTAINER TO K` sends SIGKILL to its own process at the K-th storage call
 * to the container that it copies to, before the call does anything.
 */
import process from 'node:process'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { copyBackups, quietContext } from '@freezer/sdk'
import { faultyStorage } from '@freezer/sdk/testing'
import { openContainer } from './containers.ts'

const [container, destination, at] = process.argv.slice(2)
if (container === undefined || destination === undefined) throw new Error('usage: CONTAINER TO K')

const from = await openContainer(container)
const to = await openContainer(destination, 'other', (storage) =>
  faultyStorage(storage, [], (call) => {
    if (call === Number(at)) process.kill(process.pid, 'SIGKILL')
  }),
)
await copyBackups({ from, to, encryption: { codec: aes256Gcm, options: {}, always: false } }, quietContext())
