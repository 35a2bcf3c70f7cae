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
