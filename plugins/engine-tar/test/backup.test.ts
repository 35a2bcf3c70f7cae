import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { call, here, nameBytes, openDirectory } from '@freezer/filesystem'
import { type Entry, entryPath, isFailure } from '@freezer/sdk'
import koffi from 'koffi'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
  setTime,
  type Tree,
} from '../../../test/support/tree.ts'
import { decodeHeader } from '../src/header.ts'
import { backupLevel, type Level, MemoryArchive } from './support.ts'

const root = fs.mkdtempSync(join(tmpdir(), 'backup-'))
after(() => removeTree(root))
const scratch = (name: string) => fs.mkdtempSync(join(root, `${name}-`))

/** Longer than the time in which a change may leave the clock of the file system as it is. */
const tick = () => sleep(40)

const find = (level: Level | undefined, path: string): Entry | undefined =>
  level?.entries.find((entry) => entryPath(entry) === path)

/** Paths whose record stands in the archive of this level. */
const written = (level: Level, number: number): string[] =>
  level.entries.filter(({ place }) => place.level === number).map(entryPath)

/** Extracts with the real tar, on top of what is there. @returns what it complained of */
function extract(level: Level, destination: string, locale = 'C.UTF-8'): string {
  fs.mkdirSync(destination, { recursive: true })
  const flags = ['--incremental', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-p']
  const quiet = ['--warning=no-timestamp', '--warning=no-unknown-keyword']
  const { status, stderr } = spawnSync('tar', ['-x', ...flags, ...quiet, '-f', '-', '-C', destination], {
    input: level.archive,
    env: { ...process.env, LC_ALL: locale },
  })
  assert.equal(status, 0, String(stderr))
  return stderr.toString()
}

/**
 * GNU tar leaves two things of a directory as they were, in its own archives too: attributes that the newer level no
 * longer has, and the setgid bit that a new directory inherits.
 */
function forgive(wanted: Tree, got: Tree, before: Tree): void {
  for (const [path, description] of got) {
    const aim = wanted.get(path)
    if (description.type !== 'directory' || aim?.type !== 'directory') continue
    for (const name of Object.keys(description.attributes)) {
      const left = before.get(path)?.attributes[name] === description.attributes[name]
      if (aim.attributes[name] === undefined && left) delete description.attributes[name]
    }
    if (description.mode === (aim.mode | 0o2000)) description.mode = aim.mode
  }
}

function assertTiled(level: Level, number: number): void {
  const places = level.entries
    .filter(({ place }) => place.level === number)
    .map(({ place }) => place)
    .sort((a, b) => a.offset - b.offset)
  let end = 0
  for (const { offset, length } of places) {
    assert.equal(offset, end)
    assert.notEqual(decodeHeader(level.archive, offset), undefined)
    end = offset + length
  }
  assert.equal(end, level.archive.length - 1024)
  assert.ok(level.archive.subarray(end).every((byte) => byte === 0))
}

test('GNU tar brings every level of a random tree back', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = seeded(seed)
    const directory = scratch('random')
    const [source, target] = [join(directory, 'source'), join(directory, 'target')]
    makeTree(source, random, 60)
    const levels: Level[] = []
    let before: Tree = new Map()
    for (let number = 0; number < 4; number++) {
      if (number > 0) mutateTree(source, random, 15)
      const level = await backupLevel(source, levels)
      assert.deepEqual(level.warnings, [])
      assertTiled(level, number)
      levels.push(level)
      assert.equal(extract(level, target, seed % 2 === 0 ? 'C' : 'C.UTF-8'), '')
      const [wanted, got] = [describeTree(source), describeTree(target)]
      forgive(wanted, got, before)
      assert.deepEqual(differences(wanted, got), [], `seed ${seed}, level ${number}`)
      assert.deepEqual(level.entries.map(entryPath).sort(), [...wanted.keys()].sort())
      before = got
    }
    removeTree(directory)
  }
})

