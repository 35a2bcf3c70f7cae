import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFailure, type Warning } from '@freezer/sdk'
import { describeTree, differences, makeTree, removeTree, seeded } from '../../../test/support/tree.ts'
import { removeEntry } from '../src/clear.ts'
import { openDirectory } from '../src/directory.ts'
import type { Metadata } from '../src/metadata.ts'
import { TargetTree } from '../src/target.ts'
import * as make from './support.ts'

const scratch = mkdtempSync(join(tmpdir(), 'freezer-target-'))
chmodSync(scratch, 0o755)
after(() => removeTree(scratch))

const root = process.getuid?.() === 0
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const plain: Metadata = { mode: 0o644, ...own, mtime: 1e9, mtimeNs: 5, attributes: [] }
const directory: Metadata = { ...plain, mode: 0o755 }
const content = Buffer.from('content')

interface Given {
  overwrite?: boolean
  remove?: boolean
}

function open(
  path: string,
  warnings: Warning[],
  { overwrite = false, remove = false }: Given = {},
): TargetTree {
  return new TargetTree(path, {
    overwrite: overwrite && 'always',
    remove,
    warn: (warning) => warnings.push(warning),
    tell: () => {},
  })
}

/** Calls `use` with a small file system of its own; not at all where this user may not mount one. */
function withSmallFileSystem(name: string, use: (path: string) => void): void {
  const path = join(scratch, name)
  mkdirSync(path, { recursive: true })
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path]).status !== 0) return
  try {
    use(path)
  } finally {
    execFileSync('umount', [path])
    rmdirSync(path)
  }
}

test('opens no more than it closes, however deep', () => {
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = descriptors()
  const path = join(scratch, 'deep')
  for (const ending of ['finish', 'abandon'] as const) {
    const warnings: Warning[] = []
    const target = open(path, warnings)
    let at = ''
    for (let depth = 0; depth < 600; depth++) {
      at = at === '' ? 'd' : `${at}/d`
      assert.ok(target.directory(...make.directory(at, directory)))
    }
    assert.ok(descriptors() < before + 300)
    // Back up by half, through directories that were closed meanwhile.
    const half = at.slice(0, 601)
    assert.equal(target.file(...make.file(`${half}/e`, 'f', plain), content), ending === 'finish')
    target[ending]()
    assert.equal(descriptors(), before)
  }
  assert.equal(statSync(join(path, 'd/'.repeat(301), 'e/f')).size, 7)
})

test('a full file system ends the restore and leaves nothing unfinished', () => {
  withSmallFileSystem('full', (path) => {
    const large = Buffer.alloc(400_000, 1)
    const noSpace = (error: unknown) => isFailure(error) && error.code === 'no-space'
    const target = open(path, [])
    target.file(...make.file('', 'a', plain), content)
    const file = target.begin(...make.file('', 'b', plain))
    assert.throws(() => file?.write(large, 0), noSpace)
    assert.throws(() => target.file(...make.file('', 'c', plain), large), noSpace)
    target.abandon()
    assert.deepEqual(readdirSync(path), ['a'])
  })
})

test('removing stops where another file system is mounted', () => {
  const path = join(scratch, 'mounted')
  withSmallFileSystem('mounted/d/m', (mounted) => {
    makeTree(join(mounted, 'kept'), seeded(3), 5)
    makeTree(join(path, 'd/gone'), seeded(4), 5)
    const before = describeTree(mounted)
    const warnings: Warning[] = []
    const target = open(path, warnings, { overwrite: true, remove: true })
    target.directory(...make.directory('', directory))
    target.finish()
    assert.deepEqual(differences(before, describeTree(mounted)), [])
    assert.deepEqual(readdirSync(join(path, 'd')), ['m'])
    assert.deepEqual(
      warnings.map((warning) => `${warning.kind} ${warning.path}`),
      ['unrestored d'],
    )
  })
})

test('removes trees of any depth and kind', () => {
  const path = join(scratch, 'removed')
  makeTree(join(path, 'tree'), seeded(8), 80)
  mkdirSync(join(path, 'deep', 'd/'.repeat(500)), { recursive: true })
  const fd = openDirectory(-100, path)
  for (const name of ['tree', 'deep', 'missing']) assert.ok(removeEntry(fd, name))
  assert.deepEqual(readdirSync(path), [])
})

