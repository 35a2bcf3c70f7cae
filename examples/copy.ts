/** Copies all backups to another container, encrypted there: `node examples/copy.ts CONTAINER OTHER`. */
import { zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { copyBackups, openRepository, openStorage } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container, other] = process.argv.slice(2)
if (!container || !other) throw new Error('usage: copy.ts CONTAINER OTHER')

const codecs = [zstd, aes256Gcm]
await using source = await openStorage(local, { container })
await using destination = await openStorage(local, { container: other }, { create: true })
const result = await copyBackups({
  from: await openRepository({ storage: source, codecs }),
  to: await openRepository(
    { storage: destination, codecs, passphrase: Buffer.from('only an example') },
    true,
  ),
  encryption: { codec: aes256Gcm, always: true },
})
for (const { id, outcome, failure } of result.backups) console.log(`${id} ${failure?.message ?? outcome}`)
process.exitCode = result.failed === 0 ? 0 : 1
