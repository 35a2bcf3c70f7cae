// What opens a container comes and goes, and every backup stays readable.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import {
  addKey,
  addRecipient,
  Failure,
  isFailure,
  type KeyEntry,
  listKeys,
  type Repository,
  removeKey,
  rotateKey,
  type Storage,
} from '@freezer/sdk'
import { faultyStorage, type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'
import { context, openBy, readable, SmallTree, type Way } from './support/keyed-container.ts'
import { toyCodecs } from './support/toy-codecs.ts'

const tree = new SmallTree()
after(() => tree[Symbol.dispose]())

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected

const first: Way = { passphrase: Buffer.from('the first passphrase') }
const second: Way = { passphrase: Buffer.from('the second passphrase') }
const file: Way = { keyFile: Buffer.alloc(64, 5) }

const newPassphrase = { kind: 'passphrase', bytes: second.passphrase ?? new Uint8Array() } as const
const newKeyFile = { kind: 'key-file', bytes: file.keyFile ?? new Uint8Array() } as const

async function keysOf(storage: Storage, way: Way): Promise<readonly KeyEntry[]> {
  return (await listKeys(await openBy(storage, way), context.signal)).keys
}

async function only(storage: Storage, way: Way, kind: KeyEntry['kind']): Promise<KeyEntry> {
  const found = (await keysOf(storage, way)).filter((key) => key.kind === kind)
  assert.equal(found.length, 1)
  return found[0] as KeyEntry
}

async function idOpenedBy(storage: Storage, way: Way): Promise<string> {
  const opened = (await keysOf(storage, way)).filter((key) => key.opened)
  assert.equal(opened.length, 1)
  return opened[0]?.id ?? ''
}

/** The same blobs on a storage of their own. */
function copyOf(storage: MemoryStorage): MemoryStorage {
  const copy = memoryStorage()
  for (const [key, bytes] of storage.blobs) copy.blobs.set(key, bytes)
  return copy
}

function keyFiles({ blobs }: MemoryStorage): string[] {
  return [...blobs.keys()].filter((key) => key.startsWith('keys/')).sort()
}

describe('several passphrases and key files', () => {
  test('each opens the container, and reads what was written by any', async () => {
    const storage = memoryStorage()
    const one = await tree.backUp(storage, first, '1')
    await addKey(await openBy(storage, first), { ...newPassphrase, label: 'of the second' }, context)
    await addKey(await openBy(storage, second), newKeyFile, context)
    const two = await tree.backUp(storage, second, '2')
    const three = await tree.backUp(storage, file, '3')
    assert.deepEqual([one.level, two.level, three.level], [0, 1, 2])
    for (const way of [first, second, file]) {
      assert.equal(await tree.restored(storage, way), '3')
      assert.equal(await tree.restored(storage, way, { time: one.time }), '1')
      const { keys, writing } = await listKeys(await openBy(storage, way), context.signal)
      assert.deepEqual(
        keys.map(({ kind, label, state, repositoryKey }) => ({ kind, label, state, repositoryKey })),
        [
          { kind: 'passphrase', label: undefined, state: 'current', repositoryKey: writing },
          { kind: 'passphrase', label: 'of the second', state: 'current', repositoryKey: writing },
          { kind: 'key-file', label: undefined, state: 'current', repositoryKey: writing },
        ],
      )
      assert.equal(
        keys.findIndex((key) => key.opened),
        [first, second, file].indexOf(way),
      )
    }
    assert.equal(new Set([await idOpenedBy(storage, first), await idOpenedBy(storage, second)]).size, 2)
  })

  test('one that is removed opens nothing; the others still read old and new backups', async () => {
    const storage = memoryStorage()
    const one = await tree.backUp(storage, first, '1')
    await addKey(await openBy(storage, first), newPassphrase, context)
    const id = await idOpenedBy(storage, first)
    const { removed } = await removeKey(await openBy(storage, first), { id: id.slice(0, 6) }, context)
    assert.equal(removed.id, id)
    await assert.rejects(openBy(storage, first), code('key'))
    await tree.backUp(storage, second, '2')
    assert.equal(await tree.restored(storage, second), '2')
    assert.equal(await tree.restored(storage, second, { time: one.time }), '1')
    assert.equal(keyFiles(storage).length, 1)
  })

  test('the last one is not removed, not even by force', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    const before = new Map(storage.blobs)
    const id = await idOpenedBy(storage, first)
    for (const force of [false, true]) {
      await assert.rejects(removeKey(await openBy(storage, first), { id, force }, context), code('refused'))
    }
    assert.deepEqual(storage.blobs, before)
  })

  test('what only looks like another one does not count as one', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    const id = await idOpenedBy(storage, first)
    // Whoever can write to the storage copies the file under another name, or brings one of another container.
    const bytes = storage.blobs.get(`keys/${id}`) ?? new Uint8Array()
    storage.blobs.set(`keys/${'0'.repeat(16)}`, bytes)
    const other = memoryStorage()
    await tree.backUp(other, second, '1')
    for (const key of keyFiles(other)) storage.blobs.set(key, other.blobs.get(key) ?? new Uint8Array())
    const keys = await keysOf(storage, first)
    assert.deepEqual(
      keys.filter((key) => key.state === 'unknown').map((key) => key.label),
      [undefined, undefined],
    )
    await assert.rejects(removeKey(await openBy(storage, first), { id }, context), code('refused'))
    const unknown = { id: '0'.repeat(16) }
    await assert.rejects(removeKey(await openBy(storage, first), unknown, context), code('refused'))
    await removeKey(await openBy(storage, first), { ...unknown, force: true }, context)
    assert.ok(!storage.blobs.has(`keys/${'0'.repeat(16)}`))
  })

  test('two that are removed at the same moment by two people do not lock both out', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    await addKey(await openBy(storage, first), newPassphrase, context)
    const ids = [await idOpenedBy(storage, first), await idOpenedBy(storage, second)]
    const other = await openBy(storage, second)
    let raced = false
    const racing = faultyStorage(storage, [], async (_call, method) => {
      if (method !== 'remove' || raced) return
      raced = true
      await removeKey(other, { id: ids[0] ?? '' }, context)
    })
    await assert.rejects(
      removeKey(await openBy(racing, first), { id: ids[1] ?? '' }, context),
      code('refused'),
    )
    assert.ok(raced)
    assert.equal(await tree.restored(storage, second), '1')
  })

  test('an id that is none, or several, is refused', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    for (let i = 0; i < 17; i++) await addKey(await openBy(storage, first), newKeyFile, context)
    const repository = await openBy(storage, first)
    for (const id of ['', 'x', '0'.repeat(17)]) {
      await assert.rejects(removeKey(repository, { id }, context), code('not-found'))
    }
    // Of 18 ids two begin with the same digit.
    const digits = keyFiles(storage).map((key) => key.slice(5, 6))
    const double = digits.find((digit, at) => digits.indexOf(digit) !== at) ?? ''
    await assert.rejects(removeKey(repository, { id: double }, context), code('usage'))
    assert.equal(keyFiles(storage).length, 18)
  })

  test('a label that is none, and a container without keys, are refused', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    for (const label of ['', 'two\nlines', 'x'.repeat(101), '\x1b[2J']) {
      await assert.rejects(
        addKey(await openBy(storage, first), { ...newPassphrase, label }, context),
        code('usage'),
      )
    }
    await assert.rejects(
      addKey(await openBy(storage, first), { kind: 'key-file', bytes: Buffer.alloc(15) }, context),
      code('key'),
    )
    assert.equal(keyFiles(storage).length, 1)
    const plain = await openBy(memoryStorage(), {}, true)
    await assert.rejects(listKeys(plain, context.signal), code('not-found'))
    await assert.rejects(addKey(plain, newPassphrase, context), code('not-found'))
    await assert.rejects(rotateKey(plain, {}, context), code('not-found'))
  })

  test('a wrong one fails before anything but the marker and keys is read, and nothing is written', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    await addKey(await openBy(storage, first), newKeyFile, context)
    const wrong: Way[] = [
      second,
      { keyFile: Buffer.alloc(64, 6) },
      { passphrase: file.keyFile },
      { keyFile: Buffer.alloc(10) },
    ]
    for (const way of wrong) {
      for (const create of [false, true]) {
        const watched = faultyStorage(storage, [], (_call, method, key) => {
          assert.ok(method === 'get' || method === 'list', method)
          assert.match(key, /^(?:freezer|keys\/.*)$/)
        })
        await assert.rejects(openBy(watched, way, create), code('key'))
      }
    }
    const both: Way = { ...first, ...file }
    await assert.rejects(openBy(storage, both), code('usage'))
  })

  test('one key costs one trial, however many passphrases there are', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    await addKey(await openBy(storage, first), newKeyFile, context)
    const opened = async (way: Way) => {
      const { cpu, of } = { cpu: process.cpuUsage(), of: await openBy(storage, way) }
      assert.equal(of.keys.length, 1)
      const { user, system } = process.cpuUsage(cpu)
      return (user + system) / 1000
    }
    const alone = Math.min(await opened(file), await opened(file))
    for (let i = 0; i < 8; i++) await addKey(await openBy(storage, first), newPassphrase, context)
    const among = Math.min(await opened(file), await opened(file))
    assert.ok(among < alone * 1.8 + 20, `${among} ms instead of ${alone} ms`)
  })
})

