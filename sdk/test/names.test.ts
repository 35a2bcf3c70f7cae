import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../src/contracts/failures.ts'
import { isKey } from '../src/contracts/storage.ts'
import {
  manifestKey,
  parseManifestKey,
  plainGroup,
  sealedGroup,
  segmentKey,
} from '../src/repository/names.ts'

const id = fc.stringMatching(/^[0-9a-f]{32}$/)
const name = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
  fc.string({
    unit: fc.constantFrom('.', '%', '_', '/', 'ä', 'A', 'a', '2', 'E'),
    minLength: 1,
    maxLength: 12,
  }),
  fc.string({ unit: fc.constantFrom('x', 'ä', '.'), minLength: 155, maxLength: 165 }),
)
const backup = fc.record({
  id,
  chain: id,
  level: fc.nat(999_999_999),
  time: fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }),
})

describe('keys of manifests', () => {
  test('say what they were made of', () => {
    fc.assert(
      fc.property(name, name, backup, (host, backupName, made) => {
        const key = manifestKey(plainGroup(host, backupName), made)
        assert.deepEqual(parseManifestKey(key), { key, ...made })
      }),
    )
  })

  test('sort by time as text', () => {
    fc.assert(
      fc.property(backup, backup, (a, b) => {
        const [x, y] = [manifestKey('g/', a), manifestKey('g/', b)]
        if (a.time !== b.time) assert.equal(x < y, a.time < b.time)
      }),
    )
  })

  test('of a foreign form are not taken for one', () => {
    const right = manifestKey('manifests/plain/h/n/', {
      id: 'a'.repeat(32),
      chain: 'b'.repeat(32),
      level: 1,
      time: 1e12,
    })
    assert.notEqual(parseManifestKey(right), undefined)
    const wrong = [
      '',
      'freezer',
      `${right}x`,
      right.replace('Z-1-', 'Z--1-'),
      right.replace('a'.repeat(32), 'A'.repeat(32)),
      right.replace('T', 't'),
      right.replace(/\d{8}T/, '20261399T'),
      right.slice(right.lastIndexOf('/') + 1),
    ]
    for (const key of wrong) assert.equal(parseManifestKey(key), undefined, key)
  })
})

describe('groups', () => {
  const odd = [
    '.',
    '..',
    '...',
    '.hidden',
    '%',
    '%2E',
    'a/b',
    ' ',
    '\0',
    '\n',
    'x'.repeat(255),
    '文字'.repeat(128),
  ]

  test('are keys that storages take, of any name', () => {
    const holds = (host: string, other: string): void => {
      const key = manifestKey(plainGroup(host, other), {
        id: '0'.repeat(32),
        chain: '0'.repeat(32),
        level: 999_999_999,
        time: 0,
      })
      assert.ok(isKey(key), key)
      for (const part of key.split('/')) assert.ok(part.length <= 160, part)
    }
    for (const host of odd) for (const other of odd) holds(host, other)
    fc.assert(fc.property(name, name, holds))
  })

  test('differ where host or name do', () => {
    fc.assert(
      fc.property(name, name, name, name, (a, b, c, d) => {
        assert.equal(plainGroup(a, b) === plainGroup(c, d), a === c && b === d)
      }),
    )
    const groups = odd.flatMap((host) => odd.map((other) => plainGroup(host, other)))
    assert.equal(new Set(groups).size, odd.length ** 2)
  })

  test('of long names differ in their last character', () => {
    const long = 'x'.repeat(254)
    assert.notEqual(plainGroup('h', `${long}a`), plainGroup('h', `${long}b`))
  })

  test('never lie within one another', () => {
    fc.assert(
      fc.property(name, name, name, name, (a, b, c, d) => {
        const [x, y] = [plainGroup(a, b), plainGroup(c, d)]
        assert.ok(x === y || !x.startsWith(y))
      }),
    )
  })

  test('need a host and a name', () => {
    const usage = (error: unknown) => isFailure(error) && error.code === 'usage'
    assert.throws(() => plainGroup('', 'n'), usage)
    assert.throws(() => plainGroup('h', ''), usage)
  })

  test('of encrypted backups are keys too', () => {
    assert.ok(isKey(`${sealedGroup('0'.repeat(40))}x`))
  })
})

test('segments sort by number and are keys', () => {
  const keys = [0, 1, 9, 10, 99_999_999].map((number) => segmentKey('0'.repeat(32), 'data', number))
  for (const key of keys) assert.ok(isKey(key))
  assert.deepEqual(keys.toSorted(), keys)
})
