/**
 * Changes the passphrase of an encrypted container, and the key under which new backups are written:
 *
 *     node examples/keys.ts CONTAINER
 */
import { aes256Gcm } from '@freezer/codec-encrypt'
import { addKey, listKeys, openRepository, openStorage, removeKey, rotateKey } from '@freezer/sdk'
import { local } from '@freezer/storage-local'

const [container] = process.argv.slice(2)
if (!container) throw new Error('usage: keys.ts CONTAINER')

await using storage = await openStorage(local, { container }, { create: true })
const open = (passphrase: string) =>
  openRepository({ storage, codecs: [aes256Gcm], passphrase: Buffer.from(passphrase) }, true)

const repository = await open('the old one')
const old = (await listKeys(repository)).keys.find(({ opened }) => opened)
await addKey(repository, { kind: 'passphrase', bytes: Buffer.from('the new one') })
// A key that is opened with another one can be removed; the one at hand would be refused if it were the last.
const renewed = await open('the new one')
if (old !== undefined) await removeKey(renewed, { id: old.id })
await rotateKey(renewed, {})
for (const { kind, state, opened } of (await listKeys(await open('the new one'))).keys) {
  console.log(`${kind} ${state}${opened ? ', opens the container' : ''}`)
}
