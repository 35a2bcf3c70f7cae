import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { npm } from '../src/plugins/npm.ts'

const scratch = mkdtempSync(join(tmpdir(), 'freezer-npm-'))
after(() => rmSync(scratch, { recursive: true }))
process.env['PATH'] = `${scratch}${delimiter}${process.env['PATH']}`

/** Puts a program in the place of npm. */
function programIs(text: string): void {
  writeFileSync(join(scratch, 'npm'), `#!/bin/sh\n${text}\n`)
  chmodSync(join(scratch, 'npm'), 0o755)
}

/** Whether the process whose id is in `file` runs. */
function runs(file: string): boolean {
  try {
    const state = readFileSync(`/proc/${readFileSync(file, 'utf8').trim()}/stat`, 'utf8')
    return !/\) Z/.test(state)
  } catch {
    return false
  }
}

test('an npm that is interrupted has ended, with all that it started', async () => {
  const file = join(scratch, 'started')
  programIs(`sleep 60 & echo $! > ${file}; wait`)
  const controller = new AbortController()
  const running = npm(scratch, ['install'], 'install left-pad', controller.signal)
  running.catch(() => {})
  for (let look = 0; look < 500 && !runs(file); look++) await pause(20)
  assert.ok(runs(file))
  controller.abort()
  await assert.rejects(running, { code: 'interrupted' })
  for (let look = 0; look < 50 && runs(file); look++) await pause(20)
  assert.ok(!runs(file))
})

test('what npm says of its failure is repeated, and its code becomes one of ours', async () => {
  programIs('echo "npm error code E404" >&2; echo "npm error 404 Not Found - left-pad" >&2; exit 1')
  await assert.rejects(npm(scratch, ['install'], 'install left-pad', new AbortController().signal), {
    code: 'not-found',
    message: 'Cannot install left-pad: npm says: Not Found - left-pad',
  })
})