test('what is made in a directory with a default ACL or a group of its own has its own rights', () => {
  const path = join(scratch, 'inherits')
  mkdirSync(join(path, 'd'), { recursive: true })
  execFileSync('setfacl', ['-m', 'd:u:1234:rwx,d:m:rwx', path, join(path, 'd')])
  if (root) chownSync(join(path, 'd'), 0, 4321)
  chmodSync(join(path, 'd'), 0o2755)
  const warnings: Warning[] = []
  const target = open(path, warnings, { overwrite: true })
  target.directory(...make.directory('', directory))
  target.file(...make.file('', 'f', plain), content)
  target.directory(...make.directory('d', directory))
  target.file(...make.file('d', 'f', plain), content)
  target.node(...make.given('fifo', 'd', 'p', plain))
  target.symlink(...make.given('symlink', 'd', 's', plain, { link: 'anywhere' }))
  target.directory(...make.directory('d/e', directory))
  target.file(...make.file('d/e', 'f', plain), content)
  target.finish()
  assert.deepEqual(warnings, [])
  for (const [name, got] of describeTree(path)) {
    assert.deepEqual(got.attributes, {}, name)
    if (got.type !== 'symlink') assert.equal(got.mode, got.type === 'directory' ? 0o755 : 0o644, name)
    assert.deepEqual([got.uid, got.gid, got.mtime], [own.uid, own.gid, 1_000_000_000_000_000_005n], name)
  }
})

/** Restores as a user without privilege, in a process of its own; prints its warnings. */
const unprivileged = `
  const { TargetTree } = await import(process.argv[1])
  const make = await import(process.argv[3])
  const warnings = []
  const target = new TargetTree(process.argv[2], { overwrite: false, remove: false, tell: () => {}, warn: (w) => warnings.push(w) })
  const value = new Uint8Array([1])
  const plain = { mode: 0o6755, uid: 12, gid: 34, mtime: 1, mtimeNs: 0, attributes: [{ name: 'trusted.a', value }] }
  for (let i = 0; i < 10; i++) target.file(...make.file('', 'f' + i, plain), value)
  target.directory(...make.directory('d', plain))
  target.symlink(...make.given('symlink', 'd', 's', plain, { link: 'anywhere' }))
  target.node(...make.given('character', 'd', 'c', plain, { device: { major: 1, minor: 3 } }))
  target.node(...make.given('fifo', 'd', 'p', plain))
  target.finish()
  console.log(JSON.stringify(warnings))`

test('without privilege, what is lost is told once for all, and nothing runs as another user', () => {
  const path = join(scratch, 'unprivileged')
  mkdirSync(path)
  if (root) chownSync(path, 65534, 65534)
  const [module, support] = ['../src/target.ts', './support.ts'].map(
    (file) => new URL(file, import.meta.url).href,
  ) as [string, string]
  const output = execFileSync(
    process.execPath,
    ['--input-type=module', '-e', unprivileged, module, path, support],
    root ? { uid: 65534, gid: 65534 } : {},
  )
  const warnings = JSON.parse(output.toString()) as Warning[]
  assert.deepEqual(
    warnings.map((warning) => `${warning.kind} ${warning.path}`),
    ['unrestored d/c', 'metadata f0', 'metadata f0'],
  )
  assert.match(warnings[1]?.message ?? '', /owner.* 12 more/)
  const tree = describeTree(path)
  for (const name of ['f0', 'f9', 'd', 'd/p']) assert.equal(tree.get(name)?.mode, 0o755, name)
  assert.equal(tree.get('d/s')?.link, 'anywhere')
})

const swapper = `
  import { renameSync, symlinkSync, mkdirSync } from 'node:fs'
  const [, path, outside] = process.argv
  for (;;) {
    try { renameSync(path + '/d', path + '/away'); symlinkSync(outside, path + '/d') } catch {}
    try { renameSync(path + '/d', path + '/link'); renameSync(path + '/away', path + '/d') } catch {}
  }`

test('a directory swapped for a link all the time leads nowhere', async () => {
  const path = join(scratch, 'swapped')
  const outside = join(scratch, 'outside')
  makeTree(outside, seeded(6), 30)
  const before = describeTree(outside)
  mkdirSync(join(path, 'd/e'), { recursive: true })
  const child = spawn(process.execPath, ['--input-type=module', '-e', swapper, path, outside])
  try {
    await new Promise((resolve) => setTimeout(resolve, 150))
    for (let round = 0; round < 150; round++) {
      const target = open(path, [], { overwrite: true, remove: round % 2 === 0 })
      try {
        target.directory(...make.directory('', directory))
        target.file(...make.file('', 'a', plain), content)
        target.directory(...make.directory('d', { ...directory, mode: 0o700 }))
        target.file(...make.file('d', `f${round % 5}`, plain), content)
        target.link(make.given('hardlink', 'd', 'h', plain, { link: 'a' })[0])
        target.directory(...make.directory('d/e', directory))
        target.file(...make.file('d/e', 'f', plain), content)
        target.directory(...make.directory('z', directory))
        target.link(make.given('hardlink', 'z', 'h', plain, { link: 'd/f0' })[0])
        target.finish()
      } catch (error) {
        // A directory that vanishes between two calls may end the run.
        assert.ok(error instanceof Error && ('code' in error || isFailure(error)))
      } finally {
        target.abandon()
      }
    }
  } finally {
    child.kill('SIGKILL')
  }
  assert.deepEqual(differences(before, describeTree(outside)), [])
})

test('a path that is no directory is refused', () => {
  assert.throws(
    () => open('/proc/version/x', []),
    (error) => isFailure(error),
  )
})
