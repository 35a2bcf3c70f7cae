import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as fc from 'fast-check'
import {
  attributesAt,
  attributesOf,
  call,
  codeOf,
  dataSegments,
  here,
  listDirectory,
  nameBytes,
  openDirectory,
  openFile,
  readLink,
  Stat,
} from '../src/index.ts'

const root = mkdtempSync(join(tmpdir(), 'read-'))
after(() => rmSync(root, { recursive: true, force: true }))

const code = (wanted: string) => (error: unknown) => codeOf(error) === wanted

function opened<T>(path: string, use: (fd: number) => T): T {
  const fd = openDirectory(here, Buffer.from(path).toString('latin1'))
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

test('facts of a file are those that Node tells', () => {
  const dir = mkdtempSync(join(root, 'stat-'))
  writeFileSync(join(dir, 'file'), 'x'.repeat(5000), { mode: 0o640 })
  linkSync(join(dir, 'file'), join(dir, 'again'))
  symlinkSync('file', join(dir, 'link'))
  execFileSync('touch', ['-d', '@-1.5', join(dir, 'file')])
  execFileSync('mkfifo', [join(dir, 'fifo')])
  execFileSync('mknod', [join(dir, 'device'), 'c', '300', '70000'])
  opened(dir, (fd) => {
    const stat = new Stat()
    for (const name of ['file', 'again', 'link', 'fifo', 'device', '.']) {
      stat.readAt(fd, name)
      const node = lstatSync(join(dir, name), { bigint: true })
      assert.equal(stat.mode, Number(node.mode))
      assert.equal(stat.links, Number(node.nlink))
      assert.equal(stat.size, Number(node.size))
      assert.equal(stat.allocated, Number(node.blocks) * 512)
      assert.equal(BigInt(stat.mtime) * 1_000_000_000n + BigInt(stat.mtimeNs), node.mtimeNs)
      assert.equal(BigInt(stat.ctime) * 1_000_000_000n + BigInt(stat.ctimeNs), node.ctimeNs)
      assert.equal(stat.inode, Number(node.ino))
    }
    stat.readAt(fd, 'device')
    assert.deepEqual([stat.rdevMajor, stat.rdevMinor], [300, 70000])
    stat.readAt(fd, 'link', true)
    assert.equal(stat.format, constants.S_IFREG)
    const followed = stat.identity
    stat.readAt(fd, 'again')
    assert.equal(stat.identity, followed)
    const file = openFile(fd, 'file')
    stat.read(file)
    closeSync(file)
    assert.equal(stat.identity, followed)
    assert.equal(stat.mtime, -2)
    assert.equal(stat.mtimeNs, 500_000_000)
    assert.throws(() => stat.readAt(fd, 'missing'), code('ENOENT'))
  })
})

test('links are not followed unless asked for', () => {
  const dir = mkdtempSync(join(root, 'links-'))
  mkdirSync(join(dir, 'real'))
  writeFileSync(join(dir, 'file'), 'content')
  symlinkSync('real', join(dir, 'to-real'))
  symlinkSync('file', join(dir, 'to-file'))
  opened(dir, (fd) => {
    assert.throws(() => openDirectory(fd, 'to-real'), code('ENOTDIR'))
    assert.throws(() => openFile(fd, 'to-file'), code('ELOOP'))
    closeSync(openDirectory(fd, 'to-real', true))
    const file = openFile(fd, 'to-file', true)
    const bytes = Buffer.alloc(20)
    assert.equal(bytes.toString('utf8', 0, readSync(file, bytes)), 'content')
    closeSync(file)
    assert.equal(readLink(fd, 'to-real'), 'real')
    assert.throws(() => readLink(fd, 'file'), code('EINVAL'))
  })
})

test('names of any bytes are listed in order of their bytes', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(
        fc
          .uint8Array({ minLength: 1, maxLength: 255 })
          .map((bytes) => Buffer.from(bytes.map((b) => (b === 0 || b === 0x2f ? 1 : b))).toString('latin1'))
          .filter((name) => name !== '.' && name !== '..'),
        { maxLength: 30 },
      ),
      (names) => {
        const dir = mkdtempSync(join(root, 'names-'))
        opened(dir, (fd) => {
          const odd = (name: string) => name.length % 2 === 1
          for (const name of names.slice(1)) {
            assert.equal(call.mknodat(fd, nameBytes(name), odd(name) ? 0o100600 : 0o010600, 0), 0)
          }
          for (const name of names.slice(0, 1)) assert.equal(call.mkdirat(fd, nameBytes(name), 0o700), 0)
          const { directories, others, regular } = listDirectory(fd)
          assert.deepEqual(
            [...regular],
            others.map((name) => Number(odd(name))),
          )
          assert.deepEqual(directories, names.slice(0, 1))
          const bytes = (list: string[]) => list.map((name) => Buffer.from(name, 'latin1'))
          assert.deepEqual(bytes(others), bytes(names.slice(1)).sort(Buffer.compare))
          const stat = new Stat()
          for (const name of names) stat.readAt(fd, name)
        })
        rmSync(dir, { recursive: true })
      },
    ),
    { numRuns: 40 },
  )
})

