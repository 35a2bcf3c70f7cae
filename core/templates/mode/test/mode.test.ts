import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { modeContract } from '@freezer/sdk/testing'
import { mode } from '../src/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'mode-'))
after(() => rmSync(scratch, { recursive: true }))

const file = join(scratch, 'shop.sqlite')
const context = { signal: new AbortController().signal, report: () => {}, now: Date.now }

test('copies what was committed while somebody writes, and leaves nothing behind', async () => {
  const writer = new DatabaseSync(file)
  writer.exec('CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1), (2)')
  writer.exec('PRAGMA journal_mode = wal; BEGIN; INSERT INTO orders VALUES (3)')
  let copies = ''
  {
    await using session = await mode.open({ pathToBackup: file }, context)
    const [resource] = await Array.fromAsync(session.resources())
    assert.ok(resource)
    const source = await session.source(resource, undefined, context.signal)
    assert.ok(source.kind === 'tree')
    copies = source.path
    const copy = new DatabaseSync(join(copies, 'shop.sqlite'), { readOnly: true })
    assert.equal(copy.prepare('SELECT count(*) AS n FROM orders').get()?.n, 2)
    copy.close()
  }
  writer.close()
  assert.equal(existsSync(copies), false)
})

const options = { pathToBackup: file }
const missing = { pathToBackup: join(scratch, 'none') }
for (const check of modeContract({ mode, options, missing })) test(check.name, check.run)

test('says so when there is no database', async () => {
  await assert.rejects(mode.open({ pathToBackup: join(scratch, 'none') }, context), (error) => {
    return isFailure(error) && error.code === 'not-found'
  })
})