test('the index says of every path what the tree says', async () => {
  const source = join(scratch('index'), 'source')
  makeTree(source, seeded(77), 80)
  const level = await backupLevel(source)
  const tree = describeTree(source)
  for (const entry of level.entries) {
    const path = entryPath(entry)
    const wanted = tree.get(path)
    assert.ok(wanted !== undefined)
    const link = entry.type === 'hardlink'
    assert.equal(link ? 'link' : entry.type, link ? 'link' : wanted.type, path)
    if (link) assert.equal(tree.get(entry.link)?.sameAs, wanted.sameAs)
    else assert.equal(entry.link, wanted.link)
    assert.deepEqual([entry.mode, entry.uid, entry.gid], [wanted.mode, wanted.uid, wanted.gid])
    assert.equal(BigInt(entry.mtime) * 1_000_000_000n + BigInt(entry.mtimeNs), wanted.mtime)
    assert.equal(entry.size, entry.type === 'file' ? wanted.size : 0)
  }
  assert.equal(level.entries.length, tree.size)
})

test('a tree in which nothing changed stores nothing', async () => {
  const source = join(scratch('same'), 'source')
  makeTree(source, seeded(5), 100)
  await tick()
  const first = await backupLevel(source)
  const second = await backupLevel(source, [first])
  assert.equal(second.archive.length, 1024)
  assert.deepEqual(second.entries, first.entries)
  const third = await backupLevel(source, [first, second])
  assert.deepEqual(third.entries, first.entries)
})

test('a file that changed a moment ago is written again', async () => {
  const source = scratch('racy')
  fs.writeFileSync(join(source, 'old'), 'a')
  setTime(join(source, 'old'), 1n, 5)
  await tick()
  fs.writeFileSync(join(source, 'new'), 'a')
  const first = await backupLevel(source)
  assert.equal(find(first, 'new')?.ctimeNs, -1)
  assert.notEqual(find(first, 'old')?.ctimeNs, -1)
  await tick()
  const second = await backupLevel(source, [first])
  assert.deepEqual(written(second, 1), ['', 'new'])
  assert.notEqual(find(second, 'new')?.ctimeNs, -1)
})

test('what changed while a snapshot was made is written again', async () => {
  const source = scratch('frozen')
  fs.writeFileSync(join(source, 'file'), 'a')
  const { ctimeMs } = fs.statSync(join(source, 'file'))
  await tick()
  for (const [from, to, trusted] of [
    [-10_000, -5000, true],
    [-10_000, -10, false],
    [-500, 500, false],
    [10, 5000, false],
    [30, 5000, true],
  ] as const) {
    const level = await backupLevel(source, [], { frozen: { from: ctimeMs + from, to: ctimeMs + to } })
    assert.equal(find(level, 'file')?.ctimeNs !== -1, trusted, `frozen from ${from} to ${to}`)
  }
})

test('only what changed is written, with the directory it is in', async () => {
  const source = scratch('changed')
  for (const path of ['a/b', 'a/c', 'd']) fs.mkdirSync(join(source, path), { recursive: true })
  for (const path of ['a/b/1', 'a/b/2', 'a/c/3', 'd/4']) fs.writeFileSync(join(source, path), path)
  await tick()
  const levels = [await backupLevel(source)]
  fs.appendFileSync(join(source, 'a/b/2'), '+')
  await tick()
  levels.push(await backupLevel(source, levels))
  assert.deepEqual(written(levels[1] as Level, 1), ['a/b', 'a/b/2'])
  fs.chmodSync(join(source, 'd'), 0o711)
  await tick()
  levels.push(await backupLevel(source, levels))
  assert.deepEqual(written(levels[2] as Level, 2), ['d'])
  fs.rmSync(join(source, 'a/c/3'))
  fs.renameSync(join(source, 'a/b'), join(source, 'a/e'))
  await tick()
  levels.push(await backupLevel(source, levels))
  assert.deepEqual(written(levels[3] as Level, 3), ['a', 'a/c', 'a/e', 'a/e/1', 'a/e/2'])
  const target = join(scratch('changed'), 'target')
  for (const level of levels) assert.equal(extract(level, target), '')
  assert.deepEqual(differences(describeTree(source), describeTree(target)), [])
})

