// `freezer storage test`, as a person runs it against a container that is in use.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { filesBelow, freezer, json, programFile, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('storage-test')
after(scratch.remove)
const container = path.join(scratch.path, 'container')
const source = path.join(scratch.path, 'source')
fs.mkdirSync(source)
fs.writeFileSync(path.join(source, 'file'), 'content')
await json('backup', source, '-N', 'one', '--container', container)
const held = filesBelow(container)

test('a container in use passes, says how fast it is, and is as before', async () => {
  const report = await json('storage', 'test', '--container', container, '--test-bytes', '1M')
  assert.equal(report['passed'], true)
  const checks = report['checks'] as { name: string; passed: boolean; seconds: number }[]
  assert.ok(checks.length > 20 && checks.every(({ passed, seconds }) => passed && seconds >= 0))
  assert.equal((report['put'] as { bytes: number }).bytes, 2 ** 20)
  assert.deepEqual(filesBelow(container), held)
  const { stdout } = await freezer('storage', 'test', '--container', container, '--test-objects', '5')
  assert.match(stdout, /^passed +\d.*lists by any prefix$/m)
  assert.match(stdout, /^Sent 32\.0 MiB at [\d.]+ [KMG]iB\/s, fetched them at [\d.]+ [KMG]iB\/s\.$/m)
})

test('interrupted, it leaves nothing, and backups beside it are not disturbed', async () => {
  const words = ['storage', 'test', '--container', container, '--upload-limit', '300K']
  const child = spawn(process.execPath, [programFile, ...words], { stdio: 'ignore' })
  const ended = once(child, 'close')
  for (let tried = 0; tried < 400 && !fs.existsSync(path.join(container, 'freezer-test')); tried++)
    await pause(25)
  assert.equal(fs.existsSync(path.join(container, 'freezer-test')), true)
  await json('backup', source, '-N', 'two', '--container', container)
  await json('prune', '--keep-last', '1', '--container', container)
  child.kill('SIGINT')
  const [status] = (await ended) as [number]
  assert.equal(status, 130)
  assert.equal(fs.existsSync(path.join(container, 'freezer-test')), false)
  await json('check', '--container', container, '--read-data')
})

test('a container that is not there is made only when asked', async () => {
  const nowhere = path.join(scratch.path, 'nowhere')
  const { status, stderr } = await freezer('storage', 'test', '--container', nowhere)
  assert.equal(status, 4)
  assert.match(stderr, /There is no container/)
  assert.equal(fs.existsSync(nowhere), false)
  const words = ['--container', nowhere, '--create', '--test-bytes', '1', '--test-objects', '1']
  assert.equal((await json('storage', 'test', ...words))['passed'], true)
})

test('what does not pass is said, in text and JSON, and the exit status is that of the failure', async () => {
  // Nobody can make a file there.
  const { status, stdout } = await freezer('storage', 'test', '--container', '/proc/self', '--json')
  const report = JSON.parse(stdout) as {
    passed: boolean
    checks: { name: string; passed: boolean; why?: string }[]
    failure: { code: string; message: string }
  }
  assert.equal(report.passed, false)
  const failed = report.checks.filter(({ passed }) => !passed)
  assert.ok(failed.length > 15 && failed.every(({ why }) => why?.startsWith('Cannot store /proc/')))
  assert.match(report.failure.message, /^\d+ of \d+ checks failed\. Cannot store/)
  assert.equal(status, { 'not-found': 4, denied: 10 }[report.failure.code])
})
