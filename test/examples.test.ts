// The examples run.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { checkout, run, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('examples')
after(scratch.remove)

test('first-backup, which is npm start', async () => {
  const ended = await run(process.execPath, [path.join(checkout, 'examples', 'first-backup.ts')])
  assert.equal(ended.status, 0, ended.stderr)
  assert.match(ended.stdout, /both trees are equal/)
})

test('backup-and-restore', async () => {
  const [container, target] = ['container', 'target'].map((name) => path.join(scratch.path, name))
  const program = path.join(checkout, 'examples', 'backup-and-restore.ts')
  const ended = await run(process.execPath, [
    program,
    path.join(checkout, 'docs'),
    container ?? '',
    target ?? '',
  ])
  assert.equal(ended.status, 0, ended.stderr)
  assert.deepEqual(fs.readdirSync(target ?? ''), fs.readdirSync(path.join(checkout, 'docs')))
})
