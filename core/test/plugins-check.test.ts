import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { freezer, scratchDirectory } from './support.ts'

const scratch = scratchDirectory()
const environment = { FREEZER_DATA_DIR: join(scratch, 'data') }
const local = '@freezer/storage-local'

test('plugins check puts a storage through its contract, in a container that it names', async () => {
  const words = ['plugins', 'check', local, '--set', `container=${join(scratch, 'checked')}`]
  const { status, stdout } = await freezer(words, environment)
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^ok {4}storage local: gives back what was put, of any size$/m)
  assert.match(stdout, /^All \d\d checks passed\.$/m)
  // It left the container empty, so that it can be checked again.
  const again = await freezer(words, environment)
  assert.equal(again.status, 0, again.stderr)
})

test('plugins check blames no mode for options with which there is nothing', async () => {
  const words = ['plugins', 'check', '@freezer/mode-fs', '--set', `path-to-backup=${join(scratch, 'none')}`]
  const { status, stdout, stderr } = await freezer(words, environment)
  assert.equal(status, 4, stderr)
  assert.doesNotMatch(stdout, /FAIL/)
  assert.doesNotMatch(stderr, /author/)
})

test('plugins check says where a secret is set', async () => {
  const words = ['plugins', 'check', '@freezer/storage-s3', '--set', 'secret-key=x']
  assert.match((await freezer(words, environment)).stderr, /set FREEZER_SECRET_KEY\.$/m)
})

test('no plugin is begun under a name of Freezer itself', async () => {
  const words = ['plugins', 'create', 'storage', 'local', '--dir', join(scratch, 'local')]
  const { status, stderr } = await freezer(words, environment)
  assert.equal(status, 2)
  assert.match(
    stderr,
    /storage local is one of Freezer's own, in @freezer\/storage-local\. Choose another name/,
  )
})

test('plugins install names a file that is not there', async () => {
  const { status, stderr } = await freezer(['plugins', 'install', join(scratch, 'none.tgz')], environment)
  assert.equal(status, 4)
  assert.equal(stderr, `freezer: There is no file ${join(scratch, 'none.tgz')}. Check the path.\n`)
})

test('plugins link says what a plugin needs that was not built; update, that a linked one needs nothing', async () => {
  const folder = join(scratch, 'linked')
  mkdirSync(folder)
  const manifest = {
    name: 'linked',
    version: '1.0.0',
    type: 'module',
    exports: './index.js',
    freezer: { api: '1.0', provides: { notifier: ['linked'] } },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const unbuilt = await freezer(['plugins', 'link', folder], environment)
  assert.equal(unbuilt.status, 12)
  assert.match(unbuilt.stderr, /Build it with "npm run build"/)
  const notifier = '{ name: "linked", description: "x", options: {}, notify: async () => {} }'
  writeFileSync(join(folder, 'index.js'), `export default { notifiers: [${notifier}] }`)
  const linked = await freezer(['plugins', 'link', folder], environment)
  assert.equal(linked.status, 0, linked.stderr)
  const update = await freezer(['plugins', 'update', 'linked'], environment)
  assert.equal(update.status, 2)
  assert.match(update.stderr, /linked is used from .*, where it was linked\. Build/)
  writeFileSync(join(scratch, 'lock'), '{ "format": 1, "plugins": [] }')
  const listed = await freezer(['plugins', 'list', '--plugin-lock', join(scratch, 'lock')], environment)
  assert.match(listed.stdout, /^linked +1\.0\.0 +linked +nothing: refused$/m)
})

test('plugins check takes options from the environment, and says which one is missing', async () => {
  const container = join(scratch, 'full')
  mkdirSync(container)
  const full = await freezer(['plugins', 'check', local], { ...environment, FREEZER_CONTAINER: '/proc/none' })
  assert.notEqual(full.status, 0)
  const missing = await freezer(['plugins', 'check', local], environment)
  assert.equal(missing.status, 2)
  assert.match(missing.stderr, /--set container=VALUE is required/)
  const none = await freezer(['plugins', 'check', local, '--provider', 'oven'], environment)
  assert.match(none.stderr, /provides nothing of that name\. It provides local/)
})

test('plugins check names what a package lacks', async () => {
  const folder = join(scratch, 'package')
  mkdirSync(folder)
  const check = () => freezer(['plugins', 'check', folder], environment)
  assert.equal((await check()).status, 4)
  const manifest = (content: object) => writeFileSync(join(folder, 'package.json'), JSON.stringify(content))
  manifest({ name: 'x', version: '1.0.0' })
  assert.match((await check()).stderr, /is no plugin: it has no "freezer" member/)
  const freezerMember = { api: '1.0', provides: { codec: ['x'] } }
  manifest({ name: 'x', version: '1.0.0', type: 'module', exports: './index.js', freezer: freezerMember })
  const unbuilt = await check()
  assert.equal(unbuilt.status, 12)
  assert.match(unbuilt.stderr, /x: it cannot be loaded: Cannot find module .*index\.js/)
  writeFileSync(join(folder, 'index.js'), 'export default { codecs: [{ name: "x" }] }')
  assert.match((await check()).stderr, /the codec "x" has no description/)
})
