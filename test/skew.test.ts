// Plugins as they were built for the oldest version of the contracts, with their own copy of the sdk of then, work with
// the newest program; those of a newer version are refused alone.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { apiVersion } from '@freezer/sdk'
import { runIn } from './support/packages.ts'
import { checkout, type Ended, programFile, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('skew')
after(scratch.remove)
const at = (...parts: readonly string[]) => path.join(scratch.path, ...parts)
const fixtures = path.join(checkout, 'test', 'fixtures', 'plugins-of-api-1.0')
const environment = { ...process.env, FREEZER_DATA_DIR: at('data') }
const freezer = (...words: readonly string[]) =>
  runIn(checkout, environment, process.execPath, programFile, ...words)

function succeeded(ended: Ended): string {
  assert.equal(ended.status, 0, ended.stdout + ended.stderr)
  assert.equal(ended.stderr, '')
  return ended.stdout
}

const tree = at('tree')
fs.mkdirSync(path.join(tree, 'sub'), { recursive: true })
fs.writeFileSync(path.join(tree, 'file'), 'content')
fs.writeFileSync(path.join(tree, 'sub', 'large'), Buffer.alloc(3_000_000, 'abc'))

const container = ['--storage', 'local-old', '--container', at('container')]

test('plugins made for 1.0 link, and back up, check, copy and restore with this program', async () => {
  for (const name of ['storage-old', 'archive-old']) {
    succeeded(await freezer('plugins', 'link', path.join(fixtures, name)))
  }
  const how = ['--engine', 'plain-old', '--compression', 'gzip-old', '-N', 'tree']
  succeeded(await freezer('backup', tree, ...container, ...how))
  fs.writeFileSync(path.join(tree, 'later'), 'more')
  fs.rmSync(path.join(tree, 'file'))
  const second = JSON.parse(
    succeeded(await freezer('backup', tree, ...container, ...how, '--json', '--no-progress')),
  )
  assert.equal(second.level ?? second.backup?.level, 1)
  const target = at('target')
  succeeded(await freezer('restore', target, ...container, '-N', 'tree'))
  const found = fs.readdirSync(target, { recursive: true, encoding: 'utf8' }).sort()
  assert.deepEqual(found, ['later', 'sub', 'sub/large'])
  assert.deepEqual(fs.readFileSync(path.join(target, 'sub', 'large')), Buffer.alloc(3_000_000, 'abc'))
  succeeded(await freezer('check', ...container))
  succeeded(await freezer('copy', ...container, '--to-container', at('copied')))
  succeeded(await freezer('check', '--container', at('copied')))
  succeeded(await freezer('prune', ...container, '--keep-last', '1'))
})

test('a failure of another copy of the sdk keeps its code and its words', async () => {
  const missing = ['--storage', 'local-old', '--container', at('none')]
  const ended = await freezer('list', ...missing)
  assert.equal(ended.status, 4)
  assert.match(ended.stderr, /none/)
  assert.doesNotMatch(ended.stderr, /defect/)
})

test('the codec made for 1.0 passes the contract of today', async () => {
  const words = ['plugins', 'check', 'freezer-archive-old', '--provider', 'gzip-old']
  assert.match(succeeded(await freezer(...words)), /^All \d+ checks passed\.$/m)
})

const [major, minor] = apiVersion.split('.').map(Number) as [number, number]

for (const api of [`${major}.${minor + 1}`, `${major + 1}.0`]) {
  test(`a plugin made for ${api} is refused alone, with what to do`, async () => {
    const folder = at(`newer-${api}`)
    fs.cpSync(path.join(fixtures, 'storage-old'), folder, { recursive: true })
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
    manifest.name = `freezer-newer-${api}`
    manifest.freezer = { api, provides: { storage: ['newer'], oven: ['hot'] } }
    fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest))
    const refused = await freezer('plugins', 'link', folder)
    assert.equal(refused.status, 12)
    assert.match(
      refused.stderr,
      new RegExp(`made for API ${api}, this Freezer has ${apiVersion}.*Update Freezer`),
    )

    // Linked by an earlier, or newer, Freezer.
    const list = at('data', 'package.json')
    const before = fs.readFileSync(list, 'utf8')
    const listed = JSON.parse(before)
    listed.oclif.plugins.push({ name: manifest.name, type: 'link', root: folder })
    fs.writeFileSync(list, JSON.stringify(listed))
    const others = await freezer('list', ...container)
    assert.equal(others.status, 0)
    assert.match(others.stderr, new RegExp(`freezer-newer-${api} was refused: it was made for API ${api}`))
    fs.writeFileSync(list, before)
  })
}

/** What every other plugin meets when one is broken in this way. */
const broken: Record<string, [code: string, words: RegExp]> = {
  'throws when it is loaded': ['throw new Error("boom")', /cannot be loaded: boom/],
  'ends the program when it is loaded': ['process.exit(0)', /tries to end the program/],
  'waits for ever when it is loaded': [
    'await new Promise(() => {})',
    /not finished loading after 10 seconds/,
  ],
  'does not export what it promises': [
    'export default {}',
    /promises the codec "bad", its code does not provide it/,
  ],
  'has no such file': ['', /cannot be loaded: Cannot find module/],
}

for (const [what, [code, words]] of Object.entries(broken)) {
  test(`a plugin that ${what} disturbs no other one`, async () => {
    const folder = at(`broken ${what}`)
    fs.mkdirSync(folder)
    const freezerMember = { api: '1.0', provides: { codec: ['bad'] } }
    const manifest = {
      name: 'freezer-bad',
      version: '1.0.0',
      type: 'module',
      exports: './index.js',
      freezer: freezerMember,
    }
    fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest))
    if (code !== '') fs.writeFileSync(path.join(folder, 'index.js'), code)
    const list = at('data', 'package.json')
    const before = fs.readFileSync(list, 'utf8')
    const listed = JSON.parse(before)
    listed.oclif.plugins.push({ name: 'freezer-bad', type: 'link', root: folder })
    fs.writeFileSync(list, JSON.stringify(listed))
    const [used, help, others] = await Promise.all([
      freezer('backup', tree, '-N', 'x', '--container', at('x'), '--compression', 'bad'),
      freezer('backup', '--help'),
      freezer('list', ...container),
    ])
    fs.writeFileSync(list, before)
    assert.equal(used.status, 12)
    assert.match(used.stderr, words)
    assert.match(used.stderr, /freezer-bad/)
    assert.equal(others.status, 0, others.stderr)
    assert.match(others.stdout, /tree/)
    assert.equal(help.status, 0)
    assert.match(help.stdout, /^CODEC ZSTD FLAGS$/m)
    assert.match(help.stderr, /freezer-bad was refused/)
  })
}
