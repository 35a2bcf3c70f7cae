// Several storages with one container: outages, kills and damage at every call, and histories of all of that.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  addKey,
  Failure,
  isFailure,
  openRepository,
  pruneEach,
  quietContext,
  type RetentionPolicy,
  rotateKey,
  type Storage,
} from '@freezer/sdk'
import { MirroredStorage } from '@freezer/sdk/storages'
import { faultyStorage, memoryStorage } from '@freezer/sdk/testing'
import { openBy, SmallTree } from './support/keyed-container.ts'
import { away, MirrorWorld } from './support/mirror-world.ts'
import { Killed, outcome } from './support/world.ts'

const { signal } = quietContext()
let scratch = ''
/** One backup on both; and two more on a, which b missed. Tests begin with copies of them. */
let alike: MirrorWorld
let lagging: MirrorWorld
before(async () => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-mirrors-'))
  alike = MirrorWorld.empty(scratch, ['a', 'b'])
  await alike.backUp(await alike.open())
  lagging = alike.copy()
  const out = new Set(['b'])
  for (let i = 0; i < 2; i++) {
    lagging.change()
    lagging.pass(1)
    await lagging.backUp(await lagging.open({ out }))
  }
})
after(() => fs.rmSync(scratch, { recursive: true, force: true }))

function mirrored(names: readonly string[], least = 1) {
  const storages = new Map(names.map((name) => [name, memoryStorage()]))
  const mirrors = [...storages].map(([name, storage]) => ({ name, storage }))
  return { storages, storage: new MirroredStorage(mirrors, { least }) }
}

async function text(storage: MirroredStorage, key: string): Promise<string> {
  return Buffer.concat(await Array.fromAsync(storage.get(key, undefined, signal))).toString()
}

