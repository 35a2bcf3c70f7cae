import assert from 'node:assert/strict'
import { createDecipheriv, createHmac, hkdfSync, scryptSync } from 'node:crypto'
import { before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { isFailure } from '../src/contracts/failures.ts'
import {
  contextOf,
  decodeRecord,
  encodeRecord,
  isWrapped,
  type Kdf,
  type SealedRecord,
  type WrappedRecord,
} from '../src/repository/key-records.ts'
import { sealRecord } from '../src/repository/keyring.ts'
import { RepositoryKey } from '../src/repository/keys.ts'
import { type Secret, unwrap, wrap } from '../src/repository/wrapping.ts'

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected
const id = 'ab'.repeat(16)
const secret: Secret = { kind: 'passphrase', bytes: Buffer.from('correct horse') }
const of = { id: '0123456789abcdef', created: '2026-11-24T12:00:00.000Z', label: 'of the äuthor' }

/** What `unwrap` makes of a file that somebody may have changed. */
async function openFile(file: Uint8Array, given = secret, name = of.id): Promise<RepositoryKey | undefined> {
  const record = decodeRecord(name, file)
  assert.ok(isWrapped(record))
  return unwrap(record, given)
}

interface KeyFile {
  kdf: Record<string, unknown>
  wrapped: unknown
  [member: string]: unknown
}

for (const kind of ['passphrase', 'key-file'] as const) {
  const given: Secret = { kind, bytes: Buffer.from('correct horse battery') }

  describe(`a key wrapped for a ${kind}`, () => {
    const key = RepositoryKey.generate()
    let record: WrappedRecord
    let file: Uint8Array = new Uint8Array()
    before(async () => {
      record = await wrap(key, given, of)
      file = encodeRecord(record)
    })
    const altered = (change: (file: KeyFile) => void): Buffer => {
      const value = JSON.parse(Buffer.from(file).toString()) as KeyFile
      change(value)
      return Buffer.from(JSON.stringify(value))
    }

    test('comes back as it was stored', () => assert.deepEqual(decodeRecord(of.id, file), record))

    test('is opened by its secret alone, and under its name alone', async () => {
      assert.equal((await openFile(file, given))?.fingerprint, key.fingerprint)
      for (const wrong of ['', 'correct horse battery\n', 'Correct horse battery']) {
        assert.equal(await openFile(file, { kind, bytes: Buffer.from(wrong) }), undefined)
      }
      const other = kind === 'passphrase' ? 'key-file' : 'passphrase'
      assert.equal(await openFile(file, { ...given, kind: other }), undefined)
      assert.equal(
        await openFile(
          altered((value) => void (value['kind'] = other)),
          { ...given, kind: other },
        ),
        undefined,
      )
      assert.equal(await openFile(file, given, 'fedcba9876543210'), undefined)
    })

    test('is another file every time, and shows neither key nor secret', async () => {
      const again = encodeRecord(await wrap(key, given, of))
      assert.notDeepEqual(again, file)
      assert.equal((await openFile(again, given))?.fingerprint, key.fingerprint)
      assert.ok(!Buffer.from(file).includes(Buffer.from(given.bytes)))
      assert.ok(!Buffer.from(file).includes(Buffer.from(key.bytes).toString('base64').slice(0, 40)))
    })

    test('is vouched for by its repository key alone', () => {
      const context = contextOf(record)
      const mac = record.mac ?? Buffer.alloc(0)
      assert.ok(key.vouchesFor(context, record.wrapped, mac))
      assert.ok(!RepositoryKey.generate().vouchesFor(context, record.wrapped, mac))
      assert.ok(!key.vouchesFor(contextOf({ ...record, label: 'another' }), record.wrapped, mac))
      assert.ok(!key.vouchesFor(context, Buffer.concat([record.wrapped, Buffer.of(0)]), mac))
      assert.ok(!key.vouchesFor(context, record.wrapped, Buffer.alloc(0)))
    })

    test('whose parts were altered does not open', async () => {
      const changes: ((file: KeyFile) => void)[] = [
        ({ kdf }) => void (kdf['n'] = 2 ** 14),
        ({ kdf }) => void (kdf['r'] = 4),
        ({ kdf }) => void (kdf['salt'] = Buffer.alloc(32).toString('base64')),
        (value) => void (value.wrapped = ''),
        (value) => void (value.wrapped = `A${String(value.wrapped).slice(1)}`),
        (value) => void (value.wrapped = String(value.wrapped).slice(0, -8)),
        (value) => void (value['label'] = 'another'),
        (value) => void delete value['label'],
        (value) => void (value['created'] = '2026-11-24T12:00:00.001Z'),
        (value) => void (value['key'] = 'ab'.repeat(16)),
        (value) => void delete value['kind'],
      ]
      for (const change of changes) assert.equal(await openFile(altered(change), given), undefined)
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
        await assert.rejects(openFile(bytes, given), code('damaged'))
        assert.ok(performance.now() - started < 100)
        assert.ok(process.memoryUsage().rss - rss < 16 * 2 ** 20)
      })
    }

    test('that is something else is damaged', () => {
      const files = [
        '',
        'null',
        '[]',
        '{}',
        '{"kdf":null}',
        '\0',
        altered((value) => void (value['format'] = 'key')),
        altered((value) => void (value['version'] = 2)),
        altered((value) => void (value['kind'] = 'password')),
        altered((value) => void (value['kind'] = 'recipient')),
        altered((value) => void (value['created'] = 'yesterday')),
        altered((value) => void (value['label'] = 'two\nlines')),
        altered((value) => void (value['label'] = 7)),
        altered((value) => void (value['key'] = 7)),
        altered((value) => void (value['mac'] = { length: 2 ** 30 })),
        altered((value) => void (value.wrapped = { length: 2 ** 30 })),
        altered((value) => void (value.wrapped = [1, 2, 3])),
        altered((value) => void delete value.wrapped),
      ]
      for (const other of files) {
        assert.throws(() => decodeRecord(of.id, Buffer.from(other)), code('damaged'), String(other))
      }
      assert.throws(() => decodeRecord('not-an-id', file), code('damaged'))
    })
  })
}

