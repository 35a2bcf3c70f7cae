// Bandwidth limits of the real program, changed while it runs.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { noise } from '@freezer/sdk/testing'
import { freezer, programFile, scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('limits')
after(scratch.remove)
const runtime = path.join(scratch.path, 'runtime')
process.env['FREEZER_RUNTIME_DIR'] = runtime

const source = path.join(scratch.path, 'source')
fs.mkdirSync(source)
fs.writeFileSync(path.join(source, 'large'), noise(6 * 2 ** 20))

/** A backup that would take ten minutes. */
function slowBackup(container: string) {
  const words = ['backup', source, '-N', 'slow', '--container', container, '--upload-limit', '10K', '--json']
  const child = spawn(process.execPath, [programFile, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, stdout, stderr }))
  return { pid: child.pid ?? 0, kill: (signal: NodeJS.Signals) => child.kill(signal), ended }
}

/** What a run says of itself, once it can be asked. */
async function shown(pid: number): Promise<{ limits: Record<string, number | null>; command: string }> {
  for (let tried = 0; tried < 200; tried++) {
    const { stdout } = await freezer('limit', String(pid), '--json')
    const { runs } = JSON.parse(stdout) as {
      runs?: { limits: Record<string, number | null>; command: string }[]
    }
    if (runs?.[0] !== undefined) return runs[0]
    await pause(50)
  }
  throw new Error('The run cannot be asked.')
}

test('a limit that is lifted lets a put go on that is under way, and the backup restores', async () => {
  const container = path.join(scratch.path, 'lifted')
  const run = slowBackup(container)
  assert.deepEqual(await shown(run.pid), {
    ...(await shown(run.pid)),
    command: 'backup',
    limits: { uploadLimit: 10 * 1024, downloadLimit: null },
  })
  const socket = path.join(runtime, `${run.pid}.sock`)
  assert.equal(fs.statSync(socket).mode & 0o777, 0o600)
  assert.equal(fs.statSync(runtime).mode & 0o777, 0o700)

  // Of the limits of a run that another has, none is changed.
  const other = await freezer('limit', String(run.pid), '--upload-limit', '0', '--to-upload-limit', '1M')
  assert.equal(other.status, 2)
  assert.match(other.stderr, /That run has no --to-upload-limit/)
  assert.equal((await shown(run.pid)).limits['uploadLimit'], 10 * 1024)

  const lifted = await freezer('limit', String(run.pid), '--upload-limit', '0', '--download-limit', '5M')
  assert.equal(lifted.status, 0, lifted.stderr)
  assert.match(lifted.stdout, /upload-limit none, download-limit 5\.0 MiB\/s/)
  const { status, stderr } = await run.ended
  assert.equal(status, 0, stderr)
  assert.equal(fs.existsSync(socket), false)
  const restored = path.join(scratch.path, 'restored')
  assert.equal((await freezer('restore', restored, '-N', 'slow', '--container', container)).status, 0)
  assert.ok(fs.readFileSync(path.join(restored, 'large')).equals(noise(6 * 2 ** 20)))
})

test('with a limit far below a segment an interruption is prompt, and leaves no backup', async () => {
  const container = path.join(scratch.path, 'interrupted')
  const run = slowBackup(container)
  await shown(run.pid)
  const asked = performance.now()
  run.kill('SIGINT')
  const { status } = await run.ended
  assert.equal(status, 130)
  // Minutes, if it waited for a segment.
  assert.ok(performance.now() - asked < 30_000)
  const { stdout } = await freezer('list', '--container', container, '--json')
  assert.deepEqual((JSON.parse(stdout) as { backups: unknown[] }).backups, [])
})

test('a socket that a killed run left is removed, and a directory of others is not believed', async () => {
  const run = slowBackup(path.join(scratch.path, 'killed'))
  await shown(run.pid)
  run.kill('SIGKILL')
  await run.ended
  const socket = path.join(runtime, `${run.pid}.sock`)
  assert.equal(fs.existsSync(socket), true)
  const gone = await freezer('limit', String(run.pid), '--upload-limit', '1M')
  assert.equal(gone.status, 4)
  assert.match(gone.stderr, new RegExp(`No run of yours with the process id ${run.pid}`))
  assert.equal(fs.existsSync(socket), false)
  assert.match((await freezer('limit')).stdout, /Nothing of yours is running/)
  assert.equal((await freezer('limit', '--upload-limit', '1M')).status, 2)

  fs.chmodSync(runtime, 0o755)
  const open = await freezer('limit')
  assert.equal(open.status, 10)
  assert.match(open.stderr, /is not a directory that belongs to you alone/)
  // A run does without.
  const container = path.join(scratch.path, 'without')
  assert.equal((await freezer('backup', source, '-N', 'x', '--container', container)).status, 0)
  fs.chmodSync(runtime, 0o700)
})
