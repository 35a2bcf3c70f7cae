import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isFailure } from '@freezer/sdk'
import { makeSecretFile, newKeyFile, readKeyFile, readRecipientFile } from '../src/secret-files.ts'
import { scratchDirectory } from './support.ts'

const scratch = scratchDirectory()
const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected

suite('a file with a secret', () => {
  test('is read whole, line ends and NUL bytes too', () => {
    const file = join(scratch, 'key')
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    writeFileSync(file, bytes)
    assert.deepEqual(Buffer.from(readKeyFile(file)), bytes)
  })

  test('that is missing, a directory or too large is refused', () => {
    const large = join(scratch, 'large')
    writeFileSync(large, Buffer.alloc(2 ** 20))
    assert.equal(readKeyFile(large).length, 2 ** 20)
    assert.throws(() => readRecipientFile(large), code('key'))
    writeFileSync(large, Buffer.alloc(2 ** 20 + 1))
    for (const file of [large, scratch, join(scratch, 'nothing')])
      assert.throws(() => readKeyFile(file), code('key'))
  })

  test('is made for its owner alone, and replaces nothing', () => {
    const file = join(scratch, 'made')
    const secret = newKeyFile()
    {
      using made = makeSecretFile(file)
      made.write(secret)
      made.keep()
    }
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.deepEqual(readFileSync(file), Buffer.from(secret))
    assert.throws(() => makeSecretFile(file), code('refused'))
    assert.deepEqual(readFileSync(file), Buffer.from(secret))
  })

  test('is gone again when nobody keeps it', () => {
    const file = join(scratch, 'gone')
    {
      using made = makeSecretFile(file)
      made.write(newKeyFile())
      assert.ok(existsSync(file))
    }
    assert.ok(!existsSync(file))
  })

  test('has another secret every time', () => {
    assert.equal(newKeyFile().length, 32)
    assert.notDeepEqual(newKeyFile(), newKeyFile())
  })
})