describe('as one storage', () => {
  test('what is put is on all, a listing is of all, what is everywhere is on each', async () => {
    const { storage, storages } = mirrored(['a', 'b'])
    await storage.put('k/1', [Buffer.from('x')], signal)
    storages.get('a')?.blobs.set('k/2', Buffer.from('y'))
    const listed = await Array.fromAsync(storage.list('k/', signal))
    assert.deepEqual(listed.map(({ key }) => key).toSorted(), ['k/1', 'k/2'])
    assert.deepEqual([...(await storage.everywhere('k/', signal))], ['k/1'])
    await storage.remove('k/1', signal)
    assert.equal(storages.get('a')?.blobs.has('k/1'), false)
    assert.equal(storages.get('b')?.blobs.has('k/1'), false)
  })

  test('what one storage asks for is asked for: the longest wait, the largest segments', () => {
    const of = (...likes: Partial<Storage>[]) => {
      const mirrors = likes.map((like, at) => ({ name: `${at}`, storage: { ...memoryStorage(), ...like } }))
      return new MirroredStorage(mirrors, { least: 1 })
    }
    const some = of({}, { segmentSize: 8, settle: 20 }, { segmentSize: 16, settle: 10 })
    assert.deepEqual([some.segmentSize, some.settle], [16, 20])
    assert.deepEqual([of({}).segmentSize, of({}).settle], [undefined, undefined])
  })

  test('a blob comes from the first that gives it, and goes on where that broke off', async () => {
    const long = Buffer.alloc(700_000, 'abc')
    const good = memoryStorage()
    const bad = memoryStorage()
    for (const { blobs } of [good, bad]) blobs.set('k', long)
    good.blobs.set('only', Buffer.from('here'))
    const breaking = faultyStorage(bad, [])
    let chunks = 0
    const broken = {
      ...breaking,
      async *get(...call: Parameters<typeof bad.get>) {
        for await (const chunk of bad.get(...call)) {
          if (++chunks > 1) throw away()
          yield chunk
        }
      },
    }
    const storage = new MirroredStorage(
      [
        { name: 'broken', storage: broken },
        { name: 'good', storage: good },
      ],
      { least: 1 },
    )
    assert.equal(await text(storage, 'only'), 'here')
    assert.deepEqual(storage.lost, [])
    assert.equal(await text(storage, 'k'), long.toString())
    assert.deepEqual(
      storage.lost.map(({ name }) => name),
      ['broken'],
    )
  })

  test('a failure ends nothing before all have ended, and the last one left fails the call', async () => {
    const slow = memoryStorage()
    const failing = faultyStorage(memoryStorage(), [{ fail: new Failure('no-space', 'Full.') }])
    const storage = new MirroredStorage(
      [
        { name: 'failing', storage: failing },
        { name: 'slow', storage: faultyStorage(slow, [{ delay: 20, method: 'put' }]) },
      ],
      { least: 1 },
    )
    await storage.put('k', [Buffer.from('x')], signal)
    assert.equal(slow.blobs.has('k'), true)
    storage.lose('other', new Error('nobody'))
    assert.equal(storage.live.length, 1)
    assert.throws(
      () => storage.lose('slow', away()),
      (error) => isFailure(error) && error.code === 'no-space' && error.message.includes('failing'),
    )
    await assert.rejects(storage.put('k', [], signal), (error) => isFailure(error))
  })

  test('calls that overlap: each storage answers for its own failures', async () => {
    const last = Promise.withResolvers<void>()
    const [a, b] = [memoryStorage(), memoryStorage()]
    const failsFirst = {
      ...a,
      put: (...call: Parameters<typeof a.put>) =>
        call[0] === 'k/1' ? Promise.reject(away()) : a.put(...call),
    }
    const failsLater = {
      ...b,
      async put(...call: Parameters<typeof b.put>) {
        if (call[0] !== 'k/2') return b.put(...call)
        await last.promise
        throw away()
      },
    }
    const storage = new MirroredStorage(
      [
        { name: 'fails first', storage: failsFirst },
        { name: 'fails later', storage: failsLater },
        { name: 'good', storage: memoryStorage() },
      ],
      { least: 1 },
    )
    const later = storage.put('k/2', [Buffer.from('x')], signal)
    await storage.put('k/1', [Buffer.from('x')], signal)
    last.resolve()
    await later
    assert.deepEqual(
      storage.live.map(({ name }) => name),
      ['good'],
    )
  })

  test('a storage that was lost while another was read is not asked for the rest', async () => {
    const breaking = Promise.withResolvers<void>()
    let asked = 0
    const [first, second, third] = [memoryStorage(), memoryStorage(), memoryStorage()]
    third.blobs.set('k', Buffer.from('sound'))
    const breaks = {
      ...first,
      async *get(): AsyncGenerator<Uint8Array> {
        await breaking.promise
        yield* []
        throw away()
      },
    }
    const dead = {
      ...second,
      put: () => Promise.reject(away()),
      async *get(): AsyncGenerator<Uint8Array> {
        asked++
        yield* []
        throw away()
      },
    }
    const mirrors = [
      { name: 'breaks', storage: breaks },
      { name: 'dead', storage: dead },
      { name: 'sound', storage: third },
    ]
    const storage = new MirroredStorage(mirrors, { least: 1 })
    const reading = text(storage, 'k')
    await storage.put('other', [], signal)
    breaking.resolve()
    assert.equal(await reading, 'sound')
    assert.equal(asked, 0)
  })

  test('no two have the same name: nobody could tell which failed', () => {
    const mirrors = ['a', 'b', 'a'].map((name) => ({ name, storage: memoryStorage() }))
    assert.throws(
      () => new MirroredStorage(mirrors, { least: 1 }),
      (error) => isFailure(error) && error.code === 'usage' && error.message.includes('called a'),
    )
  })

  test('an interruption is the loss of no storage', async () => {
    const { storage } = mirrored(['a', 'b'])
    await assert.rejects(
      storage.put('k', [], AbortSignal.abort()),
      (error) => isFailure(error) && error.code === 'interrupted',
    )
    assert.equal(storage.live.length, 2)
  })
})

