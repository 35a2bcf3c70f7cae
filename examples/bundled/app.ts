/** A program that is going to be bundled, see build.ts: backs up and restores, encrypted. */
import { fsMode } from '@freezer/mode-fs'
import { backup, openRepository, openStorage, restore, treeSource, wholeContext } from '@freezer/sdk'
import { local } from '@freezer/storage-local'
import { compression, encryption, engine } from './plugins.ts'

const [source, container, destination] = process.argv.slice(2)
if (!source || !container || !destination) throw new Error('usage: app.js SOURCE CONTAINER DESTINATION')

await using storage = await openStorage(local, { container }, { create: true })
const passphrase = Buffer.from('only an example')
const repository = await openRepository({ storage, codecs: [compression, encryption], passphrase }, true)
const made = await backup({
  repository,
  name: 'bundled',
  source: treeSource(source),
  mode: { name: fsMode.name },
  engine,
  compression: { codec: compression },
  encryption: { codec: encryption },
})
const result = await restore({
  repository,
  engines: [engine],
  // Refuses a directory that is not empty, as the program does.
  target: ({ mode: { facts } }) =>
    fsMode.target({ destination, overwrite: false, remove: false }, facts, wholeContext()),
})
console.log(`${made.entries} entries backed up, ${result.created} restored`)