test('a wrapped key is what docs/format.md says, step by step', async () => {
  const key = new RepositoryKey(Buffer.alloc(32, 9))
  const value = JSON.parse(String(encodeRecord(await wrap(key, secret, of)))) as Record<string, string> & {
    kdf: Kdf
  }
  const { kind, created, label, key: fingerprint, kdf, wrapped = '', mac = '' } = value
  const { n, r, p, salt } = kdf
  const text = `freezer key 1 ${kind}\nkeys/${of.id}\n${created}\n${fingerprint}\nscrypt ${n} ${r} ${p} ${salt}\n${label}`
  const stretched = scryptSync(secret.bytes, Buffer.from(salt, 'base64'), 32, { N: n, r, p, maxmem: 2 ** 26 })
  const bytes = Buffer.from(wrapped, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', stretched, bytes.subarray(0, 12))
  decipher.setAAD(Buffer.from(text)).setAuthTag(bytes.subarray(-16))
  assert.deepEqual(
    Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]),
    Buffer.alloc(32, 9),
  )
  const macKey = Buffer.from(hkdfSync('sha256', Buffer.alloc(32, 9), '', 'freezer 1 wrappings', 32))
  assert.equal(createHmac('sha256', macKey).update(`${text}\n`).update(bytes).digest('base64'), mac)
})

test('a key file or a passphrase that can be none is refused', async () => {
  const key = RepositoryKey.generate()
  const wrong: Secret[] = [
    { kind: 'key-file', bytes: Buffer.alloc(15, 1) },
    { kind: 'key-file', bytes: Buffer.alloc(2 ** 20 + 1, 1) },
    { kind: 'passphrase', bytes: Buffer.alloc(0) },
  ]
  for (const one of wrong) await assert.rejects(wrap(key, one, of), code('key'))
  for (const length of [16, 2 ** 20]) {
    const one: Secret = { kind: 'key-file', bytes: Buffer.alloc(length, 7) }
    assert.equal((await unwrap(await wrap(key, one, of), one))?.fingerprint, key.fingerprint)
    assert.equal(
      await unwrap(await wrap(key, one, of), { ...one, bytes: Buffer.alloc(length, 8) }),
      undefined,
    )
  }
})

test('a sealed record is opened by its key, under its name, with its words unchanged', () => {
  const key = RepositoryKey.generate()
  const head = { ...of, kind: 'retired', under: key.fingerprint, about: 'cd'.repeat(16) } as const
  const record = sealRecord(key, head, Buffer.from('a secret'))
  const back = decodeRecord(of.id, encodeRecord(record))
  assert.deepEqual(back, record)
  const opens = (one: SealedRecord, by = key) => by.openSecret(one.id, one.sealed, contextOf(one))?.toString()
  assert.equal(opens(record), 'a secret')
  assert.equal(opens(record, RepositoryKey.generate()), undefined)
  const changes: Partial<SealedRecord>[] = [
    { id: 'fedcba9876543210' },
    { created: '2026-11-24T12:00:00.001Z' },
    { label: undefined },
    { kind: 'codec-passphrase' },
    { under: 'ee'.repeat(16) },
    { about: 'ee'.repeat(16) },
    { sealed: record.sealed.subarray(0, -1) },
  ]
  for (const change of changes) assert.equal(opens({ ...record, ...change }), undefined)
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
