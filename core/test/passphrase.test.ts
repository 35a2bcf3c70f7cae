import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { readPassphrase } from '../src/passphrase.ts'

const directory = mkdtempSync(join(tmpdir(), 'passphrase-'))
after(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'pass')

for (const [what, content, expected] of [
  ['a line', 'secret\n', 'secret'],
  ['no line end', 'secret', 'secret'],
  ['a line end of Windows', 'secret\r\nmore', 'secret'],
  ['white space', ' two words \t\n', ' two words \t'],
  ['a return within', 'a\rb\n', 'a\rb'],
  ['a return at the end of the file', 'a\r', 'a\r'],
  ['the longest', `${'x'.repeat(4096)}\r\n`, 'x'.repeat(4096)],
] as const) {
  test(`${what}: the first line without its end`, () => {
    writeFileSync(file, content)
    assert.equal(Buffer.from(readPassphrase(file)).toString('latin1'), expected)
  })
}

test('bytes stay bytes', () => {
  writeFileSync(file, Buffer.from([0xff, 0x00, 0x80, 0x0a, 0x41]))
  assert.deepEqual([...readPassphrase(file)], [0xff, 0x00, 0x80])
})

for (const [what, content] of [
  ['empty', ''],
  ['of an empty first line', '\nsecret'],
  ['of an empty first line of Windows', '\r\nsecret'],
  ['of an endless line', 'hunter2'.repeat(1000)],
] as const) {
  test(`a file that is ${what} is refused, without a word of it`, () => {
    writeFileSync(file, content)
    assert.throws(
      () => readPassphrase(file),
      (error) =>
        isFailure(error) &&
        error.code === 'key' &&
        error.message.includes(file) &&
        !`${error.message}${error.remedy}`.includes('hunter'),
    )
  })
}

test('a file that is missing, or is a directory, is a failure of the key', () => {
  for (const path of [join(directory, 'none'), directory]) {
    assert.throws(
      () => readPassphrase(path),
      (error) => isFailure(error) && error.code === 'key',
    )
  }
})
