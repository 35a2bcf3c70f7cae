// Several storages that are to be several places: one that goes under two names is noticed before anything is put there.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Failure, isFailure, openRepository, prune, quietContext, type Storage } from '@freezer/sdk'
import { MirroredStorage } from '@freezer/sdk/storages'
import { faultyStorage, type MemoryStorage, memoryStorage } from '@freezer/sdk/testing'

const { signal } = quietContext()

/** @param storages by their names */
function open(storages: Readonly<Record<string, Storage>>, { create = true, least = 1 } = {}) {
  const mirrors = Object.entries(storages).map(([name, storage]) => ({ name, storage }))
  return openRepository({ storage: new MirroredStorage(mirrors, { least }), codecs: [], signal }, create)
}

const samePlace = (one: string, other: string) => (error: unknown) => {
  assert.ok(isFailure(error), String(error))
  assert.equal(error.message, `The storages ${one} and ${other} are the same place: one copy, not two.`)
  assert.match(error.remedy ?? '', /container of its own/)
  return error.code === 'configuration'
}

/** Another way to the same place. */
function alias(storage: MemoryStorage): Storage {
  return faultyStorage(storage, [])
}

function readOnly(storage: Storage): Storage {
  const denied = async () => Promise.reject(new Failure('denied', 'Read-only.'))
  return { ...storage, put: denied, remove: denied }
}

/** The same blobs in another place, as `cp -r` makes it. */
function copyOf({ blobs }: MemoryStorage): MemoryStorage {
  const copy = memoryStorage()
  for (const [key, blob] of blobs) copy.blobs.set(key, blob)
  return copy
}

async function container(): Promise<MemoryStorage> {
  const storage = memoryStorage()
  await openRepository({ storage, codecs: [], signal }, true)
  return storage
}

const leasesOf = ({ blobs }: MemoryStorage) => [...blobs.keys()].filter((key) => key.startsWith('leases/'))

describe('one place under two names', () => {
  test('is refused by both names, and nothing is made or left there', async () => {
    const place = memoryStorage()
    await assert.rejects(open({ disk: place, other: alias(place) }), samePlace('disk', 'other'))
    assert.deepEqual([...place.blobs.keys()], [])
  })

  test('is refused where the container is already, also by what only prunes', async () => {
    const place = await container()
    const before = [...place.blobs.keys()]
    for (const create of [true, false]) {
      await assert.rejects(open({ a: place, b: alias(place) }, { create }), samePlace('a', 'b'))
    }
    assert.deepEqual([...place.blobs.keys()], before)
  })

  test('is found among three, whichever they are', async () => {
    const [place, apart] = [await container(), await container()]
    const orders = [
      { a: place, b: alias(place), c: apart },
      { a: place, c: apart, b: alias(place) },
      { c: apart, a: place, b: alias(place) },
    ]
    for (const storages of orders) await assert.rejects(open(storages), samePlace('a', 'b'))
    assert.deepEqual([leasesOf(place), leasesOf(apart)], [[], []])
  })

  test('is refused whatever the policy, and also where one name is read-only', async () => {
    const place = await container()
    await assert.rejects(open({ a: place, b: readOnly(place) }, { least: 2 }), samePlace('a', 'b'))
    await assert.rejects(open({ b: readOnly(place), a: place }), samePlace('b', 'a'))
    assert.deepEqual(leasesOf(place), [])
  })

  test('is refused where one account must not read what the other put', async () => {
    const place = await container()
    const own = new Set(place.blobs.keys())
    const account: Storage = {
      ...place,
      async put(key, chunks, of) {
        own.add(key)
        await place.put(key, chunks, of)
      },
      async *get(key, range, of) {
        if (place.blobs.has(key) && !own.has(key)) throw new Failure('denied', 'Of another account.')
        yield* place.get(key, range, of)
      },
    }
    await assert.rejects(open({ a: place, b: account }), samePlace('a', 'b'))
    assert.deepEqual(leasesOf(place), [])
  })

  test('is refused where listings lag for ever: they are not asked', async () => {
    const place = await container()
    const seen = new Set(place.blobs.keys())
    const late: Storage = {
      ...alias(place),
      async *list(prefix, of) {
        for await (const blob of place.list(prefix, of)) if (seen.has(blob.key)) yield blob
      },
    }
    await assert.rejects(open({ a: late, b: late }), samePlace('a', 'b'))
  })

  test('is found by each of many runs at the same time, and disturbs none of those that have two', async () => {
    const [place, apart] = [await container(), await container()]
    const runs = Array.from({ length: 12 }, (_, at) =>
      at % 2 === 0
        ? assert.rejects(open({ a: place, b: alias(place) }), samePlace('a', 'b'))
        : open({ a: place, c: apart }, { least: 2 }),
    )
    await Promise.all(runs)
    assert.deepEqual([leasesOf(place), leasesOf(apart)], [[], []])
  })
})