describe('a rotation', () => {
  test('begins new chains, keeps every backup readable, and shuts the others out', async () => {
    const storage = memoryStorage()
    const one = await tree.backUp(storage, first, '1')
    await addKey(await openBy(storage, first), { ...newPassphrase, label: 'second' }, context)
    await addKey(await openBy(storage, first), newKeyFile, context)
    const two = await tree.backUp(storage, second, '2')
    const before = copyOf(storage)

    const refusal = await rotateKey(await openBy(storage, first), {}, context).catch(
      (error: unknown) => error,
    )
    assert.ok(code('refused')(refusal))
    assert.match((refusal as Failure).message, /passphrase [0-9a-f]{16} \(second\), key-file [0-9a-f]{16}/)
    assert.deepEqual(storage.blobs, before.blobs)

    const earlier = (await openBy(storage, first)).keys[0]?.fingerprint
    const rotated = await rotateKey(await openBy(storage, first), { removeOthers: true }, context)
    assert.deepEqual(rotated.retired, [earlier])
    assert.deepEqual(rotated.removed.map(({ kind, label }) => `${kind} ${label}`).sort(), [
      'key-file undefined',
      'passphrase second',
    ])
    for (const way of [second, file]) await assert.rejects(openBy(storage, way), code('key'))
    const three = await tree.backUp(storage, first, '3')
    const four = await tree.backUp(storage, first, '4')
    assert.deepEqual([one.level, two.level, three.level, four.level], [0, 1, 0, 1])
    await addKey(await openBy(storage, first), newPassphrase, context)
    for (const way of [first, second]) {
      for (const [at, content] of [
        [one, '1'],
        [two, '2'],
        [three, '3'],
        [four, '4'],
      ] as const) {
        assert.equal(await tree.restored(storage, way, { time: at.time }), content)
      }
    }
    const { writing } = await listKeys(await openBy(storage, second), context.signal)
    assert.equal(writing, rotated.writing)

    // What an old passphrase still does: it opens an old copy of the container.
    assert.equal(await tree.restored(before, second), '2')
    // Brought back by whoever can write to the storage, it reads what was written before, and no more.
    for (const key of keyFiles(before)) storage.blobs.set(key, before.blobs.get(key) ?? new Uint8Array())
    assert.deepEqual((await readable(storage, file)).filter((time) => time !== 'damaged').sort(), [
      one.time,
      two.time,
    ])
    // And whoever has the new key does not write with the old one again, and can be rid of it.
    assert.equal((await openBy(storage, first)).keys[0]?.fingerprint, rotated.writing)
    await rotateKey(await openBy(storage, first), { removeOthers: true }, context)
    await assert.rejects(openBy(storage, file), code('key'))
    assert.equal((await readable(storage, first)).length, 4)
    assert.ok(!(await readable(storage, first)).includes('damaged'))
  })

  test('after a rotation after a rotation, everything is readable', async () => {
    const storage = memoryStorage()
    const times: string[] = []
    for (const content of ['1', '2', '3', '4']) {
      times.push((await tree.backUp(storage, first, content)).time)
      await rotateKey(await openBy(storage, first), {}, context)
    }
    assert.deepEqual(await readable(storage, first), times)
    for (const [at, time] of times.entries()) {
      assert.equal(await tree.restored(storage, first, { time }), String(at + 1))
    }
    const kinds = (await keysOf(storage, first)).map(({ kind }) => kind).sort()
    assert.deepEqual(kinds, ['passphrase', 'retired', 'retired', 'retired', 'retired'])
  })

  test('of a container with two keys in use retires both', async () => {
    const storage = memoryStorage()
    const other = memoryStorage()
    const one = await tree.backUp(storage, first, '1')
    const two = await tree.backUp(other, first, '2', { name: 'm' })
    for (const [key, bytes] of other.blobs) storage.blobs.set(key, bytes)
    assert.equal((await openBy(storage, first)).keys.length, 2)
    await addKey(await openBy(storage, first), newPassphrase, context)
    assert.deepEqual(await readable(storage, second), [one.time, two.time])
    const { retired } = await rotateKey(await openBy(storage, first), { removeOthers: true }, context)
    assert.equal(retired.length, 2)
    assert.deepEqual(await readable(storage, first), [one.time, two.time])
    assert.deepEqual((await keysOf(storage, first)).filter((key) => key.state === 'current').length, 1)
  })

  test('removes nothing when the storage does not give back what was put', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    const forgetful: Storage = {
      ...storage,
      put: async (key, chunks, signal) => {
        if (!key.startsWith('keys/')) await storage.put(key, chunks, signal)
      },
    }
    await assert.rejects(rotateKey(await openBy(forgetful, first), {}, context), code('damaged'))
    assert.equal(await tree.restored(storage, first), '1')
  })

  test('a retired key that nobody here can open is no matter', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    const other = memoryStorage()
    await tree.backUp(other, second, '1')
    await rotateKey(await openBy(other, second), {}, context)
    const { id } = await only(other, second, 'retired')
    storage.blobs.set(`keys/${id}`, other.blobs.get(`keys/${id}`) ?? new Uint8Array())
    assert.equal(await tree.restored(storage, first), '1')
    assert.equal((await keysOf(storage, first)).find((key) => key.id === id)?.state, 'unknown')
  })

  test('what older backups need is removed only by force', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    await rotateKey(await openBy(storage, first), {}, context)
    const { id } = await only(storage, first, 'retired')
    await assert.rejects(removeKey(await openBy(storage, first), { id }, context), code('refused'))
    await removeKey(await openBy(storage, first), { id, force: true }, context)
    assert.deepEqual(await readable(storage, first), ['damaged'])
  })
})

