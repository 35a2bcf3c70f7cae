import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFailure, type RunReport } from '@freezer/sdk'
import { notifier } from '../src/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'notifier-'))
after(() => rmSync(scratch, { recursive: true }))

const context = { signal: new AbortController().signal, report: () => {}, now: Date.now }
const report: RunReport = {
  run: '7b0c9c3e-0000-4000-8000-000000000000',
  command: 'backup',
  outcome: 'success',
  exitStatus: 0,
  machine: 'web1',
  storage: 'local',
  name: 'home',
  started: '2026-07-01T03:00:00.000Z',
  ended: '2026-07-01T03:00:05.000Z',
  seconds: 5,
}

test('writes a line for every run', async () => {
  const journalFile = join(scratch, 'journal')
  await notifier.notify(report, { journalFile }, context)
  await notifier.notify({ ...report, outcome: 'failure', exitStatus: 9 }, { journalFile }, context)
  const lines = readFileSync(journalFile, 'utf8').trimEnd().split('\n')
  assert.deepEqual(lines, [
    '2026-07-01T03:00:05.000Z\tbackup\thome\tsuccess\t0',
    '2026-07-01T03:00:05.000Z\tbackup\thome\tfailure\t9',
  ])
})

test('says where it could not write', async () => {
  await assert.rejects(notifier.notify(report, { journalFile: '/no/such/file' }, context), (error) => {
    return isFailure(error) && error.code === 'not-found' && error.message.includes('/no/such/file')
  })
})
