// A host backs up what it cannot read; nobody else can in its name.
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, diffieHellman, hkdfSync, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { addKey, addRecipient, Failure, isFailure, listKeys, prune, removeKey, rotateKey } from '@freezer/sdk'
import { faultyStorage, type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'
import { RepositoryKey } from '../src/repository/keys.ts'
import type { Manifest } from '../src/repository/manifest.ts'
import { type BackupName, manifestKey, parseManifestKey, receivedGroup } from '../src/repository/names.ts'
import { decodeReceived, encodeReceived } from '../src/repository/received.ts'
import { Recipient, RecipientOwner } from '../src/repository/recipient.ts'
import { open } from '../src/repository/sealing.ts'
import { context, openBy, readable, SmallTree, type Way } from './support/keyed-container.ts'

const tree = new SmallTree()
after(() => tree[Symbol.dispose]())

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected
const owner: Way = { passphrase: Buffer.from('the passphrase of the owner') }
const web = { host: 'web' }

async function containerWith(host: string): Promise<{ storage: MemoryStorage; way: Way; id: string }> {
  const storage = memoryStorage()
  await tree.backUp(storage, owner, 'of the owner')
  const { id, file } = await addRecipient(await openBy(storage, owner), { host, label: 'words' }, context)
  return { storage, way: { recipient: file }, id }
}

describe('a recipient file', () => {
  const recipient = RecipientOwner.generate('0123456789abcdef', 'höst name').recipient
  const text = recipient.toText()

  test('is one line, and comes back as it was', () => {
    assert.match(text, /^freezer recipient 1 0123456789abcdef [\w-]+ [\w-]{43} [\w-]{43} [\w-]{11}\n$/)
    for (const written of [text, text.trimEnd(), `${text}\n`]) {
      const back = Recipient.parse(Buffer.from(written))
      assert.deepEqual([back.id, back.host, back.toText()], [recipient.id, recipient.host, text])
    }
  })

  test('is refused with any character changed, cut short, or longer', () => {
    const line = text.trimEnd()
    for (let at = 0; at < line.length; at++) {
      for (const other of ['A', 'b', ' ', '\0', '\n']) {
        if (line[at] === other) continue
        const changed = line.slice(0, at) + other + line.slice(at + 1)
        assert.throws(() => Recipient.parse(Buffer.from(changed)), code('key'), `${at} ${other}`)
      }
      assert.throws(() => Recipient.parse(Buffer.from(line.slice(0, at))), code('key'))
    }
    for (const other of [
      `${line} x`,
      `x${line}`,
      `${line}${line}`,
      '',
      '\0'.repeat(5000),
      'x'.repeat(10_000),
    ]) {
      assert.throws(() => Recipient.parse(Buffer.from(other)), code('key'))
    }
  })
})

describe('wrapping a secret', () => {
  const one = RecipientOwner.generate('0123456789abcdef', 'h')
  const secret = randomBytes(32)
  const wrapped = one.recipient.wrap(secret, 'context')

  test('is undone by the private key alone, in its context, unaltered', () => {
    assert.deepEqual(one.unwrap(wrapped, 'context'), secret)
    assert.equal(one.unwrap(wrapped, 'another'), undefined)
    assert.equal(RecipientOwner.generate('0123456789abcdef', 'h').unwrap(wrapped, 'context'), undefined)
    for (let at = 0; at < wrapped.length; at++) {
      const flipped = wrapped.with(at, (wrapped[at] ?? 0) ^ (1 << (at % 8)))
      // The highest bit of an X25519 key says nothing (RFC 7748, section 5), but it is part of the salt.
      assert.equal(one.unwrap(flipped, 'context'), undefined, `byte ${at}`)
      assert.equal(one.unwrap(wrapped.subarray(0, at), 'context'), undefined)
    }
  })

  test('is another text every time', () => {
    assert.notDeepEqual(one.recipient.wrap(secret, 'context').subarray(0, 32), wrapped.subarray(0, 32))
  })

  test('with a point of low order gives nothing', () => {
    for (const point of [Buffer.alloc(32), Buffer.alloc(32).with(0, 1)]) {
      assert.equal(one.unwrap(Buffer.concat([point, wrapped.subarray(32)]), 'context'), undefined)
    }
  })

  test('is what docs/format.md says, step by step', () => {
    const kept = one.toSecret()
    const [d, writer, host] = [kept.subarray(0, 32), kept.subarray(32, 64), kept.subarray(64)]
    assert.deepEqual([Buffer.from(one.recipient.writer), host.toString()], [writer, 'h'])
    const jwk = (x: Uint8Array) => ({ kty: 'OKP', crv: 'X25519', x: Buffer.from(x).toString('base64url') })
    const ephemeral = wrapped.subarray(0, 32)
    const shared = diffieHellman({
      privateKey: createPrivateKey({
        key: { ...jwk(one.recipient.publicKey), d: d.toString('base64url') },
        format: 'jwk',
      }),
      publicKey: createPublicKey({ key: jwk(ephemeral), format: 'jwk' }),
    })
    const salt = Buffer.concat([ephemeral, one.recipient.publicKey])
    const key = Buffer.from(hkdfSync('sha256', shared, salt, 'freezer 1 recipient', 32))
    assert.deepEqual(open(key, wrapped.subarray(32), 'context'), secret)
  })
})

describe('a received manifest', () => {
  const one = RecipientOwner.generate('0123456789abcdef', 'höst')
  const id = 'ab'.repeat(16)
  const time = Date.UTC(2026, 10, 24, 12, 0, 0, 7)
  const secret = RepositoryKey.generate()
  const manifest: Manifest = {
    format: 'freezer manifest',
    version: 1,
    id,
    host: 'höst',
    name: 'näme',
    level: 0,
    chain: id,
    time: new Date(time).toISOString(),
    completed: new Date(time).toISOString(),
    mode: { name: 'fs', facts: { path: '/data' } },
    engine: { name: 'tar', options: {} },
    codecs: [],
    key: secret.fingerprint,
    tree: { entries: 1, bytes: 1 },
    archive: { bytes: 1, blocks: 1 },
    stored: 1,
    segments: { data: 1, index: 1 },
    unread: 0,
    changed: 0,
    root: { number: 0, segment: 0, offset: 0, stored: 1, size: 1, digest: 'ef'.repeat(32) },
  }
  const nameOf = (
    change: Partial<BackupName> = {},
    group = receivedGroup('0123456789abcdef', 'aa'),
  ): BackupName => {
    const name = parseManifestKey(manifestKey(group, { id, chain: id, level: 0, time, ...change }))
    assert.ok(name !== undefined)
    return name
  }
  const name = nameOf()
  const bytes = encodeReceived(manifest, name.key, secret, one.recipient)

  test('comes back as it was, with the secret of its blocks', () => {
    const back = decodeReceived(bytes, name, [RecipientOwner.generate('ffffffffffffffff', 'x'), one])
    assert.deepEqual(back.manifest, manifest)
    assert.equal(back.secret.fingerprint, secret.fingerprint)
  })

  test('shows nothing of what it says', () => {
    for (const text of ['höst', 'näme', '/data', 'tar']) assert.ok(!bytes.includes(text), text)
    assert.ok(!bytes.includes(Buffer.from(secret.bytes)))
  })

  test('is refused with any bit flipped, cut off, or longer', () => {
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)))
      assert.throws(() => decodeReceived(flipped, name, [one]), code('damaged'), `byte ${at}`)
      assert.throws(() => decodeReceived(bytes.subarray(0, at), name, [one]), code('damaged'))
    }
    assert.throws(() => decodeReceived(Buffer.concat([bytes, Buffer.of(0)]), name, [one]), code('damaged'))
  })

  test('is refused in any other place, and for any other recipient', () => {
    const places = [
      nameOf({ time: time + 1 }),
      nameOf({ id: 'cd'.repeat(16) }),
      nameOf({ level: 1 }),
      nameOf({}, receivedGroup('0123456789abcdef', 'ab')),
      nameOf({}, receivedGroup('fedcba9876543210', 'aa')),
    ]
    const other = RecipientOwner.fromSecret(
      'fedcba9876543210',
      Buffer.from(one.recipient.publicKey).toString('base64url'),
      one.toSecret(),
    )
    assert.ok(other !== undefined)
    for (const place of places)
      assert.throws(() => decodeReceived(bytes, place, [one, other]), code('damaged'))
    assert.throws(() => decodeReceived(bytes, name, []), code('damaged'))
  })

  test('forged by who has the public key, but not the secret of the writer, is refused', () => {
    const forger = new Recipient('0123456789abcdef', 'höst', one.recipient.publicKey, randomBytes(32))
    const forged = encodeReceived(manifest, name.key, secret, forger)
    assert.throws(() => decodeReceived(forged, name, [one]), code('damaged'))
  })

  test('in the name of another host, or on top of another backup, is refused from the host itself', () => {
    const changes: [Partial<Manifest>, Partial<BackupName>][] = [
      [{ host: 'other' }, {}],
      [{ level: 1 }, { level: 1 }],
      [{ chain: 'cd'.repeat(16) }, { chain: 'cd'.repeat(16) }],
      [{ id: 'cd'.repeat(16) }, {}],
    ]
    for (const [change, placed] of changes) {
      const place = nameOf(placed)
      const written = encodeReceived({ ...manifest, ...change }, place.key, secret, one.recipient)
      assert.throws(() => decodeReceived(written, place, [one]), code('damaged'), JSON.stringify(change))
    }
  })
})

