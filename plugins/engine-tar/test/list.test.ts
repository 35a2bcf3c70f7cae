import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Entry, entryPath, isFailure } from '@freezer/sdk'
import {
  type Description,
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
  type Tree,
} from '../../../test/support/tree.ts'
import { listArchive, restoreEntries } from './restoring.ts'
import { backupLevel, type Level } from './support.ts'

const scratch = mkdtempSync(join(tmpdir(), 'freezer-list-'))
after(() => removeTree(scratch))

const extended = ['--xattrs', '--xattrs-include=*', '--acls']

function tar(...args: string[]): void {
  const { status, stderr } = spawnSync('tar', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/** GNU's own format keeps whole seconds. */
function wholeSeconds(tree: Tree): Tree {
  const second = 1_000_000_000n
  for (const entry of tree.values()) entry.mtime -= ((entry.mtime % second) + second) % second
  return tree
}

interface Kind {
  format: string
  options: string[]
  /** What archives of this kind do not keep. */
  lost: (keyof Description)[]
}

const kinds: Kind[] = [
  { format: 'gnu', options: [], lost: ['attributes', 'data'] },
  { format: 'gnu', options: ['--sparse'], lost: ['attributes'] },
  { format: 'posix', options: ['--sparse', ...extended], lost: [] },
  { format: 'posix', options: ['--sparse', '--sparse-version=0.0'], lost: ['attributes'] },
  { format: 'posix', options: ['--sparse', '--sparse-version=0.1'], lost: ['attributes'] },
]

for (const [number, { format, options, lost }] of kinds.entries()) {
  test(`restores what GNU tar wrote: ${format} ${options.join(' ')}`, async () => {
    const random = seeded(number + 1)
    const tree = join(scratch, `gnu-${number}`)
    makeTree(tree, random, 90)
    const archives: Buffer[] = []
    let entries: Entry[] | undefined
    for (let level = 0; level < 3; level++) {
      // GNU tar tells new from old by the time of its last run.
      await wait(40)
      const file = `${tree}.${level}.tar`
      tar('-c', '-f', file, `-g${tree}.snar`, `--format=${format}`, ...options, '-C', tree, '.')
      archives.push(readFileSync(file))
      const expected = describeTree(tree)
      entries = await listArchive(archives, entries)
      const warnings = await restoreEntries(`${tree}.back`, entries, archives, {
        overwrite: 'always',
        remove: true,
      })
      const got = describeTree(`${tree}.back`)
      if (format === 'gnu') [expected, got].forEach(wholeSeconds)
      assert.deepEqual(differences(expected, got, [...lost, 'sameAs']), [], `level ${level}`)
      // GNU tar itself loses links between names of which one was moved with its directory.
      if (level === 0) assert.deepEqual(differences(expected, got, lost), [])
      assert.deepEqual(warnings, [])
      await wait(40)
      mutateTree(tree, random, 25)
    }
  })
}

test('lists our own archives as the backup indexed them', async () => {
  const random = seeded(77)
  const tree = join(scratch, 'ours')
  makeTree(tree, random, 90)
  const levels: Level[] = []
  let entries: Entry[] | undefined
  for (let level = 0; level < 3; level++) {
    levels.push(await backupLevel(tree, levels))
    const archives = levels.map(({ archive }) => archive)
    entries = await listArchive(archives, entries)
    // The archive does not tell change times and inodes, and a later level repeats directories for their lists.
    const known = ({ type, mode, uid, gid, size, mtime, mtimeNs, link, ...entry }: Entry) => [
      [entryPath(entry), type, size, link],
      type === 'hardlink' ? [] : [mode, uid, gid, mtime, mtimeNs],
      type === 'directory' || type === 'hardlink' ? [] : entry.place,
    ]
    assert.deepEqual(entries.map(known), levels[level]?.entries.map(known))
    await wait(20)
    mutateTree(tree, random, 25)
    await wait(20)
  }
})

test('plays the renames of directories, exchanges and chains included', async () => {
  const tree = join(scratch, 'renames')
  for (const name of ['a', 'b', 'c/d/e', 'f']) {
    mkdirSync(join(tree, name), { recursive: true })
    writeFileSync(join(tree, name, 'inside'), name)
  }
  const archives: Buffer[] = []
  let entries: Entry[] | undefined
  const level = async () => {
    await wait(40)
    const file = `${tree}.${archives.length}.tar`
    tar('-c', '-f', file, `-g${tree}.snar`, '--format=posix', '-C', tree, '.')
    archives.push(readFileSync(file))
    entries = await listArchive(archives, entries)
    const back = `${tree}.back${archives.length}`
    await restoreEntries(back, entries, archives)
    assert.deepEqual(differences(describeTree(tree), describeTree(back)), [])
    await wait(40)
  }
  await level()
  // The exchange comes last: GNU tar 1.34 lists it again in the level after, where it is none.
  const moves = ['mv c/d g && mv f c/f && mv g/e c/f/e', 'mv c d && mv g d/g', 'mv a x && mv b a && mv x b']
  for (const move of moves) {
    assert.equal(spawnSync('sh', ['-c', move], { cwd: tree }).status, 0)
    await level()
    // What was moved was not all written again: it is where it was in the first archive.
    const files = entries?.filter(({ type }) => type === 'file').map(({ place }) => place.level)
    assert.ok(files?.includes(0))
  }
})

test('reads archives that were joined, and single files', async () => {
  const directory = join(scratch, 'single')
  mkdirSync(directory)
  writeFileSync(join(directory, 'one'), '1')
  writeFileSync(join(directory, 'two'), '22')
  for (const name of ['one', 'two']) tar('-cf', join(directory, `${name}.tar`), '-C', directory, name)
  const joined = ['one', 'two'].map((name) => readFileSync(join(directory, `${name}.tar`)))
  const archive = Buffer.concat(joined)
  const entries = await listArchive([archive], undefined)
  assert.deepEqual(entries.map(entryPath), ['one', 'two'])
  const back = join(scratch, 'single-back')
  assert.deepEqual(await restoreEntries(back, entries, [archive]), [])
  assert.equal(readFileSync(join(back, 'two'), 'utf8'), '22')
})

test('calls every truncated archive damaged', async () => {
  const tree = join(scratch, 'truncated')
  makeTree(tree, seeded(5), 12)
  const { archive } = await backupLevel(tree)
  // Cut within the closing zeros, an archive is still whole.
  const end = archive.length - 1024
  for (let length = 0; length <= end; length += 509) {
    await assert.rejects(listArchive([archive.subarray(0, length)], undefined), (error) => {
      assert.ok(isFailure(error) && error.code === 'damaged', `${length} of ${archive.length}: ${error}`)
      return true
    })
  }
})