test('hard links survive when their first name moves with its directory', async () => {
  const source = scratch('hardlinks')
  fs.mkdirSync(join(source, 'b'))
  fs.mkdirSync(join(source, 'm'))
  fs.writeFileSync(join(source, 'b/x'), 'content')
  fs.linkSync(join(source, 'b/x'), join(source, 'm/y'))
  await tick()
  const levels = [await backupLevel(source)]
  assert.equal(find(levels[0], 'm/y')?.link, 'b/x')
  const target = join(scratch('hardlinks'), 'target')
  extract(levels[0] as Level, target)
  for (const [number, name] of ['z', 'a', 'n'].entries()) {
    fs.renameSync(join(source, ['b', 'z', 'a'][number] as string), join(source, name))
    await tick()
    const level = await backupLevel(source, levels)
    levels.push(level)
    extract(level, target)
    assert.deepEqual(differences(describeTree(source), describeTree(target)), [])
    const [first, second] = [`${name}/x`, 'm/y'].sort() as [string, string]
    assert.equal(find(level, first)?.type, 'file')
    assert.equal(find(level, second)?.link, first)
  }
})

test('a file that shrinks, grows or changes while it is read is told of, and read again next time', async () => {
  const source = scratch('while')
  const size = 3 << 20
  for (const name of ['grow', 'rewrite', 'shrink'])
    fs.writeFileSync(join(source, name), Buffer.alloc(size, 'x'))
  await tick()
  const names = ['grow', 'rewrite', 'shrink']
  for (const name of names) {
    const single = new MemoryArchive()
    const commitSingle = single.commit.bind(single)
    let changed = false
    single.commit = (length) => {
      if (!changed && length > 100_000) {
        changed = true
        if (name === 'grow') fs.appendFileSync(join(source, name), 'more')
        if (name === 'rewrite') fs.writeFileSync(join(source, name), Buffer.alloc(size, 'y'))
        if (name === 'shrink') fs.truncateSync(join(source, name), 100)
      }
      return commitSingle(length)
    }
    const level = await backupLevel(join(source, name), [], {}, { archive: single })
    assert.deepEqual(
      level.warnings.map(({ kind, path }) => `${kind} ${path}`),
      [`changed ${name}`],
    )
    assert.equal(level.entries[0]?.ctimeNs, -1)
    assert.equal(level.entries[0]?.size, size)
    const listed = execFileSync('tar', ['-tvf', '-'], { input: single.bytes, encoding: 'utf8' })
    assert.match(listed, new RegExp(`${size} .* ${name}\n$`))
    await tick()
    const next = await backupLevel(join(source, name), [level])
    assert.deepEqual(written(next, 1), [name])
  }
})

test('what cannot be read to its end keeps its older content', async () => {
  const dup2 = koffi.load('libc.so.6').func('int dup2(int, int)')
  const source = scratch('broken')
  const size = 3 << 20
  fs.writeFileSync(join(source, 'file'), Buffer.alloc(size, 'x'))
  fs.writeFileSync(join(source, 'other'), 'fine')
  await tick()
  const breaking = (): MemoryArchive => {
    const archive = new MemoryArchive()
    const commit = archive.commit.bind(archive)
    let broken = false
    archive.commit = (length) => {
      if (!broken && length > 100_000) {
        broken = true
        // Reading a directory fails: its descriptor takes the place of the file's.
        for (const fd of fs.readdirSync('/proc/self/fd')) {
          const path = `/proc/self/fd/${fd}`
          if (fs.existsSync(path) && fs.readlinkSync(path) === join(source, 'file')) {
            const directory = fs.openSync(source, 'r')
            dup2(directory, Number(fd))
            fs.closeSync(directory)
          }
        }
      }
      return commit(length)
    }
    return archive
  }
  const archive = breaking()
  const fresh = await backupLevel(source, [], {}, { archive })
  assert.deepEqual(
    fresh.warnings.map(({ kind, path }) => `${kind} ${path}`),
    ['unread file'],
  )
  assert.deepEqual(fresh.entries.map(entryPath), ['', 'other'])
  const listed = execFileSync('tar', ['-tvf', '-'], { input: archive.bytes, encoding: 'utf8' })
  assert.match(listed, new RegExp(`${size} .* ./file\n`))

  const first = await backupLevel(source)
  fs.appendFileSync(join(source, 'file'), '+')
  const second = await backupLevel(source, [first], {}, { archive: breaking() })
  assert.deepEqual(find(second, 'file')?.place, find(first, 'file')?.place)
  assert.equal(find(second, 'file')?.size, size)
  const third = await backupLevel(source, [first, second])
  assert.equal(find(third, 'file')?.place.level, 2)
})

