// Random trees through the program, level by level, and every moment brought back whole.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { freezer, json, scratchDirectory } from './support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
  type Tree,
} from './support/tree.ts'

const scratch = scratchDirectory('round-trip')
after(() => removeTree(scratch.path))

const passphrase = path.join(scratch.path, 'passphrase')
fs.writeFileSync(passphrase, 'a passphrase of the test\n')

const ways: Record<string, readonly string[]> = {
  'zstd and aes-256-gcm': ['--encrypt-pass-file', passphrase],
  'gzip and xchacha20-poly1305': [
    '--compression',
    'gzip',
    '--encrypt-pass-file',
    passphrase,
    '--encryption',
    'xchacha20-poly1305',
  ],
  'xz and aes-256-cfb': [
    '--compression',
    'xz',
    '--encrypt-pass-file',
    passphrase,
    '--encryption',
    'aes-256-cfb',
  ],
  'bzip2, small segments': ['--compression', 'bzip2', '--max-segment-size', '64K'],
  'nothing at all': ['--compression', 'none', '--workers', '1', '--queue-size', '1'],
}

interface Moment {
  readonly time: string
  readonly tree: Tree
}

async function backUp(
  source: string,
  container: string,
  ...options: readonly string[]
): Promise<Moment & { level: number }> {
  const result = await json('backup', source, '--container', container, '--backup-name', 'n', ...options)
  return { time: String(result['time']), level: Number(result['level']), tree: describeTree(source) }
}

async function expectMoment(
  container: string,
  moment: Moment,
  options: readonly string[],
  where: string,
): Promise<void> {
  const target = fs.mkdtempSync(path.join(scratch.path, 'restored-'))
  await json(
    'restore',
    target,
    '--container',
    container,
    '--backup-name',
    'n',
    '--restore-from-date',
    moment.time,
    ...options,
  )
  assert.deepEqual(differences(moment.tree, describeTree(target)), [], where)
  removeTree(target)
}

describe('every level restores to its moment', () => {
  for (const [number, [how, options]] of Object.entries(ways).entries()) {
    test(how, async () => {
      const random = seeded(1000 + number)
      const source = path.join(scratch.path, `tree-${number}`)
      const container = path.join(scratch.path, `container-${number}`)
      fs.mkdirSync(source)
      makeTree(source, random)
      const forReading = options
        .slice(options.indexOf('--encrypt-pass-file'))
        .slice(0, options.includes('--encrypt-pass-file') ? 2 : 0)
      const moments: Moment[] = []
      for (let level = 0; level < 4; level++) {
        const moment = await backUp(source, container, ...options)
        assert.equal(moment.level, level)
        moments.push(moment)
        mutateTree(source, random)
      }
      for (const [level, moment] of moments.entries()) {
        await expectMoment(container, moment, forReading, `level ${level}, ${how}`)
      }
      removeTree(source)
    })
  }
})

test('always-level: the newest of several backups of a level is restored, and each date its own', async () => {
  const random = seeded(77)
  const source = path.join(scratch.path, 'always')
  const container = path.join(scratch.path, 'always-container')
  fs.mkdirSync(source)
  makeTree(source, random, 40)
  const moments: Moment[] = []
  for (const level of [0, 1, 2, 2, 2]) {
    const moment = await backUp(source, container, '--always-level', '2')
    assert.equal(moment.level, level)
    moments.push(moment)
    mutateTree(source, random, 12)
  }
  for (const [i, moment] of moments.entries()) await expectMoment(container, moment, [], `backup ${i}`)
  const target = path.join(scratch.path, 'always-newest')
  await json('restore', target, '--container', container, '--backup-name', 'n')
  assert.deepEqual(differences(moments.at(-1)?.tree ?? new Map(), describeTree(target)), [])
  removeTree(source)
})

test('max-level begins a new chain, which stands alone', async () => {
  const source = path.join(scratch.path, 'max')
  const container = path.join(scratch.path, 'max-container')
  fs.mkdirSync(source)
  makeTree(source, seeded(5), 30)
  const levels: number[] = []
  let last: Moment | undefined
  for (let i = 0; i < 5; i++) {
    const moment = await backUp(source, container, '--max-level', '1')
    levels.push(moment.level)
    last = moment
    mutateTree(source, seeded(i), 6)
  }
  assert.deepEqual(levels, [0, 1, 0, 1, 0])
  assert.ok(last !== undefined)
  await expectMoment(container, last, [], 'newest')
  removeTree(source)
})

test('a single file', async () => {
  const file = path.join(scratch.path, 'single file')
  const container = path.join(scratch.path, 'single-container')
  fs.writeFileSync(file, 'alone', { mode: 0o640 })
  await json('backup', file, '--container', container, '--backup-name', 'n')
  const target = path.join(scratch.path, 'single-target')
  await json('restore', target, '--container', container, '--backup-name', 'n')
  assert.deepEqual(fs.readdirSync(target), ['single file'])
  assert.equal(fs.readFileSync(path.join(target, 'single file'), 'utf8'), 'alone')
  assert.equal(fs.statSync(path.join(target, 'single file')).mode & 0o777, 0o640)
})

test('a target that is not empty is refused; overwrite keeps what the backup lacks; delete removes it', async () => {
  const source = path.join(scratch.path, 'small')
  const container = path.join(scratch.path, 'small-container')
  const target = path.join(scratch.path, 'small-target')
  fs.mkdirSync(path.join(source, 'd'), { recursive: true })
  fs.writeFileSync(path.join(source, 'd', 'f'), 'from the backup')
  await json('backup', source, '--container', container, '--backup-name', 'n')
  fs.mkdirSync(path.join(target, 'd'), { recursive: true })
  fs.writeFileSync(path.join(target, 'd', 'f'), 'was here')
  fs.writeFileSync(path.join(target, 'd', 'mine'), 'mine')
  const words = ['restore', target, '--container', container, '--backup-name', 'n']
  assert.equal((await freezer(...words)).status, 5)
  assert.equal(fs.readFileSync(path.join(target, 'd', 'f'), 'utf8'), 'was here')
  await json(...words, '--overwrite')
  assert.equal(fs.readFileSync(path.join(target, 'd', 'f'), 'utf8'), 'from the backup')
  assert.equal(fs.readFileSync(path.join(target, 'd', 'mine'), 'utf8'), 'mine')
  await json(...words, '--overwrite', '--delete')
  assert.deepEqual(differences(describeTree(source), describeTree(target)), [])
})