describe('a host with a recipient file', () => {
  test('backs up whole, again and again, and the owner restores every moment', async () => {
    const { storage, way } = await containerWith('web')
    const one = await tree.backUp(storage, way, '1', web)
    const two = await tree.backUp(storage, way, '2', web)
    const other = await tree.backUp(storage, way, '3', { ...web, name: 'other' })
    assert.deepEqual([one.level, two.level, other.level], [0, 0, 0])
    assert.ok(one.time < two.time)
    assert.equal(await tree.restored(storage, owner, { ...web, time: one.time }), '1')
    assert.equal(await tree.restored(storage, owner, web), '2')
    assert.equal(await tree.restored(storage, owner, { ...web, name: 'other' }), '3')
    assert.equal(await tree.restored(storage, owner), 'of the owner')
    assert.equal((await readable(storage, owner)).length, 4)
  })

  test('reads no key, no manifest and no segment, only what is there', async () => {
    const { storage, way, id } = await containerWith('web')
    await tree.backUp(storage, way, '1', web)
    const seen = new Set<string>()
    const watched = faultyStorage(storage, [], (_call, method, key) => {
      // Its own lease it reads too.
      if (method === 'get') assert.match(key, /^(?:freezer|leases\/[0-9a-f]{32})$/)
      if (method === 'list') seen.add(key.replace(/[0-9a-f]{40}/, 'GROUP'))
    })
    await tree.backUp(watched, way, '2', web)
    assert.deepEqual([...seen].sort(), [`keys/${id}`, `manifests/received/${id}/GROUP/`, 'removed/'])
  })

  test('cannot read its own backups', async () => {
    const { storage, way } = await containerWith('web')
    await tree.backUp(storage, way, '1', web)
    await assert.rejects(tree.restored(storage, way, web), code('key'))
    await assert.rejects(readable(storage, way), code('key'))
    const repository = await openBy(storage, way)
    await assert.rejects(listKeys(repository, context.signal), code('not-found'))
    for (const blob of storage.blobs.values()) assert.ok(!Buffer.from(blob).includes('web'))
  })

  test('cannot prune, and so takes nothing of others for garbage', async () => {
    const { storage, way } = await containerWith('web')
    await tree.backUp(storage, way, '1', web)
    const untouched = [...storage.blobs.keys()]
    for (const policy of [{}, { keepLast: 1 }]) {
      const repository = await openBy(storage, way)
      await assert.rejects(prune({ repository, policy, garbageAfter: 0 }, context), code('key'))
    }
    for (const key of untouched) assert.ok(storage.blobs.has(key), key)
    assert.equal(await tree.restored(storage, owner), 'of the owner')
  })

  test('backs up under no other host, into no other container and into none that is not there', async () => {
    const { storage, way } = await containerWith('web')
    const untouched = new Map(storage.blobs)
    await assert.rejects(tree.backUp(storage, way, '1', { host: 'other' }), code('usage'))
    assert.deepEqual(storage.blobs, untouched)
    const other = await containerWith('web')
    await assert.rejects(tree.backUp(other.storage, way, '1', web), code('key'))
    await assert.rejects(tree.backUp(memoryStorage(), way, '1', web), code('not-found'))
  })

  test('whose recipient was removed meanwhile does not say that it has a backup', async () => {
    const { storage, way, id } = await containerWith('web')
    let removed = false
    const racing = faultyStorage(storage, [], async (_call, method, key) => {
      if (removed || method !== 'put' || !key.startsWith('segments/')) return
      removed = true
      await removeKey(await openBy(storage, owner), { id }, context)
    })
    await assert.rejects(tree.backUp(racing, way, '1', web), code('key'))
    assert.ok(removed)
    await assert.rejects(tree.backUp(storage, way, '1', web), code('key'))
    assert.equal((await readable(storage, owner)).length, 1)
  })
})

