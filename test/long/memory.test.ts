// Peak memory of backup and restore for 1,000,000 small files and for one sparse file of 20 GiB.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { recordCounts } from '../support/counts.ts'
import { programFile, run, scratchDirectory } from '../support/program.ts'

const scratch = scratchDirectory('long-memory')
after(scratch.remove)

const limit = 250
const passFile = path.join(scratch.path, 'pass')
fs.writeFileSync(passFile, 'a passphrase\n')

/** Runs `freezer` and gives its peak resident memory in MiB, as GNU time saw it. */
async function peakOf(...words: string[]): Promise<number> {
  const program = [process.execPath, programFile, ...words, '--encrypt-pass-file', passFile, '--quiet']
  const { status, stderr } = await run('/usr/bin/time', ['-f', 'peak %M', ...program])
  assert.equal(status, 0, stderr)
  return Math.ceil(Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024)
}

async function measure(name: string, source: string): Promise<void> {
  const container = path.join(scratch.path, `${name}-container`)
  const target = path.join(scratch.path, `${name}-target`)
  const common = ['--container', container, '--backup-name', 'n']
  const peaks = {
    'first backup, MiB': await peakOf('backup', source, ...common),
    'unchanged, MiB': await peakOf('backup', source, ...common),
    'restore, MiB': await peakOf('restore', target, ...common),
  }
  recordCounts(`peak memory, ${name}`, peaks)
  for (const [what, peak] of Object.entries(peaks)) assert.ok(peak <= limit, `${name}, ${what}: ${peak}`)
  fs.renameSync(target, `${target}-done`)
}

test('1,000,000 small files', async () => {
  const source = path.join(scratch.path, 'million')
  for (let d = 0; d < 1000; d++) {
    const directory = path.join(source, `group-${d % 25}`, `directory-${d}`)
    fs.mkdirSync(directory, { recursive: true })
    for (let f = 0; f < 1000; f++) fs.writeFileSync(path.join(directory, `file-${f}.txt`), `${d} ${f}\n`)
  }
  await measure('1,000,000 small files', source)
})

test('100,000 small files in one directory', async () => {
  const source = path.join(scratch.path, 'one')
  fs.mkdirSync(source)
  for (let f = 0; f < 100_000; f++)
    fs.writeFileSync(path.join(source, `file-with-a-longer-name-${f}.txt`), `${f}\n`)
  await measure('100,000 small files in one directory', source)
})

test('one sparse file of 20 GiB', async () => {
  const source = path.join(scratch.path, 'sparse')
  fs.mkdirSync(source)
  const fd = fs.openSync(path.join(source, 'image'), 'w')
  fs.ftruncateSync(fd, 20 * 2 ** 30)
  const data = Buffer.alloc(65536, 'data ')
  for (let at = 0; at < 20 * 2 ** 30; at += 2 ** 24) fs.writeSync(fd, data, 0, data.length, at)
  fs.closeSync(fd)
  await measure('one sparse file of 20 GiB', source)
  const [a, b] = [
    path.join(source, 'image'),
    path.join(scratch.path, 'one sparse file of 20 GiB-target-done', 'image'),
  ]
  assert.equal((await run('cmp', [a, b])).status, 0)
  assert.ok(fs.statSync(b).blocks <= fs.statSync(a).blocks * 1.2, 'the restored file is not sparse')
})
