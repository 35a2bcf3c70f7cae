import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { isFailure } from '../src/contracts/failures.ts'
import { RepositoryKey } from '../src/repository/keys.ts'
import { decodeManifest, encodeManifest, type Manifest } from '../src/repository/manifest.ts'
import { type BackupName, manifestKey, parseManifestKey, plainGroup } from '../src/repository/names.ts'

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected

const id = 'ab'.repeat(16)
const time = Date.UTC(2026, 10, 23, 4, 25, 30, 123)
const manifest: Manifest = {
  format: 'freezer manifest',
  version: 1,
  id,
  host: 'höst',
  name: 'näme / odd',
  level: 1,
  chain: 'cd'.repeat(16),
  parent: 'cd'.repeat(16),
  time: new Date(time).toISOString(),
  completed: new Date(time + 5000).toISOString(),
  mode: { name: 'fs', facts: { path: '/data' } },
  engine: { name: 'tar', options: {} },
  codecs: [{ name: 'zstd', options: { level: 3 } }],
  tree: { entries: 10, bytes: 1000 },
  archive: { bytes: 2000, blocks: 1 },
  stored: 1500,
  segments: { data: 1, index: 1 },
  unread: 0,
  changed: 0,
  root: { number: 1, segment: 0, offset: 10, stored: 20, size: 30, digest: 'ef'.repeat(32) },
}

function nameOf(
  change: Partial<BackupName> = {},
  group = plainGroup(manifest.host, manifest.name),
): BackupName {
  const key = manifestKey(group, { id, chain: manifest.chain, level: 1, time, ...change })
  const name = parseManifestKey(key)
  assert.ok(name !== undefined)
  return name
}

/** A plain manifest with whatever text, its digest right: what who can write to the container can make. */
function forged(text: string, { key }: BackupName): Buffer {
  const digest = createHash('sha256').update(`${key}\n${text}`).digest('hex')
  return Buffer.from(`freezer manifest 1 plain ${digest}\n${text}`)
}

const right = new RepositoryKey(Buffer.alloc(32, 1))
const wrong = new RepositoryKey(Buffer.alloc(32, 2))

for (const key of [undefined, right]) {
  const keys = key === undefined ? [] : [key]

  describe(key === undefined ? 'a plain manifest' : 'a sealed manifest', () => {
    const name = nameOf()
    const bytes = encodeManifest(manifest, name.key, key)

    test('comes back as it was', () => assert.deepEqual(decodeManifest(bytes, name, keys), manifest))

    test('is refused with any bit flipped', () => {
      for (let at = 0; at < bytes.length; at++) {
        const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)))
        assert.throws(() => decodeManifest(flipped, name, keys), code('damaged'), `byte ${at}`)
      }
    })

    test('is refused when cut off or longer', () => {
      for (let length = 0; length < bytes.length; length += 5) {
        assert.throws(() => decodeManifest(bytes.subarray(0, length), name, keys), code('damaged'))
      }
      const longer = Buffer.concat([bytes, Buffer.from('\n')])
      assert.throws(() => decodeManifest(longer, name, keys), code('damaged'))
    })

    test('is refused in any other place', () => {
      const places = [
        nameOf({ level: 0 }),
        nameOf({ time: time + 1 }),
        nameOf({ chain: id }),
        nameOf({ id: 'ee'.repeat(16) }),
        nameOf({}, plainGroup('other', manifest.name)),
      ]
      for (const place of places) assert.throws(() => decodeManifest(bytes, place, keys), code('damaged'))
    })

    test('that is not the one its name says is refused, though made for that place', () => {
      for (const place of [nameOf({ level: 0 }), nameOf({ time: time + 1 }), nameOf({ chain: id })]) {
        const moved = encodeManifest(manifest, place.key, key)
        assert.throws(() => decodeManifest(moved, place, keys), code('damaged'))
      }
    })
  })
}

test('a plain manifest is none of an encrypted container, nor a sealed one of a plain container', () => {
  const name = nameOf()
  assert.throws(
    () => decodeManifest(encodeManifest(manifest, name.key, undefined), name, [right]),
    code('damaged'),
  )
  assert.throws(() => decodeManifest(encodeManifest(manifest, name.key, right), name, []), code('damaged'))
})

test('a sealed manifest opens with its key among others, and with no other', () => {
  const name = nameOf()
  const bytes = encodeManifest(manifest, name.key, right)
  assert.deepEqual(decodeManifest(bytes, name, [wrong, right]), manifest)
  assert.throws(() => decodeManifest(bytes, name, [wrong]), code('damaged'))
})

test('a sealed manifest shows nothing of what it says', () => {
  const bytes = encodeManifest(manifest, nameOf().key, right)
  for (const text of [manifest.name, manifest.host, '/data', 'zstd', 'tar'])
    assert.ok(!bytes.includes(text), text)
})

describe('a forged manifest', () => {
  const name = nameOf()
  const without: [string, object][] = [
    ['level -1', { level: -1 }],
    ['level "1"', { level: '1' }],
    ['a size beyond numbers', { tree: { entries: 1, bytes: 1e300 } }],
    ['no tree', { tree: undefined }],
    ['no root', { root: undefined }],
    ['a root that is negative', { root: { ...manifest.root, size: -1 } }],
    ['a digest that is none', { root: { ...manifest.root, digest: 'zz' } }],
    ['no codecs', { codecs: undefined }],
    ['codecs that are none', { codecs: [null] }],
    ['codecs without options', { codecs: [{ name: 'zstd' }] }],
    ['no engine', { engine: null }],
    ['no mode', { mode: undefined }],
    ['a host that is no text', { host: 7 }],
    ['a time that is none', { time: 'yesterday' }],
    ['another version', { version: 2 }],
    ['another format', { format: 'manifest' }],
  ]
  for (const [what, change] of without) {
    test(`with ${what} is damaged`, () => {
      const text = JSON.stringify({ ...manifest, ...change })
      assert.throws(() => decodeManifest(forged(text, name), name, []), code('damaged'))
    })
  }

  for (const text of ['', 'null', '7', '[]', '"text"', '{', '{}']) {
    test(`of ${JSON.stringify(text)} is damaged`, () => {
      assert.throws(() => decodeManifest(forged(text, name), name, []), code('damaged'))
    })
  }
})