describe('a prune by the owner', () => {
  test('keeps received backups, counts them by the rules, and frees what it removed of them', async () => {
    const { storage, way } = await containerWith('web')
    const times: string[] = []
    for (const content of ['1', '2', '3']) times.push((await tree.backUp(storage, way, content, web)).time)
    // A rotation before: what is sealed under the retired key is as much a backup as the rest.
    await rotateKey(await openBy(storage, owner), {}, context)
    await prune({ repository: await openBy(storage, owner), policy: {}, garbageAfter: 0 }, context)
    assert.equal(await tree.restored(storage, owner), 'of the owner')
    for (const [at, time] of times.entries()) {
      assert.equal(await tree.restored(storage, owner, { ...web, time }), String(at + 1))
    }
    const repository = await openBy(storage, owner)
    const { removed, freed } = await prune({ repository, policy: { keepLast: 1 }, garbageAfter: 0 }, context)
    assert.equal(removed, 2)
    assert.ok(freed > 0)
    assert.deepEqual((await readable(storage, owner)).slice(1), times.slice(-1))
    assert.equal(await tree.restored(storage, owner, web), '3')
    assert.equal(await tree.restored(storage, owner), 'of the owner')
  })
})

describe('the owner', () => {
  test('finds a backup that was forged or tampered with as damaged, and restores the others', async () => {
    const { storage, way, id } = await containerWith('web')
    const { time } = await tree.backUp(storage, way, '1', web)
    const [key = ''] = [...storage.blobs.keys()].filter((one) => one.startsWith('manifests/received/'))
    // With the public key, which lies in the container for everybody to read, and the group of the real host.
    const group = key.slice(0, key.lastIndexOf('/') + 1)
    const { public: publicKey } = JSON.parse(
      Buffer.from(storage.blobs.get(`keys/${id}`) ?? '').toString(),
    ) as {
      public: string
    }
    const forger = new Recipient(id, 'web', Buffer.from(publicKey, 'base64url'), randomBytes(32))
    const real = parseManifestKey(key)
    assert.ok(real !== undefined)
    const manifest = await (await openBy(storage, owner)).manifest(real, context.signal)
    const forgedAs = manifestKey(group, { ...real, time: real.time + 1 })
    const forged = { ...manifest, time: new Date(real.time + 1).toISOString() }
    storage.blobs.set(
      forgedAs,
      new Uint8Array(encodeReceived(forged, forgedAs, RepositoryKey.generate(), forger)),
    )
    assert.deepEqual((await readable(storage, owner)).slice(1), [time, 'damaged'])
    await assert.rejects(tree.restored(storage, owner, web), code('damaged'))
    assert.equal(await tree.restored(storage, owner, { ...web, time }), '1')
  })

  test('reads received backups with every passphrase, and after a rotation', async () => {
    const { storage, way } = await containerWith('web')
    const second: Way = { passphrase: Buffer.from('another') }
    const one = await tree.backUp(storage, way, '1', web)
    await addKey(
      await openBy(storage, owner),
      { kind: 'passphrase', bytes: second.passphrase ?? owner.passphrase! },
      context,
    )
    assert.equal(await tree.restored(storage, second, web), '1')
    const { recipients } = await rotateKey(await openBy(storage, owner), { removeOthers: true }, context)
    assert.deepEqual(
      recipients.map(({ host, state }) => [host, state]),
      [['web', 'current']],
    )
    const two = await tree.backUp(storage, way, '2', web)
    for (const [at, content] of [
      [one, '1'],
      [two, '2'],
    ] as const) {
      assert.equal(await tree.restored(storage, owner, { ...web, time: at.time }), content)
    }
  })

  test('does not remove a recipient that backups need, unless by force', async () => {
    const { storage, way, id } = await containerWith('web')
    await tree.backUp(storage, way, '1', web)
    const refusal = await removeKey(await openBy(storage, owner), { id }, context).catch(
      (error: unknown) => error,
    )
    assert.ok(refusal instanceof Failure && refusal.code === 'refused' && /1 backups/.test(refusal.message))
    await removeKey(await openBy(storage, owner), { id, force: true }, context)
    assert.equal((await readable(storage, owner)).at(-1), 'damaged')
    const other = await containerWith('web')
    await removeKey(await openBy(other.storage, owner), { id: other.id }, context)
  })

  test('gives a recipient a host, or makes none', async () => {
    const { storage } = await containerWith('web')
    for (const host of ['', 'a\0b', 'x'.repeat(256)]) {
      await assert.rejects(addRecipient(await openBy(storage, owner), { host }, context), code('usage'))
    }
  })
})

