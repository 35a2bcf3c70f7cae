import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { parseIni, readIni } from '../src/ini.ts'

test('sections merge, keys are spelled one way, values stay as they are', () => {
  const text = [
    '\uFEFF; a comment',
    '# another',
    'container = /b ; not a comment',
    '',
    '[default]',
    '  Backup-Name=a = b # c',
    '[action]',
    'exclude = "*.o"',
    'exclude = 100%',
    'empty =',
  ].join('\r\n')
  assert.deepEqual(parseIni(text, 'f.ini').entries, [
    { key: 'container', value: '/b ; not a comment', line: 3 },
    { key: 'backup_name', value: 'a = b # c', line: 6 },
    { key: 'exclude', value: '"*.o"', line: 8 },
    { key: 'exclude', value: '100%', line: 9 },
    { key: 'empty', value: '', line: 10 },
  ])
})

test('what stands in the section of a storage is of that storage alone, up to the next section', () => {
  const text = 'a = 1\n[storage:one]\na = 2\n[ Storage: two ]\nb = 3\n[default]\nc = 4\n'
  assert.deepEqual(parseIni(text, 'f.ini'), {
    file: 'f.ini',
    entries: [
      { key: 'a', value: '1', line: 1 },
      { key: 'c', value: '4', line: 7 },
    ],
    storages: [
      { name: 'one', line: 2, entries: [{ key: 'a', value: '2', line: 3 }] },
      { name: 'two', line: 4, entries: [{ key: 'b', value: '3', line: 5 }] },
    ],
  })
})

for (const [what, text, place] of [
  ['a line without =', 'a = 1\nnonsense\n', 'f.ini line 2'],
  ['a line without a key', '\n\n = 1', 'f.ini line 3'],
  ['an open section', '[default\n', 'f.ini line 1'],
  ['an empty section name', '[]\n', 'f.ini line 1'],
  ['a storage without a name', '[default]\n[storage:]\n', 'f.ini line 2'],
  ['a name that is none', '[storage:a b]\n', 'f.ini line 1'],
  ['a storage that comes twice', '[storage:one]\n[storage:two]\n[storage:one]', 'f.ini line 3'],
] as const) {
  test(`${what} is refused with its line`, () => {
    assert.throws(
      () => parseIni(text, 'f.ini'),
      (error) => isFailure(error) && error.code === 'configuration' && error.message.startsWith(place),
    )
  })
}

test('a file is read; one that is not there is a configuration failure', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ini-'))
  try {
    const file = join(directory, 'f.ini')
    assert.throws(
      () => readIni(file),
      (error) => isFailure(error) && error.code === 'configuration' && error.message.includes(file),
    )
    writeFileSync(file, 'a=1')
    assert.deepEqual(readIni(file), { file, entries: [{ key: 'a', value: '1', line: 1 }], storages: [] })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