const lost = new Failure('unavailable', 'The storage is gone.')

/** Every change, with the ways that must open the container when it was killed on its way, and when it is done. */
const changes: Record<
  string,
  { change: (repository: Repository) => Promise<unknown>; calls: number; during: Way[]; done: Way[] }
> = {
  'adding a passphrase': {
    change: (repository) => addKey(repository, newPassphrase, context),
    calls: 2,
    during: [first, file],
    done: [first, file, second],
  },
  'adding a recipient': {
    change: (repository) => addRecipient(repository, { host: 'web' }, context),
    calls: 2,
    during: [first, file],
    done: [first, file],
  },
  'removing a key file': {
    change: async (repository) => {
      const { keys } = await listKeys(repository, context.signal)
      const id = keys.find((key) => key.kind === 'key-file')?.id
      // What a killed run has removed is removed.
      return id === undefined ? undefined : removeKey(repository, { id }, context)
    },
    calls: 2,
    during: [first],
    done: [first],
  },
  rotating: {
    change: (repository) => rotateKey(repository, { removeOthers: true }, context),
    calls: 8,
    during: [first],
    done: [first],
  },
}

/** Which call that changes the storage is the last, and whether it is done. One that reads leaves what the one before left. */
const deaths = [1, 2, 3, 4, 5, 6].flatMap((call) => [[call, 'before'] as const, [call, 'after'] as const])