test('many names take several pages', () => {
  const dir = mkdtempSync(join(root, 'many-'))
  const names = Array.from({ length: 5000 }, (_, i) => `${'n'.repeat(100)}${String(i).padStart(5, '0')}`)
  opened(dir, (fd) => {
    for (const name of names) call.mknodat(fd, nameBytes(name), 0o100600, 0)
    assert.deepEqual(listDirectory(fd), {
      directories: [],
      others: names,
      regular: new Uint8Array(5000).fill(1),
    })
  })
  opened(dir, (fd) => {
    for (const time of ['first', 'second']) {
      const { others, regular } = listDirectory(fd, (name) => name.endsWith('7'))
      assert.deepEqual([others.length, regular.length], [500, 500], time)
    }
  })
})

test('directories deeper than the longest path are reached', () => {
  const dir = mkdtempSync(join(root, 'deep-'))
  const name = 'd'.repeat(200)
  let fd = openDirectory(here, dir)
  for (let depth = 0; depth < 40; depth++) {
    assert.equal(call.mkdirat(fd, nameBytes(name), 0o700), 0)
    const inner = openDirectory(fd, name)
    closeSync(fd)
    fd = inner
  }
  assert.equal(call.mknodat(fd, nameBytes('bottom'), 0o100600, 0), 0)
  assert.deepEqual(listDirectory(fd).others, ['bottom'])
  assert.deepEqual(attributesAt(fd, 'bottom'), [])
  closeSync(fd)
})

test('extended attributes of files, directories and links are read', () => {
  const dir = mkdtempSync(join(root, 'xattr-'))
  writeFileSync(join(dir, 'file'), '')
  symlinkSync('file', join(dir, 'link'))
  const set = (path: string, name: string, value: Buffer) =>
    assert.equal(call.lsetxattr(nameBytes(path), Buffer.from(`${name}\0`), value, value.length, 0), 0)
  const binary = Buffer.from([0, 1, 255, 10, 0])
  set(join(dir, 'file'), 'user.binary', binary)
  set(join(dir, 'file'), 'user.a', Buffer.alloc(0))
  set(join(dir, 'link'), 'trusted.onlink', Buffer.from('here'))
  execFileSync('setfacl', ['-m', 'u:1234:rw,g:77:r', join(dir, 'file')])
  execFileSync('setfacl', ['-d', '-m', 'u:1234:rwx', dir])
  opened(dir, (fd) => {
    assert.deepEqual(
      attributesOf(fd).map(({ name }) => name),
      ['system.posix_acl_default'],
    )
    const file = openFile(fd, 'file')
    const found = attributesOf(file)
    closeSync(file)
    assert.deepEqual(
      found.map(({ name }) => name),
      ['system.posix_acl_access', 'user.a', 'user.binary'],
    )
    assert.equal(found[1]?.value.length, 0)
    assert.deepEqual(Buffer.from(found[2]?.value ?? []), binary)
    assert.deepEqual(attributesAt(fd, 'file'), found)
    assert.deepEqual(
      attributesAt(fd, 'link').map(({ name, value }) => `${name}=${Buffer.from(value)}`),
      ['trusted.onlink=here'],
    )
  })
})

test('holes are found', () => {
  const path = join(root, 'sparse')
  const fd = openSync(path, 'w+')
  const block = Buffer.alloc(65536, 1)
  writeSync(fd, block, 0, block.length, 2 ** 20)
  writeSync(fd, block, 0, block.length, 2 ** 33)
  assert.deepEqual(dataSegments(fd, 2 ** 33 + 65536), [
    { offset: 2 ** 20, length: 65536 },
    { offset: 2 ** 33, length: 65536 },
  ])
  assert.deepEqual(dataSegments(fd, 2 ** 20 + 5), [{ offset: 2 ** 20, length: 5 }])
  ftruncateSync(fd, 0)
  ftruncateSync(fd, 2 ** 40)
  assert.deepEqual(dataSegments(fd, 2 ** 40), [])
  closeSync(fd)
})
