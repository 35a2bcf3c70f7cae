import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, mock, test } from 'node:test'
import {
  type BackupResult,
  type Context,
  Failure,
  isFailure,
  pinBackup,
  quietContext,
  type RunEvent,
} from '@freezer/sdk'
import { memoryStorage } from '@freezer/sdk/testing'
import { isLive, Lease, leaseLife, readLeases } from '../src/repository/leases.ts'
import { World } from './support/world.ts'

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-leases-'))
after(() => fs.rmSync(scratch, { recursive: true }))
const { signal } = quietContext()
const id = 'a'.repeat(32)
const claim = { kind: 'read', chain: 'c'.repeat(32) } as const
const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected

describe('a lease', () => {
  test('is refreshed while it is held, never put again, and gone when it is released', async () => {
    mock.timers.enable({ apis: ['setInterval'] })
    try {
      const storage = memoryStorage()
      let now = 1_000_000
      const events: RunEvent[] = []
      const context: Context = { signal, now: () => now, report: (event) => void events.push(event) }
      const lease = await Lease.take(storage, id, claim, context)
      for (let minutes = 0; minutes < 180; minutes += 5) {
        now += 300_000
        mock.timers.tick(300_000)
        await new Promise((resolve) => setImmediate(resolve))
      }
      const [seen] = (await readLeases(storage, signal)).leases
      assert.deepEqual(seen, { id, ...claim, group: undefined, refreshed: now })
      assert.ok(isLive(seen, now, leaseLife))
      assert.ok(await lease.held(signal))

      // A prune takes it away: whatever the holder still says, it does not come back.
      storage.blobs.delete(`leases/${id}`)
      now += 300_000
      mock.timers.tick(300_000)
      await new Promise((resolve) => setImmediate(resolve))
      assert.equal(await lease.held(signal), false)
      const found = await readLeases(storage, signal)
      assert.deepEqual(found, { leases: [], orphans: [id] })
      await lease[Symbol.asyncDispose]()
      assert.deepEqual([...storage.blobs.keys()], [])
      assert.deepEqual(events, [])
    } finally {
      mock.timers.reset()
    }
  })

  test('that cannot be refreshed is told, and tried again', async () => {
    mock.timers.enable({ apis: ['setInterval'] })
    try {
      const storage = memoryStorage()
      const events: RunEvent[] = []
      const context: Context = { signal, now: () => 0, report: (event) => void events.push(event) }
      const put = storage.put
      await using _lease = await Lease.take(storage, id, claim, context)
      storage.put = () => Promise.reject(new Failure('unavailable', 'Not now.'))
      mock.timers.tick(300_000)
      await new Promise((resolve) => setImmediate(resolve))
      storage.put = put
      mock.timers.tick(300_000)
      await new Promise((resolve) => setImmediate(resolve))
      assert.match(JSON.stringify(events), /"level":"warn".*could not be refreshed.*Not now/)
      assert.equal(events.length, 1)
      assert.ok(storage.blobs.has(`leases/${id}.refreshed`))
    } finally {
      mock.timers.reset()
    }
  })

  test('of a clock that is far off is dead either way; one that says nothing is dead', () => {
    const lease = { id, kind: 'backup', group: undefined, chain: undefined, refreshed: 10 * leaseLife }
    assert.ok(isLive(lease, 11 * leaseLife - 1, leaseLife))
    assert.ok(!isLive(lease, 11 * leaseLife, leaseLife))
    assert.ok(isLive(lease, 9 * leaseLife + 1, leaseLife))
    assert.ok(!isLive(lease, 9 * leaseLife, leaseLife))
    assert.ok(!isLive({ ...lease, refreshed: undefined }, 0, leaseLife))
  })

  test('that cannot be understood is dead, and of a kind that nobody knows it keeps everything', async () => {
    const world = new World(scratch)
    for (let i = 0; i < 3; i++) await world.backUp(await world.open(), false)
    world.storage.blobs.set(`leases/${id}`, Buffer.from('nonsense'))
    const refreshed = new Date(world.now).toISOString()
    const strange = { format: 'freezer lease', version: 2, kind: 'strange', refreshed }
    const other = 'b'.repeat(32)
    world.storage.blobs.set(`leases/${other}`, Buffer.from(JSON.stringify(strange)))
    const result = await world.prune(await world.open(), { removeBefore: new Date(world.now + 1e9) })
    assert.deepEqual([result.kept, result.removed, result.inUse.backups, result.freed], [1, 2, 2, 0])
    assert.deepEqual(
      [...world.storage.blobs.keys()].filter((key) => key.startsWith('leases/')),
      [`leases/${other}`],
    )
    world.pass(3)
    const later = await world.prune(await world.open(), { removeBefore: new Date(world.now + 1e9) })
    assert.deepEqual([later.kept, later.removed, later.inUse.backups], [0, 1, 0])
    assert.deepEqual([...world.storage.blobs.keys()], ['freezer'])
  })
})

