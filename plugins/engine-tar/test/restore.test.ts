import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type ArchiveReader, displayPath, type Entry, entryPath, Failure, isFailure } from '@freezer/sdk'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
} from '../../../test/support/tree.ts'
import { restoreEntries } from './restoring.ts'
import { backupLevel, type Level, readArchives } from './support.ts'

const scratch = mkdtempSync(join(tmpdir(), 'freezer-restore-'))
after(() => removeTree(scratch))

for (const seed of [101, 102, 103, 104]) {
  test(`what was backed up over three levels comes back whole: seed ${seed}`, async () => {
    const random = seeded(seed)
    const tree = join(scratch, `tree-${seed}`)
    makeTree(tree, random, 90)
    const levels: Level[] = []
    for (let level = 0; level < 3; level++) {
      levels.push(await backupLevel(tree, levels))
      const expected = describeTree(tree)
      const { entries } = levels[level] as Level
      const archives = levels.map(({ archive }) => archive)
      const fresh = `${tree}.${level}`
      assert.deepEqual(await restoreEntries(fresh, entries, archives), [])
      assert.deepEqual(differences(expected, describeTree(fresh)), [])
      // Over what the level before left, and over what this one left.
      for (let times = 0; times < 2; times++) {
        const options = { overwrite: 'always', remove: true } as const
        assert.deepEqual(await restoreEntries(`${tree}.over`, entries, archives, options), [])
        assert.deepEqual(differences(expected, describeTree(`${tree}.over`)), [])
      }
      await wait(20)
      mutateTree(tree, random, 25)
      await wait(20)
    }
  })
}

async function smallBackup(name: string): Promise<{ tree: string; level: Level }> {
  const tree = join(scratch, name)
  mkdirSync(join(tree, 'd/e'), { recursive: true })
  for (const path of ['a', 'b', 'd/c', 'd/e/f']) writeFileSync(join(tree, path), `content of ${path}\n`)
  writeFileSync(join(tree, 'large'), Buffer.alloc(350_000, 'large'))
  return { tree, level: await backupLevel(tree) }
}

test('without overwrite, what is there stays and is named', async () => {
  const { level } = await smallBackup('left')
  const target = join(scratch, 'left-target')
  mkdirSync(join(target, 'd'), { recursive: true })
  for (const path of ['a', 'large', 'd/c', 'd/e', 'other']) writeFileSync(join(target, path), 'mine')
  const warnings = await restoreEntries(target, level.entries, [level.archive])
  assert.deepEqual(
    warnings.map(({ kind, path }) => `${kind} ${path}`),
    ['unrestored a', 'unrestored large', 'unrestored d/c', 'unrestored d/e'],
  )
  for (const path of ['a', 'large', 'd/c', 'd/e', 'other']) {
    assert.equal(readFileSync(join(target, path), 'utf8'), 'mine')
  }
  assert.equal(readFileSync(join(target, 'b'), 'utf8'), 'content of b\n')
})

test('overwrite replaces, and removes only what is asked for', async () => {
  const { tree, level } = await smallBackup('replaced')
  const prepare = (target: string) => {
    mkdirSync(join(target, 'a'), { recursive: true })
    mkdirSync(join(target, 'b'))
    writeFileSync(join(target, 'b/keep'), 'mine')
    mkdirSync(join(target, 'd'))
    writeFileSync(join(target, 'd/e'), 'mine')
    mkdirSync(join(target, 'other/deep'), { recursive: true })
    writeFileSync(join(target, 'other/deep/file'), 'mine')
  }
  const kept = join(scratch, 'replaced-kept')
  prepare(kept)
  const warnings = await restoreEntries(kept, level.entries, [level.archive], { overwrite: 'always' })
  assert.deepEqual(
    warnings.map(({ kind, path }) => `${kind} ${path}`),
    ['unrestored b'],
  )
  assert.equal(readFileSync(join(kept, 'b/keep'), 'utf8'), 'mine')
  assert.equal(readFileSync(join(kept, 'other/deep/file'), 'utf8'), 'mine')
  assert.equal(readFileSync(join(kept, 'd/e/f'), 'utf8'), 'content of d/e/f\n')
  assert.equal(readFileSync(join(kept, 'a'), 'utf8'), 'content of a\n')

  const cleared = join(scratch, 'replaced-cleared')
  prepare(cleared)
  const both = { overwrite: 'always', remove: true } as const
  assert.deepEqual(await restoreEntries(cleared, level.entries, [level.archive], both), [])
  assert.deepEqual(differences(describeTree(tree), describeTree(cleared)), [])
})