test('what this user may not read keeps its older content, directories whole', async () => {
  const source = scratch('denied')
  fs.mkdirSync(join(source, 'shut/in'), { recursive: true })
  fs.mkdirSync(join(source, 'new'))
  fs.writeFileSync(join(source, 'shut/in/deep'), 'deep')
  fs.writeFileSync(join(source, 'shut/file'), 'file')
  fs.writeFileSync(join(source, 'secret'), 'secret')
  for (const path of ['', 'shut', 'shut/in', 'shut/in/deep', 'shut/file', 'secret', 'new']) {
    fs.chownSync(join(source, path), 65534, 65534)
  }
  fs.rmdirSync(join(source, 'new'))
  fs.chmodSync(root, 0o755)
  await tick()
  const first = await backupLevel(source)
  fs.chmodSync(join(source, 'shut'), 0)
  fs.chmodSync(join(source, 'secret'), 0)
  fs.mkdirSync(join(source, 'new'), { mode: 0 })
  fs.writeFileSync(join(source, 'private'), '', { mode: 0 })
  process.setegid?.(65534)
  process.seteuid?.(65534)
  let second: Level
  try {
    second = await backupLevel(source, [first])
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
  assert.deepEqual(second.warnings.map(({ kind, path }) => `${kind} ${path}`).sort(), [
    'unread new',
    'unread private',
    'unread secret',
    'unread shut',
  ])
  for (const path of ['shut', 'shut/in', 'shut/in/deep', 'shut/file', 'secret']) {
    assert.deepEqual(find(second, path)?.place, find(first, path)?.place, path)
  }
  assert.equal(find(second, 'new')?.type, 'directory')
  assert.equal(find(second, 'private'), undefined)
  const target = join(scratch('denied'), 'target')
  extract(first, target)
  extract(second, target)
  assert.equal(fs.readFileSync(join(target, 'shut/in/deep'), 'utf8'), 'deep')
  assert.equal(fs.readFileSync(join(target, 'secret'), 'utf8'), 'secret')
})

test('sockets are skipped with a word', async () => {
  const source = scratch('socket')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(source, 'socket'), resolve))
  try {
    const level = await backupLevel(source)
    assert.deepEqual(
      level.warnings.map(({ kind, path }) => `${kind} ${path}`),
      ['skipped socket'],
    )
    assert.deepEqual(level.entries.map(entryPath), [''])
  } finally {
    server.close()
  }
})

test('one file, link or device is an archive of one member', async () => {
  const directory = scratch('single')
  fs.writeFileSync(join(directory, 'ü file'), 'content')
  fs.symlinkSync('nowhere', join(directory, 'link'))
  for (const name of ['ü file', 'link']) {
    const level = await backupLevel(join(directory, name))
    assert.deepEqual(
      level.entries.map(({ directory: parent, name: own }) => [
        parent,
        Buffer.from(own, 'latin1').toString(),
      ]),
      [['', name]],
    )
    const listed = execFileSync('tar', ['-t', '--quoting-style=literal', '-f', '-'], { input: level.archive })
    assert.equal(listed.toString(), `${name}\n`)
    const target = join(scratch('single'), 'target')
    extract(level, target)
    assert.deepEqual(fs.readdirSync(target), [name])
    await tick()
    const [again, last] = [await backupLevel(join(directory, name), [level]), 1024]
    const once = await backupLevel(join(directory, name), [level, again])
    assert.equal(once.archive.length, last)
  }
})