/** The storage of a process that is killed at its `last` call that changes anything. */
function mortal(
  storage: Storage,
  last: number,
  when: 'before' | 'after',
): { readonly storage: Storage; readonly dead: () => boolean } {
  let calls = 0
  let dead = false
  const live = async (change: () => Promise<void>) => {
    if (dead) throw lost
    dead = ++calls === last
    if (!dead || when === 'after') await change()
    if (dead) throw lost
  }
  const reading = faultyStorage(storage, [], () => {
    if (dead) throw lost
  })
  return {
    storage: {
      ...reading,
      put: (...call) => live(() => storage.put(...call)),
      remove: (...call) => live(() => storage.remove(...call)),
    },
    dead: () => dead,
  }
}

for (const [what, { change, calls, during, done }] of Object.entries(changes)) {
  test(`${what}, killed at every call that changes the storage: the same secrets open, the next run finishes`, async () => {
    const made = memoryStorage()
    const { time } = await tree.backUp(made, first, '1')
    await addKey(await openBy(made, first), newKeyFile, context)
    let kills = 0
    for (const [call, when] of deaths) {
      const storage = copyOf(made)
      const process = mortal(storage, call, when)
      await openBy(process.storage, first)
        .then(change)
        .catch((error: unknown) => assert.ok(code('unavailable')(error), String(error)))
      if (!process.dead()) break
      kills++
      for (const way of during) assert.deepEqual(await readable(storage, way), [time])
      await change(await openBy(storage, first))
      for (const way of done) assert.deepEqual(await readable(storage, way), [time])
      if (what !== 'rotating') continue
      const kinds = (await keysOf(storage, first))
        .filter(({ state }) => state === 'current')
        .map(({ kind }) => kind)
      assert.deepEqual(kinds, ['passphrase'])
      await assert.rejects(openBy(storage, file), code('key'))
    }
    assert.equal(kills, calls)
  })
}