describe('the same container', () => {
  const secret = (word: string) => ({ codecs: [], signal, passphrase: Buffer.from(word) })

  test('an empty storage gets the keys; with them alone it opens', async () => {
    const [a, b] = [memoryStorage(), memoryStorage()]
    const { keys } = await openRepository({ storage: a, ...secret('x') }, true)
    const mirrors = [
      { name: 'b', storage: b },
      { name: 'a', storage: a },
    ]
    await openRepository({ storage: new MirroredStorage(mirrors, { least: 1 }), ...secret('x') }, true)
    const alone = await openRepository({ storage: b, ...secret('x') }, false)
    assert.equal(alone.keys[0]?.fingerprint, keys[0]?.fingerprint)
  })

  test('killed while it gets them, it still counts as empty', async () => {
    for (let call = 1; call <= 3; call++) {
      const [a, b] = [memoryStorage(), memoryStorage()]
      await openRepository({ storage: a, ...secret('x') }, true)
      const open = (killed: boolean) => {
        const dying = faultyStorage(b, killed ? [{ method: 'put', call, fail: away() }] : [])
        const mirrors = [
          { name: 'a', storage: a },
          { name: 'b', storage: dying },
        ]
        return openRepository({ storage: new MirroredStorage(mirrors, { least: 2 }), ...secret('x') }, true)
      }
      await assert.rejects(open(true), `put ${call}`)
      await open(false)
      await openRepository({ storage: b, ...secret('x') }, false)
    }
  })

  test('no key that the secret does not know is removed: backups may need it', async () => {
    using tree = new SmallTree()
    const { storage, storages } = mirrored(['a', 'b'])
    const [mine, other] = [{ passphrase: Buffer.from('mine') }, { passphrase: Buffer.from('other') }]
    await tree.backUp(storage, mine, 'both')
    const b = storages.get('b') ?? memoryStorage()
    await addKey(await openBy(b, mine), { kind: 'passphrase', bytes: other.passphrase }, quietContext())
    // A rotation by the other that was killed before it removed anything, and a backup under its key.
    const dying = { ...b, remove: () => Promise.reject(away()) }
    await assert.rejects(rotateKey(await openBy(dying, other), { removeOthers: true }, quietContext()))
    await tree.backUp(b, other, 'under the new key')
    const align = openRepository({ ...secret('mine'), storage, keysFrom: 'a' }, true)
    await assert.rejects(
      align,
      (error) => isFailure(error) && error.code === 'refused' && /b has/.test(error.message),
    )
    assert.equal(await tree.restored(b, other), 'under the new key')
  })

  test('one that could not be opened alone is left out by its name, and put right where that is asked for', async () => {
    const [a, b] = [memoryStorage(), memoryStorage()]
    const mirrors = [
      { name: 'a', storage: a },
      { name: 'b', storage: b },
    ]
    const opened = async (onRepaired?: (storage: string, key: string) => void) => {
      const storage = new MirroredStorage(mirrors, { least: 1 })
      await openRepository({ storage, ...secret('x'), onRepaired }, false)
      return storage.lost.map(({ name, failure }) => `${name} ${failure.code}`)
    }
    const both = new MirroredStorage(mirrors, { least: 2 })
    const repository = await openRepository({ storage: both, ...secret('x') }, true)
    // Its file proves nothing to another passphrase but by the repository key.
    await addKey(repository, { kind: 'passphrase', bytes: Buffer.from('y') }, quietContext())
    const keys = [...a.blobs.keys()].filter((key) => key.startsWith('keys/') || key === 'freezer')
    assert.equal(keys.length, 3)
    for (const key of keys) {
      const sound = Buffer.from(a.blobs.get(key) ?? '')
      const flipped = Buffer.from(
        sound
          .toString()
          .replace(/("wrapped": *")(.)/, (_, head, first) => head + (first === 'A' ? 'B' : 'A')),
      )
      const bad = [
        sound.subarray(0, -9),
        Buffer.from('{}'),
        Buffer.alloc(100_000),
        ...(key === 'freezer' ? [] : [flipped]),
      ]
      for (const { name, storage } of mirrors) {
        for (const bytes of bad) {
          assert.notDeepEqual(bytes, sound)
          storage.blobs.set(key, bytes)
          assert.deepEqual(await opened(), [`${name} damaged`], key)
          const repaired: string[] = []
          assert.deepEqual(await opened((...what) => repaired.push(what.join(' '))), [], key)
          assert.deepEqual(repaired, [`${name} ${key}`])
          assert.deepEqual(Buffer.from(storage.blobs.get(key) ?? ''), sound)
          assert.deepEqual(await opened(), [])
        }
      }
    }
  })

  test('one that lost its keys gets them back from another that has the same backups', async () => {
    using tree = new SmallTree()
    const { storage, storages } = mirrored(['a', 'b'])
    const mine = { passphrase: Buffer.from('x') }
    await tree.backUp(storage, mine, 'content')
    for (const [name, from] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const one = storages.get(name) ?? memoryStorage()
      for (const key of one.blobs.keys()) if (key.startsWith('keys/')) one.blobs.delete(key)
      const again = new MirroredStorage(storage.live, { least: 1 })
      const open = (keysFrom?: string) => openRepository({ storage: again, ...secret('x'), keysFrom }, true)
      await open().catch((error: unknown) => assert.ok(isFailure(error) && error.code === 'damaged', name))
      assert.deepEqual(
        again.lost.map(({ failure }) => failure.code),
        ['key'],
      )
      await openRepository({ storage, ...secret('x'), keysFrom: from }, true)
      assert.equal(await tree.restored(one, mine), 'content')
    }
  })

  test('another container is refused by its name; one whose keys are behind is left out', async () => {
    const [a, b] = [memoryStorage(), memoryStorage()]
    await openRepository({ storage: a, ...secret('x') }, true)
    await openRepository({ storage: b, ...secret('x') }, true)
    const mirrors = [
      { name: 'first', storage: a },
      { name: 'second', storage: b },
    ]
    const open = () =>
      openRepository({ storage: new MirroredStorage(mirrors, { least: 2 }), ...secret('x') }, true)
    await assert.rejects(
      open(),
      (error) => isFailure(error) && error.code === 'refused' && /second/.test(error.message),
    )
    b.blobs.clear()
    await open()
    const [key] = [...b.blobs.keys()].filter((one) => one.startsWith('keys/'))
    b.blobs.set('keys/0123456789abcdef', b.blobs.get(key ?? '') ?? Buffer.from(''))
    await assert.rejects(open(), (error) => isFailure(error) && error.code === 'key')
  })
})

/** Every third call, another third each day, so that all are seen in three; FREEZER_EVERY_CALL=1 sees all in one run. */
const stride = process.env['FREEZER_EVERY_CALL'] === '1' ? 1 : 3
const first = 1 + (Math.floor(Date.now() / 86_400_000) % stride)

/** A pass over the calls: `run` gets the number of the call at which something happens. */
async function forEachCall(run: (at: number) => Promise<boolean>): Promise<number> {
  for (let at = first; at < 500; at += stride) if (!(await run(at))) return at - 1
  return assert.fail('There is no end of calls.')
}

for (const least of [1, 2]) {
  test(`a storage that fails for good at each call of a backup; ${least} must hold it`, async () => {
    const tried = await forEachCall(async (at) => {
      const world = alike.copy()
      world.change()
      world.pass(1)
      let calls = 0
      const repository = world.open({
        least,
        onCall: (name) => {
          if (name === 'b' && ++calls >= at) throw away()
        },
      })
      const made = await outcome(
        repository.then((one) => world.backUp(one)),
        'unavailable',
      )
      const struck = calls >= at
      const what = `b away from call ${at}`
      const listed = await world.expectWhole(what)
      if (least === 1) assert.ok(made !== undefined && listed.get('a')?.includes(made.id), what)
      else if (made !== undefined) assert.ok(listed.get('b')?.includes(made.id), what)
      await world.heal(await world.open())
      if (made !== undefined) await world.expectAlike(`${what}, healed`)
      await world.backUp(await world.open())
      await world.expectWhole(`${what}, and another`)
      return struck
    })
    assert.ok(tried > 10, `${tried}`)
  })
}

test('a call of a backup that fails once, at each call: what is on one is whole, and a heal makes them alike', async () => {
  await forEachCall(async (at) => {
    const world = alike.copy()
    world.change()
    let calls = 0
    const repository = await world.open({
      onCall: (name) => {
        if (name === 'a' && ++calls === at) throw away()
      },
    })
    const { id } = await world.backUp(repository)
    const listed = await world.expectWhole(`a fails call ${at}`)
    assert.ok([...listed.values()].some((ids) => ids.includes(id)))
    await world.heal(await world.open())
    await world.expectAlike(`a failed call ${at}, healed`)
    return calls >= at
  })
})

test('a backup to both killed at each call', async () => {
  await forEachCall(async (at) => {
    const world = alike.copy()
    world.change()
    world.pass(1)
    let calls = 0
    const repository = world.open({
      onCall: () => {
        if (++calls >= at) throw new Killed()
      },
    })
    await outcome(
      repository.then((one) => world.backUp(one)),
      'interrupted',
    )
    await world.expectWhole(`killed at ${at}`)
    world.pass(3)
    await world.prune(await world.open(), {})
    await world.expectWhole(`killed at ${at}, pruned`)
    await world.heal(await world.open())
    await world.expectAlike(`killed at ${at}, healed`)
    await world.backUp(await world.open())
    await world.expectAlike(`killed at ${at}, and another`)
    return calls >= at
  })
})

test('a heal killed at each call, and the next one', async () => {
  await forEachCall(async (at) => {
    const world = lagging.copy()
    let calls = 0
    const repository = world.open({
      onCall: () => {
        if (++calls >= at) throw new Killed()
      },
    })
    await outcome(
      repository.then((one) => world.heal(one)),
      'interrupted',
    )
    await world.expectWhole(`heal killed at ${at}`)
    // Its lease stands for two hours yet.
    world.pass(3)
    await world.heal(await world.open())
    await world.expectAlike(`heal killed at ${at}, healed`)
    return calls >= at
  })
})

test('a prune of the storage that is healed, between any two calls', async () => {
  await forEachCall(async (at) => {
    const world = lagging.copy()
    // The leftovers of a run that was lost: segments that a prune takes for those of a dead run.
    const [id = ''] =
      (await world.expectWhole('before'))
        .get('a')
        ?.filter((one) => !world.world('b').storage.blobs.has(one)) ?? []
    const b = world.world('b')
    for (const [key, bytes] of world.world('a').storage.blobs)
      if (key.startsWith('segments/') && !b.storage.blobs.has(key)) b.storage.blobs.set(key, bytes)
    let calls = 0
    const repository = await world.open({
      onCall: async () => {
        if (++calls === at) await b.prune(await b.open(), {})
      },
    })
    await world.heal(repository)
    await world.expectWhole(`pruned before call ${at} of a heal (${id})`)
    await world.heal(await world.open())
    await world.expectAlike(`pruned before call ${at} of a heal, healed again`)
    return calls >= at
  })
})

test('a heal between any two calls of a prune of that storage', async () => {
  await forEachCall(async (at) => {
    const world = lagging.copy()
    const b = world.world('b')
    for (const [key, bytes] of world.world('a').storage.blobs)
      if (key.startsWith('segments/') && !b.storage.blobs.has(key)) b.storage.blobs.set(key, bytes)
    let calls = 0
    await b.prune(
      await b.open(async () => {
        if (++calls === at) await world.heal(await world.open())
      }),
      {},
    )
    await world.expectWhole(`healed before call ${at} of a prune`)
    await world.heal(await world.open())
    await world.expectAlike(`healed before call ${at} of a prune, healed again`)
    return calls >= at
  })
})

test('a heal between any two calls of a backup to both, and a backup between any two of a heal', async () => {
  await forEachCall(async (at) => {
    const world = lagging.copy()
    world.change()
    let calls = 0
    const repository = await world.open({
      onCall: async () => {
        if (++calls === at) await world.heal(await world.open())
      },
    })
    const { id } = await world.backUp(repository)
    const listed = await world.expectWhole(`healed before call ${at} of a backup`)
    for (const [name, ids] of listed)
      assert.ok(ids.includes(id), `${name}: healed before call ${at} of a backup`)
    return calls >= at
  })
  await forEachCall(async (at) => {
    const world = lagging.copy()
    let calls = 0
    const repository = await world.open({
      onCall: async () => {
        if (++calls !== at) return
        world.change()
        await world.backUp(await world.open())
      },
    })
    await world.heal(repository)
    await world.expectWhole(`backed up before call ${at} of a heal`)
    return calls >= at
  })
})

test('damage is found by reading, repaired from the other, and never spread', async () => {
  const world = lagging.copy()
  await world.heal(await world.open())
  const [a, b] = [world.world('a').storage.blobs, world.world('b').storage.blobs]
  const sound = new Map(a)
  let cases = 0
  for (const key of sound.keys()) {
    if (!key.startsWith('segments/') && !key.startsWith('manifests/')) continue
    for (const [blobs, other] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const how of ['gone', 'cut', 'flipped'] as const) {
        const bytes = Buffer.from(sound.get(key) ?? '')
        bytes[bytes.length - 1]! ^= 1
        if (how === 'gone' && key.startsWith('manifests/')) continue
        if (how === 'gone') blobs.delete(key)
        else blobs.set(key, how === 'cut' ? bytes.subarray(0, -3) : bytes)
        const result = await world.heal(await world.open(), how === 'flipped')
        assert.deepEqual([result.repaired, result.failed], [1, 0], `${key} ${how}`)
        assert.deepEqual(blobs.get(key), sound.get(key), `${key} ${how}`)
        assert.deepEqual(Buffer.from(other.get(key) ?? ''), Buffer.from(sound.get(key) ?? ''))
        cases++
      }
    }
  }
  assert.ok(cases > 20, `${cases}`)

  // Bad on both: it stays so on both, is named, and all else is healed.
  const [key = ''] = [...sound.keys()].filter((one) => one.includes('/data.'))
  for (const blobs of [a, b]) {
    const bytes = Buffer.from(sound.get(key) ?? '')
    bytes[0]! ^= 1
    blobs.set(key, bytes)
  }
  const result = await world.heal(await world.open(), true)
  assert.deepEqual([result.repaired, result.failed], [0, 2])
  assert.equal(result.backups[0]?.failure?.code, 'damaged')
})

test('a damaged backup is brought to nobody', async () => {
  const world = lagging.copy()
  const a = world.world('a').storage.blobs
  for (const [key, blob] of a) {
    if (!key.includes('/data.')) continue
    const bytes = Buffer.from(blob)
    bytes[0]! ^= 1
    a.set(key, bytes)
  }
  const listed = (await world.world('b').expectWhole('before')).length
  const result = await world.heal(await world.open())
  assert.equal(result.added, 0)
  assert.equal(result.failed + result.skipped, 2)
  assert.equal((await world.world('b').expectWhole('after')).length, listed)
})

test('a heal whose source is lost blames that alone, and goes on with another', async () => {
  for (const names of [
    ['a', 'b'],
    ['a', 'c', 'b'],
  ]) {
    let struck = 0
    await forEachCall(async (at) => {
      const world = MirrorWorld.empty(scratch, names)
      await world.backUp(await world.open())
      world.change()
      world.pass(1)
      await world.backUp(await world.open({ out: new Set(['b']) }))
      let calls = 0
      const faulty = await world.open({
        onCall: (name) => {
          if (name === 'a' && ++calls >= at) throw away()
        },
      })
      const result = await world.heal(faulty)
      assert.ok(faulty.storage instanceof MirroredStorage)
      const lost = faulty.storage.lost.map(({ name }) => name)
      const what = `${names.length} storages, a away from call ${at}`
      assert.ok(
        lost.every((name) => name === 'a'),
        `${what}: ${lost} were blamed`,
      )
      // Nothing says that what cannot be read now is damaged.
      for (const { failure } of result.backups) assert.notEqual(failure?.code, 'damaged', what)
      if (names.length === 3) assert.deepEqual([result.added, result.failed], [1, 0], what)
      await world.expectWhole(what)
      await world.heal(await world.open())
      await world.expectAlike(`${what}, healed`)
      if (lost.length > 0) struck++
      return calls >= at
    })
    assert.ok(struck > 3, `${struck}`)
  }
})

test('a backup that too few could be given names those that list it', async () => {
  const world = MirrorWorld.empty(scratch, ['a', 'b'])
  await world.backUp(await world.open())
  world.change()
  const repository = await world.open({
    least: 2,
    onCall: (name, _, method, key) => {
      if (name === 'b' && method === 'put' && key.startsWith('manifests/')) throw away()
    },
  })
  await assert.rejects(
    world.backUp(repository),
    (error) => isFailure(error) && /b failed.*The backup is whole on a all the same/.test(error.message),
  )
  const listed = await world.expectWhole('afterwards')
  assert.deepEqual([listed.get('a')?.length, listed.get('b')?.length], [2, 1])
})

test('a storage whose prune fails is lost to the run, and the others are pruned', async () => {
  const world = MirrorWorld.empty(scratch, ['a', 'b', 'c'])
  for (let i = 0; i < 2; i++) {
    world.change()
    world.pass(1)
    await world.backUp(await world.open(), false)
  }
  const denied = new Failure('denied', 'Nothing may be removed.')
  const repository = await world.open({
    onCall: (name, _, method) => {
      if (name === 'b' && method === 'remove') throw denied
    },
  })
  const { storage } = repository
  assert.ok(storage instanceof MirroredStorage)
  const done = await pruneEach({ repository, policy: { keepLast: 1 } }, world.context())
  assert.deepEqual(
    done.map((one) => [one.storage, 'failure' in one ? one.failure.code : one.result.removed]),
    [
      ['a', 1],
      ['b', 'denied'],
      ['c', 1],
    ],
  )
  assert.deepEqual(storage.lost, [{ name: 'b', failure: denied }])
})

test('what one storage removed comes back from no other, for as long as it is known', async () => {
  const world = MirrorWorld.empty(scratch, ['a', 'b'])
  for (let i = 0; i < 3; i++) {
    world.change()
    world.pass(1)
    await world.backUp(await world.open(), false)
  }
  const a = world.world('a')
  await a.prune(await a.open(), { keepLast: 1 })
  assert.equal((await world.expectWhole('pruned')).get('a')?.length, 1)
  const result = await world.heal(await world.open())
  assert.deepEqual([result.added, result.failed], [0, 0])
  assert.equal((await world.expectWhole('healed')).get('a')?.length, 1)
  assert.equal((await world.expectWhole('healed')).get('b')?.length, 3)
  await world.prune(await world.open(), { keepLast: 1 })
  await world.expectAlike('all pruned')
})

test('a backup builds on what all have, and a prune of one alone leaves it that', async () => {
  const world = lagging.copy()
  const b = world.world('b')
  // A chain that b alone has.
  world.change()
  world.pass(1)
  await world.backUp(await b.open(), false)
  world.change()
  world.pass(1)
  await forEachCall(async (at) => {
    const copy = world.copy()
    let calls = 0
    const repository = await copy.open({
      onCall: async () => {
        const alone = copy.world('b')
        if (++calls === at) await alone.prune(await alone.open(), { keepLast: 1 })
      },
    })
    const made = await outcome(copy.backUp(repository), 'unavailable')
    await copy.expectWhole(`b pruned before call ${at}`)
    if (at > 200) assert.equal(made?.level, 1)
    return calls >= at
  })
})

const rounds = Number(process.env['FREEZER_HISTORIES'] ?? 5)

test(`${rounds} random histories over two and three storages`, async () => {
  let state = Number(process.env['FREEZER_SEED'] ?? 11)
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const policies: RetentionPolicy[] = [
    { keepLast: 1 },
    { keepLast: 3 },
    {},
    { removeOlderThan: 0.2, keepLast: 1 },
  ]
  const done = { backups: 0, alone: 0, prunes: 0, heals: 0, kills: 0, out: 0 }
  for (let round = 0; round < rounds; round++) {
    const names = ['a', 'b', 'c'].slice(0, 2 + (round % 2))
    const world = MirrorWorld.empty(scratch, names)
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
    for (let step = 0; step < 14; step++) {
      world.change()
      world.pass(random() < 0.2 ? 3 : 0.5)
      const out = new Set(names.filter(() => random() < 0.25))
      if (out.size === names.length) out.clear()
      done.out += out.size
      let left = random() < 0.25 ? Math.floor(random() * 60) : Number.POSITIVE_INFINITY
      const dies = pick([...names, 'all'])
      const onCall = (name: string) => {
        if ((dies === 'all' || dies === name) && --left < 0) {
          done.kills++
          throw dies === 'all' ? new Killed() : away()
        }
      }
      const what = `history ${round}, step ${step}`
      const open = () => world.open({ out, onCall, least: random() < 0.8 ? 1 : 2 })
      const kind = random()
      const alone = world.world(pick(names))
      const may = ['unavailable', 'interrupted', 'not-found'] as const
      if (kind < 0.45) {
        if (
          (await outcome(
            open().then((one) => world.backUp(one, random() < 0.8)),
            ...may,
          )) !== undefined
        )
          done.backups++
      } else if (kind < 0.6) {
        await world.backUp(await alone.open(), random() < 0.7)
        done.alone++
      } else if (kind < 0.7) {
        await alone.prune(await alone.open(), pick(policies))
        done.prunes++
      } else if (kind < 0.8) {
        await outcome(
          open().then((one) => world.prune(one, pick(policies))),
          ...may,
        )
        done.prunes++
      } else {
        const healed = await outcome(
          open().then((one) => world.heal(one, random() < 0.3)),
          ...may,
        )
        if (healed !== undefined) {
          done.heals++
          for (const { failure } of healed.backups)
            assert.notEqual(failure?.code, 'damaged', `${what}: ${JSON.stringify(healed.backups)}`)
        }
      }
      await world.expectWhole(what, step % 4 === 0)
    }
    world.pass(3)
    const healed = await world.heal(await world.open(), true)
    assert.equal(healed.failed, 0, JSON.stringify(healed))
    assert.equal(healed.later, 0, JSON.stringify(healed))
    await world.expectWhole(`history ${round}, healed`)
    const { id } = await world.backUp(await world.open())
    for (const ids of (await world.expectWhole(`history ${round}, at its end`)).values())
      assert.ok(ids.includes(id))
  }
  assert.ok(
    Object.values(done).every((count) => count > 0),
    JSON.stringify(done),
  )
})
