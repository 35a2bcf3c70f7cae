import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '@freezer/sdk'
import { isFailure } from '@freezer/sdk'
import { entryJson, entryName, longLine } from '../src/output/entries.ts'
import { parsePath } from '../src/path-argument.ts'

process.env.TZ = 'UTC'

const entry: Entry = {
  type: 'file',
  directory: 'a',
  name: 'b',
  mode: 0o644,
  uid: 1000,
  gid: 100,
  size: 12345,
  mtime: 1_782_900_000,
  mtimeNs: 5,
  ctime: 0,
  ctimeNs: 0,
  inode: 1,
  link: '',
  place: { level: 0, offset: 0, length: 0 },
}

test('a long line has what ls -l has', () => {
  assert.equal(longLine(entry), '-rw-r--r--    1000:100        12345 2026-07-01T10:00:00 a/b')
  const directory: Entry = { ...entry, type: 'directory', name: '', mode: 0o7750, size: 0 }
  assert.equal(longLine(directory), 'drwsr-s--T    1000:100            0 2026-07-01T10:00:00 a/')
  const link: Entry = { ...entry, type: 'symlink', mode: 0o777, size: 0, link: '\u001b[2J' }
  assert.match(longLine(link), / a\/b -> \\x1b\[2J$/)
  assert.match(longLine({ ...entry, type: 'hardlink', link: 'a/a' }), /^h.* a\/b link to a\/a$/)
  assert.match(longLine({ ...entry, mtime: 2 ** 50 }), /@1125899906842624\.000000005 a\/b$/)
})

test('names: visible for people; in JSON, bytes that are no text can be had back', () => {
  assert.equal(entryName({ ...entry, name: 'x\ny' }), 'a/x\\x0ay')
  assert.equal(entryName({ ...entry, type: 'directory', directory: '', name: '' }), './')
  assert.deepEqual(entryJson(entry), {
    path: 'a/b',
    type: 'file',
    size: 12345,
    mode: '0644',
    uid: 1000,
    gid: 100,
    mtime: '2026-07-01T10:00:00.000000005Z',
  })
  const odd = entryJson({ ...entry, name: '\xff', link: '\xfe' }) as Record<string, string>
  assert.equal(odd['path'], 'a/\ufffd')
  assert.equal(Buffer.from(odd['bytes'] ?? '', 'base64').toString('latin1'), 'a/\xff')
  assert.equal(Buffer.from(odd['linkBytes'] ?? '', 'base64').toString('latin1'), '\xfe')
})

test('a path is relative to what was backed up, however it is written', () => {
  for (const text of ['a/b', '/a/b', './a//b/', 'a/./b']) assert.equal(parsePath(text), 'a/b')
  for (const text of ['', '/', '.', './']) assert.equal(parsePath(text), '')
  assert.equal(parsePath('ü'), '\xc3\xbc')
  assert.equal(parsePath('..a'), '..a')
  assert.throws(
    () => parsePath('a/../b'),
    (error) => isFailure(error) && error.code === 'usage',
  )
})
