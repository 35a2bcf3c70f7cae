import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import type { FailureCode } from '@freezer/sdk'
import { checkOptions, isFailure, quietContext } from '@freezer/sdk'
import { fsMode } from '../src/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'mode-fs-'))
after(() => rmSync(directory, { recursive: true }))
const tree = join(directory, 'tree')
const file = join(tree, 'file')
const link = join(directory, 'link')
mkdirSync(tree)
writeFileSync(file, '')
symlinkSync('tree', link)
symlinkSync('nowhere', join(directory, 'dangling'))
execFileSync('mkfifo', [join(directory, 'fifo')])

async function sourceOf(values: Record<string, unknown>, shownAt?: string) {
  await using session = await fsMode.open(checkOptions(fsMode.options, values), quietContext())
  const resources = await Array.fromAsync(session.resources())
  assert.equal(resources.length, 1)
  const [resource] = resources
  assert.ok(resource)
  return { resource, source: await session.source(resource, shownAt ?? resource.path, quietContext().signal) }
}

function failure(code: FailureCode, named: string) {
  return (error: unknown) => isFailure(error) && error.code === code && error.message.includes(named)
}

test('a directory, a file, and what a link names, are sources by their absolute paths', async () => {
  for (const [path, expected] of [
    [tree, tree],
    [file, file],
    [link, tree],
    [relative(process.cwd(), tree), tree],
    [`${tree}/`, tree],
  ] as const) {
    const { resource, source } = await sourceOf({ pathToBackup: path })
    assert.deepEqual(resource, { name: '', path: expected, facts: { path: expected } })
    assert.deepEqual(source, {
      kind: 'tree',
      path: expected,
      exclude: [],
      oneFileSystem: false,
      dereference: 'none',
    })
  }
})

test('options reach the source, and a snapshot shows it elsewhere', async () => {
  const values = {
    pathToBackup: tree,
    exclude: ['*.o', 'tmp'],
    oneFileSystem: true,
    dereferenceSymlink: 'soft',
  }
  assert.deepEqual((await sourceOf(values, '/snapshot/tree')).source, {
    kind: 'tree',
    path: '/snapshot/tree',
    exclude: ['*.o', 'tmp'],
    oneFileSystem: true,
    dereference: 'soft',
  })
})

test('what is not there, or is neither file nor directory, is refused', async () => {
  for (const [name, code] of [
    ['none', 'not-found'],
    ['tree/file/none', 'not-found'],
    ['dangling', 'not-found'],
    ['fifo', 'source'],
  ] as const) {
    const path = join(directory, name)
    await assert.rejects(sourceOf({ pathToBackup: path }), failure(code, path))
  }
})

function target(destination: string, overwrite = false, remove = false) {
  return fsMode.target({ destination, overwrite: overwrite && 'always', remove }, {}, quietContext())
}

test('a target is an empty directory or none, unless it may be overwritten', async () => {
  const empty = join(directory, 'empty')
  mkdirSync(empty)
  for (const path of [empty, join(directory, 'new'), join(directory, 'new', 'deep')]) {
    assert.deepEqual(await target(path), { kind: 'tree', path, overwrite: false, remove: false })
  }
  for (const path of [tree, link]) await assert.rejects(target(path), failure('refused', path))
  assert.deepEqual(await target(tree, true), { kind: 'tree', path: tree, overwrite: 'always', remove: false })
  assert.deepEqual(await target(tree, true, true), {
    kind: 'tree',
    path: tree,
    overwrite: 'always',
    remove: true,
  })
})

test('a file is no target, and deleting needs the leave to overwrite', async () => {
  await assert.rejects(target(file, true), failure('refused', file))
  await assert.rejects(target(join(file, 'below')), failure('refused', 'below'))
  await assert.rejects(target(join(directory, 'new'), false, true), failure('usage', 'overwriting'))
})
