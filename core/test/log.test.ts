import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { freezer, scratchDirectory } from './support.ts'

const scratch = scratchDirectory()
const tree = join(scratch, 'tree')
const file = join(scratch, 'freezer.log')
const passphraseFile = join(scratch, 'passphrase')
const target = [
  '--container',
  join(scratch, 'container'),
  '-N',
  'tree',
  '--encrypt-pass-file',
  passphraseFile,
]
mkdirSync(tree)
writeFileSync(join(tree, 'file'), 'content\n')
writeFileSync(passphraseFile, 'correct-horse-battery\n')

test('the log file has what happened, of run after run, also when nothing is shown', async () => {
  const shown = await freezer([
    'backup',
    tree,
    ...target,
    '--log-file',
    file,
    '--quiet',
    '--before',
    `sh -c 'echo prepared; echo careful >&2'`,
  ])
  assert.deepEqual(shown, { status: 0, stdout: '', stderr: '' })
  const failed = await freezer(['restore', tree, ...target, '--log-file', file])
  assert.equal(failed.status, 5)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  for (const line of lines)
    assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ (INFO|WARN|ERROR) (backup|restore): /)
  const said = lines.map((line) => line.replace(/^\S+ \d+ /, ''))
  assert.equal(said[0], 'INFO backup: began')
  assert.ok(said.includes('INFO backup: before: prepared'))
  assert.ok(said.includes('WARN backup: before: careful'))
  assert.ok(said.some((line) => /^INFO backup: Backed up: +tree of /.test(line)))
  assert.ok(said.includes('INFO backup: ended with exit status 0'))
  assert.ok(
    said.some((line) => /^ERROR restore: .*not empty/.test(line)),
    said.join('\n'),
  )
  assert.equal(said.at(-1), 'INFO restore: ended with exit status 5')
  assert.ok(!said.join().includes('correct-horse'))
})

test('a log file that cannot be opened is a failure, one that cannot be written is not', async () => {
  const absent = await freezer(['backup', tree, ...target, '--log-file', join(scratch, 'none', 'log')])
  assert.equal(absent.status, 4)
  assert.match(absent.stderr, /Give another --log-file/)
  const full = await freezer(['backup', tree, ...target, '--log-file', '/dev/full'])
  assert.equal(full.status, 0)
  assert.match(full.stderr, /^warn: .*\/dev\/full.*The log ends here\.$/m)
})

test("the system's log gets the same lines with their severities, by the program logger", async () => {
  const bin = join(scratch, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'logger'), `#!/bin/sh\necho "$@" > ${scratch}/arguments\ncat > ${scratch}/syslog\n`)
  chmodSync(join(bin, 'logger'), 0o755)
  const { status } = await freezer(['backup', join(scratch, 'missing'), ...target, '--use-syslog'], {
    PATH: `${bin}:${process.env.PATH}`,
  })
  assert.equal(status, 4)
  assert.match(
    readFileSync(join(scratch, 'arguments'), 'utf8'),
    /--tag freezer --socket-errors=on --id=\d+ --prio-prefix/,
  )
  const [first, ...more] = readFileSync(join(scratch, 'syslog'), 'utf8').trimEnd().split('\n')
  assert.equal(first, '<30>backup: began')
  assert.match(more[0] ?? '', /^<27>backup: .*missing/)
  assert.equal(more.at(-1), '<30>backup: ended with exit status 4')
})

test("a system's log that takes nothing is a warning", async () => {
  const { status, stderr } = await freezer(['backup', tree, ...target, '--use-syslog'], {
    PATH: join(scratch, 'nothing-here'),
  })
  assert.equal(status, 0, stderr)
  assert.match(stderr, /^warn: Nothing more is written to the system's log: /m)
  if (!existsSync('/dev/log')) {
    const other = await freezer(['backup', tree, ...target, '--use-syslog'])
    assert.equal(other.status, 0)
    assert.match(other.stderr, /^warn: Nothing more is written to the system's log: .*\/dev\/log/m)
  }
})