test('links and hard links are followed when asked for', async () => {
  const source = scratch('follow')
  const outside = scratch('outside')
  fs.mkdirSync(join(outside, 'directory'))
  fs.writeFileSync(join(outside, 'directory/file'), 'far away')
  fs.writeFileSync(join(source, 'one'), 'twice')
  fs.linkSync(join(source, 'one'), join(source, 'two'))
  fs.symlinkSync(join(outside, 'directory'), join(source, 'away'))
  fs.symlinkSync('one', join(source, 'near'))
  fs.symlinkSync('missing', join(source, 'broken'))
  fs.symlinkSync('.', join(source, 'circle'))
  const kinds = (level: Level) =>
    Object.fromEntries(level.entries.map((entry) => [entryPath(entry), entry.type]))
  const soft = await backupLevel(source, [], { dereference: 'soft' })
  assert.deepEqual(kinds(soft), {
    '': 'directory',
    broken: 'symlink',
    circle: 'symlink',
    near: 'file',
    one: 'hardlink',
    two: 'hardlink',
    away: 'directory',
    'away/file': 'file',
  })
  assert.deepEqual(soft.warnings.map(({ kind, path }) => `${kind} ${path}`).sort(), [
    'metadata broken',
    'metadata circle',
  ])
  const hard = await backupLevel(source, [], { dereference: 'hard' })
  assert.deepEqual([find(hard, 'one')?.type, find(hard, 'two')?.type], ['file', 'file'])
  assert.equal(find(hard, 'near')?.type, 'symlink')
  const all = await backupLevel(source, [], { dereference: 'all' })
  assert.deepEqual(
    ['near', 'one', 'two'].map((path) => find(all, path)?.type),
    ['file', 'file', 'file'],
  )
  const target = join(scratch('follow'), 'target')
  extract(soft, target)
  assert.equal(fs.readFileSync(join(target, 'away/file'), 'utf8'), 'far away')
  assert.equal(fs.readFileSync(join(target, 'near'), 'utf8'), 'twice')
})

test('other file systems are left out when asked for, their mount points kept', async () => {
  const inside = fs.mkdtempSync('/dev/shm/mounted-')
  try {
    const level = await backupLevel('/dev', [], { oneFileSystem: true })
    assert.equal(find(level, 'shm')?.type, 'directory')
    assert.deepEqual(
      level.entries.filter(({ directory, name }) => directory === 'shm' && name !== ''),
      [],
    )
    assert.equal(find(level, inside.slice('/dev/'.length)), undefined)
    assert.equal(find(level, 'null')?.type, 'character')
  } finally {
    fs.rmdirSync(inside)
  }
})

test('what is left out from now on goes away with the next level', async () => {
  const source = scratch('exclude')
  for (const path of ['a/cache/x', 'b/cache']) fs.mkdirSync(join(source, path), { recursive: true })
  for (const path of ['a/cache/x/1', 'a/2', 'b/cache/3', 'b/4.tmp'])
    fs.writeFileSync(join(source, path), path)
  await tick()
  const levels = [await backupLevel(source)]
  levels.push(await backupLevel(source, levels, { exclude: ['cache', '*.tmp'] }))
  assert.deepEqual(levels[1]?.entries.map(entryPath), ['', 'a', 'a/2', 'b'])
  const target = join(scratch('exclude'), 'target')
  for (const level of levels) extract(level, target)
  assert.deepEqual([...describeTree(target).keys()], ['', 'a', 'a/2', 'b'])
  levels.push(await backupLevel(source, levels))
  extract(levels[2] as Level, target)
  assert.deepEqual(differences(describeTree(source), describeTree(target)), [])
})

test('trees deeper than the longest path, and than files may be open, are read', async () => {
  const source = scratch('deep')
  const depth = 1500
  let fd = openDirectory(here, source)
  for (let i = 0; i < depth; i++) {
    for (const name of ['dxxxxxxxxx', 'x']) call.mkdirat(fd, nameBytes(name), 0o755)
    const inner = openDirectory(fd, 'dxxxxxxxxx')
    fs.closeSync(fd)
    fd = inner
  }
  call.mknodat(fd, nameBytes('bottom'), 0o100644, 0)
  fs.closeSync(fd)
  await tick()
  const first = await backupLevel(source)
  assert.equal(first.entries.length, depth * 2 + 2)
  assert.deepEqual(first.warnings, [])
  const second = await backupLevel(source, [first])
  assert.equal(second.archive.length, 1024)
  assert.deepEqual(second.entries, first.entries)
})

