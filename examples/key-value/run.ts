/**
 * Backs up a key-value store by a mode of our own, and restores it into another: `node examples/key-value/run.ts CONTAINER`.
 * Somebody writes to it meanwhile, and has to wait until the copy is made.
 */
import { zstd } from '@freezer/codec-compress'
import { stream } from '@freezer/engine-stream'
import { backupResources, openRepository, openStorage, restore, wholeContext } from '@freezer/sdk'
import { local } from '@freezer/storage-local'
import { keyValueMode } from './mode.ts'
import { startKeyValueServer } from './server.ts'

const [container] = process.argv.slice(2)
if (!container) throw new Error('usage: run.ts CONTAINER')

await using shop = await startKeyValueServer()
for (let i = 0; i < 1000; i++) shop.values.set(`article ${i}`, { price: i, stock: 7 })

await using storage = await openStorage(local, { container }, { create: true })
const repository = await openRepository({ storage, codecs: [zstd] }, true)
let writing: Promise<unknown> | undefined
const results = backupResources(
  {
    repository,
    name: 'shop',
    mode: { mode: keyValueMode, options: { keyValueUrl: shop.url } },
    engine: { engine: stream },
    compression: { codec: zstd },
    maxLock: 60,
  },
  {
    report: () => {
      if (shop.held) writing ??= fetch(`${shop.url}/values/late`, { method: 'PUT', body: '1' })
    },
  },
)
for await (const { bytes, locked = 0 } of results) {
  console.log(`${bytes} bytes backed up, held for less than ${Math.ceil(locked)} s`)
}
await writing

await using other = await startKeyValueServer()
await restore({
  repository,
  engines: [stream],
  name: 'shop',
  target: ({ mode: { facts } }) =>
    keyValueMode.target({ destination: other.url, overwrite: false, remove: false }, facts, wholeContext()),
})
console.log(`${other.values.size} values restored; ${shop.values.size} are there now`)
