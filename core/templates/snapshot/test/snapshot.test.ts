import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { snapshot } from '../src/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'snapshot-'))
after(() => rmSync(scratch, { recursive: true }))

const path = join(scratch, 'data')
mkdirSync(path)
const context = { signal: new AbortController().signal, report: () => {}, now: Date.now }

test('shows one moment, also after a run that was killed, and is gone afterwards', async () => {
  writeFileSync(join(path, 'file'), 'killed')
  const killed = await snapshot.create(path, {}, context)
  writeFileSync(join(path, 'file'), 'before')
  let shown = ''
  {
    await using frozen = await snapshot.create(path, {}, context)
    assert.equal(frozen.path, killed.path)
    writeFileSync(join(path, 'file'), 'after')
    assert.equal(readFileSync(join(frozen.path, 'file'), 'utf8'), 'before')
    await frozen.verify()
    shown = frozen.path
  }
  assert.equal(existsSync(shown), false)
  assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'after')
})

test('covers what it can copy, and a snapshot that is gone is not trusted', async () => {
  assert.equal(await snapshot.covers(path, {}, context), true)
  assert.equal(await snapshot.covers('/', {}, context), false)
  await using frozen = await snapshot.create(path, {}, context)
  rmSync(frozen.path, { recursive: true })
  await assert.rejects(frozen.verify(), (error) => isFailure(error) && error.code === 'source')
})