test('a directory of many names is listed whole', async () => {
  const source = scratch('many')
  const fd = openDirectory(here, source)
  for (let i = 0; i < 6000; i++) {
    const name = `${String(i).padStart(5, '0')}${'n'.repeat(i % 90)}`
    if (i % 100 === 0) call.mkdirat(fd, nameBytes(name), 0o755)
    else call.mknodat(fd, nameBytes(name), 0o100644, 0)
  }
  fs.closeSync(fd)
  await tick()
  const levels = [await backupLevel(source)]
  const target = join(scratch('many'), 'target')
  assert.equal(extract(levels[0] as Level, target), '')
  const names = fs.readdirSync(target)
  for (let i = 1; i < 6000; i += 7) fs.rmSync(join(source, names[i] as string), { recursive: true })
  await tick()
  levels.push(await backupLevel(source, levels))
  assertTiled(levels[1] as Level, 1)
  assert.equal(extract(levels[1] as Level, target), '')
  assert.deepEqual(differences(describeTree(source), describeTree(target)), [])
})

test('large sparse files take no more room than their data', async () => {
  const source = scratch('sparse')
  const fd = fs.openSync(join(source, 'sparse'), 'w')
  fs.ftruncateSync(fd, 2 ** 40)
  fs.writeSync(fd, 'middle', 2 ** 39)
  fs.closeSync(fd)
  fs.closeSync(fs.openSync(join(source, 'hole'), 'w'))
  fs.truncateSync(join(source, 'hole'), 2 ** 34)
  const level = await backupLevel(source)
  assert.ok(level.archive.length < 20_000)
  assert.equal(find(level, 'sparse')?.size, 2 ** 40)
  const target = join(scratch('sparse'), 'target')
  extract(level, target)
  assert.equal(fs.statSync(join(target, 'hole')).size, 2 ** 34)
  assert.equal(fs.statSync(join(target, 'hole')).blocks, 0)
  const got = fs.openSync(join(target, 'sparse'), 'r')
  const middle = Buffer.alloc(6)
  fs.readSync(got, middle, 0, 6, 2 ** 39)
  fs.closeSync(got)
  assert.equal(middle.toString(), 'middle')
  assert.equal(fs.statSync(join(target, 'sparse')).size, 2 ** 40)
})

test('everything is counted once, and a run that is aborted ends', async () => {
  const source = scratch('count')
  fs.mkdirSync(join(source, 'a'))
  fs.writeFileSync(join(source, 'a/big'), Buffer.alloc(5 << 20, 'x'))
  fs.writeFileSync(join(source, 'small'), 'small')
  let [entries, bytes, calls] = [0, 0, 0]
  const count = (more: number, content: number): void => {
    entries += more
    bytes += content
    calls++
  }
  await backupLevel(source, [], {}, { count })
  assert.deepEqual([entries, bytes], [4, (5 << 20) + 5])
  assert.ok(calls >= 6)
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  await assert.rejects(
    backupLevel(source, [], {}, { count: stop, signal: controller.signal }),
    (error: Error) => error.name === 'AbortError',
  )
})

test('a source that cannot be had is a failure', async () => {
  const failure = (code: string) => (error: unknown) => isFailure(error) && error.code === code
  await assert.rejects(backupLevel(join(root, 'missing')), failure('source'))
  const stream = {
    kind: 'stream',
    name: 'dump',
    // oxlint-disable-next-line require-yield
    open: async function* () {},
  } as const
  await assert.rejects(backupLevel('', [], {}, { source: stream }), failure('plugin'))
})

test('no descriptor stays open', async () => {
  const source = join(scratch('descriptors'), 'source')
  makeTree(source, seeded(9), 60)
  const open = () => fs.readdirSync('/proc/self/fd').length
  const before = open()
  const level = await backupLevel(source)
  await backupLevel(source, [level], { dereference: 'hard' })
  const archive = new MemoryArchive()
  archive.write = () => {
    throw new Error('full')
  }
  await assert.rejects(backupLevel(source, [], {}, { archive }), /full/)
  assert.equal(open(), before)
})