describe('a restore', () => {
  test('does without a lease where nothing can be written', async () => {
    const world = new World(scratch)
    await world.backUp(await world.open())
    const put = world.storage.put
    world.storage.put = () => Promise.reject(new Failure('denied', 'Read-only.'))
    assert.equal((await world.restore(await world.open()))?.level, 0)
    world.storage.put = () => Promise.reject(new Failure('unavailable', 'Not now.'))
    await assert.rejects(world.restore(await world.open()), code('unavailable'))
    world.storage.put = put
  })

  test('whose backup is removed under it says so, and does not call it damaged', async () => {
    const world = new World(scratch)
    await world.backUp(await world.open())
    let gone = false
    const repository = await world.open((_, method, key) => {
      // What a prune does that took the restore for dead.
      if (gone || method !== 'get' || !key.startsWith('segments/')) return
      gone = true
      for (const blob of world.storage.blobs.keys()) if (blob !== 'freezer') world.storage.blobs.delete(blob)
    })
    assert.equal(await world.restore(repository), undefined)
    assert.ok(gone)
  })
})

describe('a prune', () => {
  test('leaves what nobody can judge: damage, lost manifests, unknown keys', async () => {
    const world = new World(scratch)
    const made: BackupResult[] = []
    for (let i = 0; i < 3; i++) {
      world.change()
      made.push(await world.backUp(await world.open()))
    }
    const manifests = [...world.storage.blobs.keys()].filter((key) => key.startsWith('manifests/')).sort()
    const [zero = '', one = '', two = ''] = manifests
    const bytes = (key: string) => world.storage.blobs.get(key) ?? assert.fail(key)
    world.storage.blobs.set('segments/strange', Buffer.from('x'))
    world.storage.blobs.set('other/thing', Buffer.from('x'))
    const everything = { removeBefore: new Date(world.now + 1e9) }

    // The manifest of level 1 is lost: level 2 needs its segments all the same.
    const lost = bytes(one)
    world.storage.blobs.delete(one)
    assert.equal((await world.prune(await world.open(), {}, 0)).freed, 0)
    assert.equal((await world.expectWhole('without the manifest of level 1')).length, 2)
    assert.equal((await world.prune(await world.open(), { keepLast: 1 }, 0)).removed, 0)

    // That of level 2 is damaged too: nobody knows what it needs.
    const good = bytes(two)
    world.storage.blobs.set(two, Buffer.from('damaged'))
    const doubtful = await world.prune(await world.open(), everything, 0)
    assert.deepEqual([doubtful.removed, doubtful.freed, doubtful.damaged.length], [0, 0, 1])
    world.storage.blobs.set(two, good)
    world.storage.blobs.set(one, lost)
    assert.equal((await world.expectWhole('with all manifests back')).length, 3)

    // Its root cannot be read and its parent is not there.
    world.storage.blobs.delete(one)
    const root = [...world.storage.blobs.keys()].find((key) =>
      key.startsWith(`segments/${made[2]?.id}/index`),
    )
    assert.ok(root !== undefined)
    const index = bytes(root)
    world.storage.blobs.set(root, Buffer.alloc(index.length))
    assert.equal((await world.prune(await world.open(), {}, 0)).freed, 0)
    world.storage.blobs.set(root, index)
    world.storage.blobs.set(one, lost)
    assert.equal((await world.expectWhole('with everything back')).length, 3)

    assert.equal((await world.prune(await world.open(), everything, 0)).removed, 3)
    assert.ok(!world.storage.blobs.has(zero))
    assert.deepEqual([...world.storage.blobs.keys()].sort(), ['freezer', 'other/thing', 'segments/strange'])
  })

  test('a pin at any moment of a prune either fails or holds', async () => {
    let held = 0
    let failed = 0
    for (let at = 1; ; at += 2) {
      const world = new World(scratch)
      const first = await world.backUp(await world.open(), false)
      await world.backUp(await world.open(), false)
      let reached = false
      const repository = await world.open(async (call) => {
        if (call !== at) return
        reached = true
        try {
          await pinBackup(await world.open(), first.id, world.now, signal)
          held++
        } catch (error) {
          assert.ok(code('not-found')(error))
          failed++
        }
      })
      const before = held
      await world.prune(repository, { keepLast: 1 })
      const listed = await world.expectWhole(`pinned at call ${at}`)
      if (!reached) break
      if (held > before) assert.ok(listed.includes(first.id), `pinned at call ${at}, and gone`)
      await world.expectClean(`pinned at call ${at}`)
    }
    assert.ok(held > 2 && failed > 2, `${held} held, ${failed} failed`)
  })
})