/** Gives what `archive` gives, except that blocks of 100,000 bytes in `bad` are damaged. */
function damaged(archive: Buffer, bad: readonly number[]): ArchiveReader {
  const reader = readArchives([archive], 100_000)
  return {
    at(level, offset) {
      if (!bad.includes(Math.floor(offset / 100_000))) return reader.at(level, offset)
      return Promise.reject(new Failure('damaged', 'A block is not what was stored.'))
    },
  }
}

test('around a damaged block everything else is restored, and nothing wrong has its final name', async () => {
  const tree = join(scratch, 'damage')
  makeTree(tree, seeded(9), 100)
  const { archive, entries } = await backupLevel(tree)
  const expected = describeTree(tree)
  const blocks = Math.ceil(archive.length / 100_000)
  assert.ok(blocks > 5)
  for (let bad = 0; bad < blocks; bad += 2) {
    const target = `${tree}.${bad}`
    const warnings = await restoreEntries(
      target,
      entries,
      [archive],
      {},
      { archive: damaged(archive, [bad]) },
    )
    assert.ok(warnings.length > 0)
    const named = new Set(warnings.map(({ path }) => path))
    const got = describeTree(target)
    for (const [path, description] of expected) {
      if (named.has(displayPath(path))) continue
      const found = got.get(path)
      assert.ok(found !== undefined, `${path} is missing and was not named`)
      assert.equal(found.sha256, description.sha256)
      assert.equal(found.mtime, description.mtime)
    }
    for (const path of got.keys()) assert.ok(expected.has(path), `${path} was left behind`)
    // A file that was named is not there at all, or its link is.
    const lost = warnings.filter(({ kind }) => kind === 'unrestored').map(({ path }) => path)
    for (const path of got.keys()) assert.ok(!lost.includes(displayPath(path)), `${path} is wrong`)
    removeTree(target)
  }
})

test('a file whose second block is damaged leaves the older version in place', async () => {
  const { level } = await smallBackup('older')
  const target = join(scratch, 'older-target')
  mkdirSync(target)
  writeFileSync(join(target, 'large'), 'older')
  const options = { overwrite: 'always', remove: true } as const
  const archive = damaged(level.archive, [2])
  const warnings = await restoreEntries(target, level.entries, [level.archive], options, { archive })
  assert.ok(warnings.some(({ kind, path }) => kind === 'unrestored' && path === 'large'))
  assert.equal(readFileSync(join(target, 'large'), 'utf8'), 'older')
  assert.ok(readdirSync(target).every((name) => !name.startsWith('.freezer')))
})

test('an abort leaves no temporary file', async () => {
  const { level } = await smallBackup('aborted')
  const target = join(scratch, 'aborted-target')
  const controller = new AbortController()
  const reader = readArchives([level.archive], 100_000)
  let calls = 0
  const archive: ArchiveReader = {
    at(place, offset) {
      if (++calls === 3) controller.abort()
      return reader.at(place, offset)
    },
  }
  await assert.rejects(
    restoreEntries(target, level.entries, [level.archive], {}, { archive, signal: controller.signal }),
    (error) => isFailure(error) && error.code === 'interrupted',
  )
  assert.ok(readdirSync(target).every((name) => !name.startsWith('.freezer')))
  assert.ok(!existsSync(join(target, 'large')))
})

test('a single file, and a selection without its directories', async () => {
  const { tree, level } = await smallBackup('selected')
  const single = await backupLevel(join(tree, 'a'))
  const target = join(scratch, 'selected-target')
  assert.deepEqual(await restoreEntries(target, single.entries, [single.archive]), [])
  assert.equal(readFileSync(join(target, 'a'), 'utf8'), 'content of a\n')
  const wanted = (entry: Entry) => entryPath(entry) === 'd/e/f'
  await restoreEntries(target, level.entries.filter(wanted), [level.archive])
  assert.equal(readFileSync(join(target, 'd/e/f'), 'utf8'), 'content of d/e/f\n')
})

test('counts every entry and every byte', async () => {
  const { level } = await smallBackup('counted')
  let [entries, bytes] = [0, 0]
  const count = (more: number, content: number) => {
    entries += more
    bytes += content
  }
  await restoreEntries(join(scratch, 'counted-target'), level.entries, [level.archive], {}, { count })
  assert.equal(entries, level.entries.length)
  assert.equal(
    bytes,
    level.entries.reduce((sum, { size }) => sum + size, 0),
  )
})
