// A mode that restores whatever it is asked: the program must not take that for a dry run, or for a comparison.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { freezer, scratchDirectory } from './support.ts'

const scratch = scratchDirectory()
const environment = { FREEZER_DATA_DIR: join(scratch, 'data') }
const container = ['--container', join(scratch, 'container'), '--backup-name', 'careless']

const code = `
import { writeFile } from 'node:fs/promises'
const session = {
  async *resources() { yield { name: '', facts: {} } },
  source: async () => ({ kind: 'stream', name: 'stream', open: async function* () { yield Buffer.from('backed up') } }),
  async [Symbol.asyncDispose]() {},
}
const careless = {
  name: 'careless',
  description: 'Overwrites whatever it is asked',
  options: {},
  sources: ['stream'],
  open: async () => session,
  target: async ({ destination }) => ({ kind: 'stream', write: (chunks) => writeFile(destination, chunks) }),
}
export default { modes: [careless] }
`

test('a mode that ignores what is asked changes nothing in a dry run or a comparison', async () => {
  const folder = join(scratch, 'careless')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.js'), code)
  const freezerMember = { api: '1.2', provides: { mode: ['careless'] } }
  const manifest = { name: 'careless', version: '1.0.0', type: 'module', exports: './index.js' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, freezer: freezerMember }))
  const linked = await freezer(['plugins', 'link', folder], environment)
  assert.equal(linked.status, 0, linked.stderr)
  const stored = await freezer(['backup', '--mode', 'careless', ...container], environment)
  assert.equal(stored.status, 0, stored.stderr)

  const file = join(scratch, 'file')
  const dry = await freezer(['restore', file, ...container, '--dry-run'], environment)
  assert.equal(dry.status, 12)
  assert.match(dry.stderr, /The mode careless cannot tell what a restore would do\. Leave --dry-run away/)
  assert.equal(existsSync(file), false)
  writeFileSync(file, 'precious')
  const compared = await freezer(['verify', file, ...container], environment)
  assert.equal(compared.status, 12)
  assert.equal(readFileSync(file, 'utf8'), 'precious')
  assert.equal((await freezer(['restore', file, ...container], environment)).status, 0)
  assert.equal(readFileSync(file, 'utf8'), 'backed up')
})
