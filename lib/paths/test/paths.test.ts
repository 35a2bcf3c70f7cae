import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKey } from '@freezer/sdk'
import * as fc from 'fast-check'
import { blobPath, isPrefix, keyIn, mayBeBlob, type Place, placeIn, placeOf, readPath } from '../src/index.ts'

const root: Place = { path: '', prefix: '' }

/** The key of the file at `path`, found as a listing finds it. */
function keyOf(path: string): string {
  const names = path.split('/')
  assert.ok(names.every(mayBeBlob), path)
  const file = names.pop() ?? ''
  return keyIn(names.reduce(placeIn, root), file)
}

const part = fc
  .stringMatching(/^[A-Za-z0-9_%-][A-Za-z0-9._%-]{0,450}$/, { size: 'max' })
  .map((text) => text.slice(0, 450))
const key = fc
  .array(part, { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('/').slice(0, 900))
  .filter(isKey)

test('a listing finds the key of every path, which has names that a file system takes', () => {
  fc.assert(
    fc.property(key, (some) => {
      const path = blobPath('/c', some)
      assert.ok(path.split('/').every((name) => name.length <= 255))
      assert.equal(keyOf(path.slice('/c/'.length)), some)
    }),
    { numRuns: 500 },
  )
})

test('names are cut at 200 characters, dots after the cut included', () => {
  const x = 'x'.repeat(200)
  assert.equal(blobPath('/c', `a/${x}`), `/c/a/${x}`)
  assert.equal(blobPath('/c', `a/${x}y/b`), `/c/a/${x}~/~y/b`)
  assert.equal(blobPath('/c', `${x}.${x}`), `/c/${x}~/~.${x.slice(1)}~/~x`)
})

test('the place of a prefix holds every key that starts with it', () => {
  fc.assert(
    fc.property(key, fc.nat(), (some, cut) => {
      const prefix = some.slice(0, cut % (some.length + 1))
      const place = placeOf(prefix)
      assert.ok(isPrefix(prefix) || prefix.endsWith('/.'), prefix)
      assert.ok(prefix.startsWith(place.prefix))
      assert.ok(blobPath('/', some).startsWith(`/${place.path}`))
      assert.deepEqual(place, place.path.split('/').slice(0, -1).reduce(placeIn, root))
    }),
    { numRuns: 500 },
  )
})

test('no key leads out of the container', () => {
  for (const bad of [
    '..',
    '../x',
    'a/../../x',
    '/etc/passwd',
    'a//b',
    '.tmp/x',
    'a/.b',
    '',
    'a/',
    'a\0b',
    'a\n',
  ]) {
    assert.throws(() => blobPath('/c', bad), { code: 'internal' }, bad)
    if (bad !== '' && bad !== 'a/') assert.equal(isPrefix(bad), false, bad)
  }
})

test('a key that another program put is read where it lies, and leads nowhere else', () => {
  assert.equal(readPath('/c', 'h@x/a b: \u00fc'), '/c/h@x/a b: \u00fc')
  const long = 'x'.repeat(230)
  assert.equal(readPath('/c', `${long} y`), `/c/${long} y`)
  for (const bad of ['../a b', 'a b/../c', '/a b', 'a b/', 'a b/.c', 'a\0b', 'a\nb', 'a b~', '\ud800']) {
    assert.throws(() => readPath('/c', bad), bad)
  }
})