describe('a codec that encrypts with the passphrase itself', () => {
  const codec = toyCodecs.phrase

  test('is read by whoever opens the container, also when its passphrase is gone', async () => {
    const storage = memoryStorage()
    const one = await tree.backUp(storage, first, '1', { codec })
    await addKey(await openBy(storage, first), newPassphrase, context)
    await addKey(await openBy(storage, first), newKeyFile, context)
    const two = await tree.backUp(storage, second, '2', { codec })
    const three = await tree.backUp(storage, second, '3', { codec })
    assert.deepEqual([one.level, two.level, three.level], [0, 1, 2])
    assert.equal((await keysOf(storage, first)).filter(({ kind }) => kind === 'codec-passphrase').length, 2)
    const expectAll = async (way: Way) => {
      for (const [at, content] of [
        [one, '1'],
        [two, '2'],
        [three, '3'],
      ] as const) {
        assert.equal(await tree.restored(storage, way, { time: at.time }), content)
      }
    }
    for (const way of [first, second, file]) await expectAll(way)
    await removeKey(await openBy(storage, file), { id: await idOpenedBy(storage, first) }, context)
    for (const way of [second, file]) await expectAll(way)
    await rotateKey(await openBy(storage, file), { removeOthers: true }, context)
    await expectAll(file)
  })

  test('is refused where there is no passphrase', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1')
    await addKey(await openBy(storage, first), newKeyFile, context)
    const { file: recipient } = await addRecipient(await openBy(storage, first), { host: 'h' }, context)
    const before = new Map(storage.blobs)
    for (const way of [file, { recipient }]) {
      await assert.rejects(tree.backUp(storage, way, '2', { codec }), code('usage'))
    }
    assert.deepEqual(storage.blobs, before)
  })

  test('whose passphrase is not in the container any more begins a new chain, and reads nothing wrong', async () => {
    const storage = memoryStorage()
    await tree.backUp(storage, first, '1', { codec })
    const { id } = await only(storage, first, 'codec-passphrase')
    await assert.rejects(removeKey(await openBy(storage, first), { id }, context), code('refused'))
    await removeKey(await openBy(storage, first), { id, force: true }, context)
    await assert.rejects(tree.restored(storage, first), code('damaged'))
    assert.equal((await tree.backUp(storage, first, '2', { codec })).level, 0)
    assert.equal(await tree.restored(storage, first), '2')
  })
})