describe('two places', () => {
  test('are taken when one is a copy of all that the other has, leases included', async () => {
    const one = await container()
    // Of a run that was killed.
    one.blobs.set(`leases/${'a'.repeat(32)}`, Buffer.from('{}'))
    const other = copyOf(one)
    const { storage } = await open({ one, other }, { least: 2 })
    assert.ok(storage instanceof MirroredStorage)
    assert.deepEqual(storage.lost, [])
  })

  test('are taken while one is being copied to the other', async () => {
    const [one, other] = [await container(), await container()]
    const copied: Storage = {
      ...one,
      async put(key, chunks, of) {
        await one.put(key, chunks, of)
        await other.put(key, chunks, of)
      },
    }
    for (const storages of [
      { copied, other },
      { other, copied },
    ]) {
      const { storage } = await open(storages, { least: 2 })
      assert.ok(storage instanceof MirroredStorage)
      assert.deepEqual(storage.lost, [])
    }
  })

  test('are taken when nothing can be put on one or on both, as long as nothing has to be', async () => {
    const one = await container()
    const other = copyOf(one)
    await open({ one, other })
    for (const storages of [
      { one: readOnly(one), other },
      { one: readOnly(one), other: readOnly(other) },
    ]) {
      const { storage } = await open(storages, { least: 2 })
      assert.ok(storage instanceof MirroredStorage)
      assert.deepEqual(storage.lost, [])
    }
  })

  test('cost one small blob each and one look for each other; a single storage none', async () => {
    const [one, other] = [await container(), await container()]
    await open({ one, other })
    const alone = copyOf(one)
    await openRepository({ storage: alone, codecs: [], signal }, false)
    assert.deepEqual([alone.calls.put, alone.calls.remove], [0, 0])
    const counted = [copyOf(one), copyOf(other)] as const
    await open({ one: counted[0], other: counted[1] }, { create: false })
    for (const { calls } of counted) assert.deepEqual([calls.put, calls.remove], [1, 1])
    const looks = counted[0].calls.get + counted[1].calls.get - alone.calls.get
    // At the lease of the other, and at the marker, which both must have sound.
    assert.equal(looks, 4)
  })

  test('a storage that fails during the check is left out, as at any other time', async () => {
    for (const method of ['put', 'get'] as const) {
      const [one, other] = [await container(), await container()]
      await open({ one, other })
      const failing = faultyStorage(other, [{ method, fail: new Failure('unavailable', 'Gone.') }])
      const { storage } = await open({ one, failing })
      assert.ok(storage instanceof MirroredStorage)
      assert.deepEqual(
        storage.lost.map(({ name }) => name),
        ['failing'],
      )
      assert.deepEqual([leasesOf(one), leasesOf(other)], [[], []], method)
      await assert.rejects(
        open({ one, failing }, { least: 2 }),
        (error) => isFailure(error) && error.code === 'unavailable',
      )
    }
  })

  test('a storage that lets nothing under leases/ be read is left out: it does not say what is there', async () => {
    const [one, other] = [await container(), await container()]
    await open({ one, other })
    const closed: Storage = {
      ...other,
      async *get(key, range, of) {
        if (key.startsWith('leases/')) throw new Failure('denied', 'No.')
        yield* other.get(key, range, of)
      },
    }
    const { storage } = await open({ one, closed })
    assert.ok(storage instanceof MirroredStorage)
    assert.deepEqual(
      storage.lost.map(({ name, failure }) => [name, failure.code]),
      [['closed', 'denied']],
    )
  })

  test('nothing is put into a place that is no container, where none is to be made', async () => {
    const [one, none] = [await container(), memoryStorage()]
    const { storage } = await open({ one, none }, { create: false })
    assert.ok(storage instanceof MirroredStorage)
    assert.deepEqual(
      storage.lost.map(({ name }) => name),
      ['none'],
    )
    assert.equal(none.calls.put, 0)
  })
})

test('a run that is killed during the check leaves what needs nothing, and what the next prune removes', async () => {
  for (let call = 1; call <= 3; call++) {
    const [one, other] = [await container(), await container()]
    await open({ one, other })
    let calls = 0
    const dying = (storage: Storage): Storage =>
      faultyStorage(storage, [], (_, method) => {
        if (method !== 'list' && ++calls > call) throw new Failure('interrupted', 'Killed.')
      })
    await open({ one: dying(one), other: dying(other) }).catch(() => {})
    assert.ok(leasesOf(one).length > 0, `${call}`)
    await open({ one, other }, { least: 2 })
    for (const storage of [one, other]) {
      const repository = await openRepository({ storage, codecs: [], signal }, false)
      const later = { ...quietContext(), now: () => Date.now() + 3 * 3_600_000 }
      await prune({ repository, policy: {} }, later)
      assert.deepEqual(leasesOf(storage), [])
    }
  }
})