describe('tampering with every bit of the files under keys/', () => {
  let storage: MemoryStorage
  before(async () => {
    const made = await containerWith('web')
    storage = made.storage
    await tree.backUp(storage, owner, '1', { host: 'h' })
    await addKey(
      await openBy(storage, owner),
      { kind: 'passphrase', bytes: Buffer.from('of another'), label: 'hers' },
      context,
    )
    await rotateKey(await openBy(storage, owner), { removeOthers: true }, context)
    await addKey(
      await openBy(storage, owner),
      { kind: 'key-file', bytes: Buffer.alloc(32, 1), label: 'usb' },
      context,
    )
  })

  test('changes nothing that is shown or used: what was changed is unknown, or damaged', async () => {
    const repository = await openBy(storage, owner)
    const honest = await listKeys(repository, context.signal)
    const flippedBits = { refused: 0, harmless: 0 }
    for (const entry of honest.keys.filter(({ opened }) => !opened)) {
      const key = `keys/${entry.id}`
      const bytes = storage.blobs.get(key) ?? new Uint8Array()
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        storage.blobs.set(key, bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))))
        const { keys, damaged } = await listKeys(repository, context.signal)
        const found = keys.find(({ id }) => id === entry.id)
        if (found === undefined)
          assert.deepEqual(
            damaged.map(({ id }) => id),
            [entry.id],
          )
        else if (found.state !== 'unknown') assert.deepEqual(found, entry)
        flippedBits[found === undefined || found.state === 'unknown' ? 'refused' : 'harmless']++
      }
      storage.blobs.set(key, bytes)
    }
    // White space between members, and the last bits of base64, mean nothing.
    assert.ok(flippedBits.refused > 20 * flippedBits.harmless, JSON.stringify(flippedBits))
  })

  test('of what opens the container: it opens as before, or not at all', async () => {
    const [opened] = (await listKeys(await openBy(storage, owner), context.signal)).keys.filter(
      (key) => key.opened,
    )
    const key = `keys/${opened?.id}`
    const bytes = storage.blobs.get(key) ?? new Uint8Array()
    let refused = 0
    for (let at = 3; at < bytes.length; at += 23) {
      const tampered = memoryStorage()
      for (const [name, blob] of storage.blobs) tampered.blobs.set(name, blob)
      tampered.blobs.set(key, bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8))))
      try {
        const { keys } = await listKeys(await openBy(tampered, owner), context.signal)
        assert.deepEqual(
          keys.find((one) => one.opened),
          opened,
        )
      } catch (error) {
        assert.ok(code('key')(error) || code('damaged')(error), String(error))
        refused++
      }
    }
    assert.ok(refused > 15, `${refused}`)
  })
})
