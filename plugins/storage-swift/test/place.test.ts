import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parsePlace, pathOf } from '../src/place.ts'

test('a container, and what names in it begin with', () => {
  assert.deepEqual(parsePlace('backups'), { container: 'backups', prefix: '' })
  assert.deepEqual(parsePlace('backups/'), { container: 'backups', prefix: '' })
  assert.deepEqual(parsePlace('backups/a//b/'), { container: 'backups', prefix: 'a/b/' })
  for (const wrong of ['', '/', '/a', 'ü'.repeat(129), '\ud800', `c/${'ü'.repeat(61)}`]) {
    assert.throws(() => parsePlace(wrong), { code: 'configuration' }, wrong)
  }
})

test('every name is found again in the path that it makes', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter((text) => text.isWellFormed())
  fc.assert(
    fc.property(
      name.filter((text) => !text.includes('/')),
      name.filter((text) => !text.split('/').some((part) => part === '.' || part === '..')),
      (container, object) => {
        fc.pre(container !== '.' && container !== '..')
        const { pathname, search, hash } = new URL(`http://h/v1/AUTH_x${pathOf(container, object)}`)
        assert.equal(search + hash, '')
        const [, , , first = '', ...rest] = pathname.split('/')
        assert.equal(decodeURIComponent(first), container)
        assert.equal(rest.map(decodeURIComponent).join('/'), object)
      },
    ),
    { numRuns: 500 },
  )
})
