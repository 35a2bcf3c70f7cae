import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../src/contracts/failures.ts'
import { RepositoryKey } from '../src/repository/keys.ts'

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected
const passphrase = Buffer.from('correct horse')
const id = 'ab'.repeat(16)

interface KeyFile {
  kdf: Record<string, unknown>
  wrapped: unknown
  [member: string]: unknown
}

describe('a wrapped key', () => {
  const key = RepositoryKey.generate()
  let file: Uint8Array = new Uint8Array()
  before(async () => {
    file = await key.wrap(passphrase)
  })
  const altered = (change: (file: KeyFile) => void): Buffer => {
    const value = JSON.parse(Buffer.from(file).toString()) as KeyFile
    change(value)
    return Buffer.from(JSON.stringify(value))
  }

  test('is opened by its passphrase alone', async () => {
    assert.equal((await RepositoryKey.unwrap(file, passphrase))?.fingerprint, key.fingerprint)
    for (const wrong of ['', 'correct horse\n', 'Correct horse']) {
      assert.equal(await RepositoryKey.unwrap(file, Buffer.from(wrong)), undefined)
    }
  })

  test('is another file every time, and shows neither key nor passphrase', async () => {
    const again = await key.wrap(passphrase)
    assert.notDeepEqual(again, file)
    assert.equal((await RepositoryKey.unwrap(again, passphrase))?.fingerprint, key.fingerprint)
    assert.ok(!Buffer.from(file).includes(passphrase))
    assert.ok(!Buffer.from(file).includes(key.fingerprint))
  })

  test('whose parts were altered does not open', async () => {
    const changes: ((file: KeyFile) => void)[] = [
      ({ kdf }) => void (kdf['n'] = 2 ** 14),
      ({ kdf }) => void (kdf['r'] = 4),
      ({ kdf }) => void (kdf['salt'] = Buffer.alloc(32).toString('base64')),
      (value) => void (value.wrapped = ''),
      (value) => void (value.wrapped = `A${String(value.wrapped).slice(1)}`),
      (value) => void (value.wrapped = String(value.wrapped).slice(0, -8)),
    ]
    for (const change of changes)
      assert.equal(await RepositoryKey.unwrap(altered(change), passphrase), undefined)
  })

  const hostile: [string, unknown][] = [
    ['n', 2 ** 40],
    ['n', 2 ** 20],
    ['n', 0],
    ['n', 1],
    ['n', 3],
    ['n', -32768],
    ['n', 1.5],
    ['n', 1e308],
    ['n', '32768'],
    ['n', null],
    ['r', 2 ** 30],
    ['r', 0],
    ['p', 2 ** 30],
    ['p', -1],
    ['salt', { length: 2 ** 30 }],
    ['salt', 7],
    ['name', 'pbkdf2'],
  ]
  for (const [name, value] of hostile) {
    test(`with kdf ${name} ${JSON.stringify(value)} is refused before any memory is taken`, async () => {
      const bytes = altered(({ kdf }) => void (kdf[name] = value))
      const { rss } = process.memoryUsage()
      const started = performance.now()
      await assert.rejects(RepositoryKey.unwrap(bytes, passphrase), code('damaged'))
      assert.ok(performance.now() - started < 100)
      assert.ok(process.memoryUsage().rss - rss < 16 * 2 ** 20)
    })
  }

  test('that is something else is damaged', async () => {
    const files = [
      '',
      'null',
      '[]',
      '{}',
      '{"kdf":null}',
      '\0',
      altered((value) => void (value['format'] = 'key')),
      altered((value) => void (value['version'] = 2)),
      altered((value) => void (value.wrapped = { length: 2 ** 30 })),
      altered((value) => void (value.wrapped = [1, 2, 3])),
      altered((value) => void delete value.wrapped),
    ]
    for (const other of files) {
      await assert.rejects(
        RepositoryKey.unwrap(Buffer.from(other), passphrase),
        code('damaged'),
        String(other),
      )
    }
  })
})

describe('a repository key', () => {
  const key = new RepositoryKey(Buffer.alloc(32, 1))
  const other = new RepositoryKey(Buffer.alloc(32, 2))

  test('gives each backup a key of its own', () => {
    const keys = [key.blockKey(id), key.blockKey('cd'.repeat(16)), other.blockKey(id)]
    assert.equal(new Set(keys.map((bytes) => Buffer.from(bytes).toString('hex'))).size, 3)
    assert.deepEqual(key.blockKey(id), key.blockKey(id))
    for (const bytes of keys) assert.equal(bytes.length, 32)
  })

  test('hashes host and name together, and shows neither', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(name, name, name, name, (a, b, c, d) => {
        const same = a === c && b === d
        assert.equal(key.hashName(a, b) === key.hashName(c, d), same)
        assert.match(key.hashName(a, b), /^[0-9a-f]{40}$/)
        assert.notEqual(key.hashName(a, b), other.hashName(a, b))
      }),
    )
    assert.notEqual(key.hashName('ab', 'c'), key.hashName('a', 'bc'))
  })

  test('opens the manifests that it sealed, in their place, unaltered', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (text, at) => {
        const sealed = key.sealManifest(id, text, 'place')
        assert.deepEqual(new Uint8Array(key.openManifest(id, sealed, 'place')), text)
        const flipped = sealed.with(at % sealed.length, (sealed[at % sealed.length] ?? 0) ^ (1 << (at % 8)))
        assert.throws(() => key.openManifest(id, flipped, 'place'), code('damaged'))
        assert.throws(
          () => key.openManifest(id, sealed.subarray(0, at % sealed.length), 'place'),
          code('damaged'),
        )
        assert.throws(() => key.openManifest(id, sealed, 'another place'), code('damaged'))
        assert.throws(() => key.openManifest('cd'.repeat(16), sealed, 'place'), code('damaged'))
        assert.throws(() => other.openManifest(id, sealed, 'place'), code('damaged'))
      }),
    )
  })
})
