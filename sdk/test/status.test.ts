import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { ContainerStatus, StatusRequest } from '../src/index.ts'
import { Keyring } from '../src/repository/keyring.ts'
import { RepositoryKey } from '../src/repository/keys.ts'
import { encodeManifest, type Manifest } from '../src/repository/manifest.ts'
import { manifestKey } from '../src/repository/names.ts'
import { Repository } from '../src/repository/repository.ts'
import { containerStatus } from '../src/repository/status.ts'
import { type MemoryStorage, memoryStorage } from '../testing/memory-storage.ts'

const hour = 3_600_000
const now = Date.UTC(2026, 10, 24, 12)
const { signal } = new AbortController()

const keys = { plain: [], sealed: [new RepositoryKey(Buffer.alloc(32, 1))] } as const

function open(storage: MemoryStorage, repositoryKeys: readonly RepositoryKey[]): Repository {
  const byFingerprint = new Map(repositoryKeys.map((key) => [key.fingerprint, key]))
  const secret = { kind: 'passphrase', bytes: new Uint8Array() } as const
  const keyring = new Keyring(secret, { records: [], damaged: [] }, new Map(), byFingerprint, new Set())
  const access = { storage, codecs: [], signal }
  return new Repository(access, repositoryKeys.length === 0 ? undefined : { keyring })
}

interface Made {
  readonly host: string
  readonly name: string
  /** Milliseconds before `now`. */
  readonly age: number
  readonly unread?: number
  readonly changed?: number
  readonly damaged?: boolean
  /** Milliseconds before `now`; the same as `age` when not given. */
  readonly completed?: number
}

let ids = 0

/** Stores the manifest of a level 0 and nothing else, so a status that reads more fails. */
async function store(repository: Repository, made: Made, key = repository.keys[0]): Promise<string> {
  const id = (++ids).toString(16).padStart(32, '0')
  const time = now - made.age
  const manifest: Manifest = {
    format: 'freezer manifest',
    version: 1,
    id,
    host: made.host,
    name: made.name,
    level: 0,
    chain: id,
    time: new Date(time).toISOString(),
    completed: new Date(now - (made.completed ?? made.age)).toISOString(),
    mode: { name: 'fs', facts: {} },
    engine: { name: 'tar', options: {} },
    codecs: [],
    ...(key === undefined ? {} : { key: key.fingerprint }),
    tree: { entries: 10, bytes: 1000 },
    archive: { bytes: 2000, blocks: 1 },
    stored: 1500,
    segments: { data: 1, index: 1 },
    unread: made.unread ?? 0,
    changed: made.changed ?? 0,
    root: { number: 1, segment: 0, offset: 10, stored: 20, size: 30, digest: 'ef'.repeat(32) },
  }
  const groups = repository.groups(made.host, made.name)
  const group = groups[key === undefined ? 0 : repository.keys.indexOf(key)] ?? assert.fail()
  const storedAs = manifestKey(group, { id, chain: id, level: 0, time })
  const bytes = encodeManifest(manifest, storedAs, key)
  if (made.damaged === true) bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1
  await repository.storage.put(storedAs, [bytes], signal)
  return id
}

async function statusOf(
  backups: readonly Made[],
  request: Omit<StatusRequest, 'repository'> = {},
  kind: keyof typeof keys = 'plain',
): Promise<{ status: ContainerStatus; read: number; listed: number }> {
  const storage = memoryStorage()
  const repository = open(storage, keys[kind])
  for (const made of backups) await store(repository, made)
  const status = await containerStatus({ repository, ...request }, now, signal)
  return { status, read: storage.calls.get, listed: storage.calls.list }
}

const home = { host: 'h', name: 'home' }

for (const kind of ['plain', 'sealed'] as const) {
  describe(`the status of a ${kind} container`, () => {
    test('says of every name and host what its newest backup is', async () => {
      const backups = [
        { ...home, age: 30 * hour },
        { ...home, age: 2 * hour, unread: 0, changed: 3 },
        { ...home, age: 50 * hour, unread: 9 },
        { host: 'other', name: 'home', age: 27 * hour },
        { host: 'h', name: 'a/ö', age: hour, unread: 2 },
      ]
      const { status, read, listed } = await statusOf(backups, { maxAge: 26 * hour }, kind)
      assert.equal(status.time, new Date(now).toISOString())
      assert.equal(status.maxAge, 26 * 3600)
      assert.deepEqual(status.damaged, [])
      assert.deepEqual(
        status.names.map(
          ({ newest: { id: _id, time: _time, completed: _completed, ...newest }, ...one }) => ({
            ...one,
            ...newest,
          }),
        ),
        [
          {
            host: 'h',
            name: 'a/ö',
            backups: 1,
            age: 3600,
            fresh: true,
            complete: false,
            unread: 2,
            changed: 0,
          },
          {
            host: 'h',
            name: 'home',
            backups: 3,
            age: 7200,
            fresh: true,
            complete: true,
            unread: 0,
            changed: 3,
          },
          {
            host: 'other',
            name: 'home',
            backups: 1,
            age: 97_200,
            fresh: false,
            complete: true,
            unread: 0,
            changed: 0,
          },
        ].map((one) => ({ ...one, level: 0, entries: 10, bytes: 1000, stored: 1500 })),
      )
      assert.equal(status.names[1]?.newest.time, new Date(now - 2 * hour).toISOString())
      assert.deepEqual({ read, listed }, { read: 3, listed: 2 })
    })

    test('reads one manifest, however many backups there are', async () => {
      const backups = Array.from({ length: 500 }, (_, i) => ({ ...home, age: i * hour }))
      const { status, read, listed } = await statusOf(backups, { host: 'h', name: 'home' }, kind)
      assert.equal(status.names[0]?.backups, 500)
      assert.equal(status.names[0]?.age, 0)
      assert.deepEqual({ read, listed }, { read: 1, listed: 2 })
    })

    test('is that of the newest backup that can be read, and names the newer ones', async () => {
      const backups = [
        { ...home, age: 40 * hour, damaged: true },
        { ...home, age: 30 * hour },
        { ...home, age: 3 * hour, damaged: true },
        { ...home, age: 2 * hour, damaged: true },
        { host: 'h', name: 'lost', age: hour, damaged: true },
      ]
      const { status, read } = await statusOf(backups, { maxAge: 26 * hour }, kind)
      assert.deepEqual(
        status.names.map(({ name, backups: count, age, fresh }) => ({ name, count, age, fresh })),
        [{ name: 'home', count: 4, age: 30 * 3600, fresh: false }],
      )
      assert.equal(status.damaged.length, 3)
      for (const { failure } of status.damaged) assert.equal(failure.code, 'damaged')
      assert.equal(read, 4)

      const other = await statusOf(backups.slice(0, 4), { name: 'other', maxAge: 26 * hour }, kind)
      assert.deepEqual([other.status.names, other.status.damaged], [[], []])
    })
  })
}

test('an age at the limit is fresh, one a millisecond over it is not', async () => {
  for (const [age, fresh] of [
    [26 * hour, true],
    [26 * hour + 1, false],
  ] as const) {
    const { status } = await statusOf([{ ...home, age }], { maxAge: 26 * hour })
    assert.equal(status.names[0]?.fresh, fresh)
  }
  assert.equal((await statusOf([{ ...home, age: 0 }])).status.names[0]?.fresh, undefined)
})

test('a clock that was ahead hides no backup that fails to come', async () => {
  const year = 365 * 24 * hour
  // The first was made while the clock was a year ahead; times of the later ones had to follow it.
  const ahead = { ...home, age: -year, completed: -year }
  const after = { ...home, age: -year - 1, completed: 50 * hour }
  const only = (await statusOf([ahead], { maxAge: 26 * hour })).status.names[0]
  assert.deepEqual([only?.fresh, only?.age], [false, -year / 1000])
  const [later] = (await statusOf([ahead, after], { maxAge: 26 * hour })).status.names
  assert.deepEqual([later?.fresh, later?.age], [false, 50 * 3600])
  const made = { ...after, completed: hour }
  assert.equal((await statusOf([ahead, made], { maxAge: 26 * hour })).status.names[0]?.fresh, true)
  // A few seconds are no alarm.
  assert.equal(
    (await statusOf([{ ...home, age: -5000 }], { maxAge: 26 * hour })).status.names[0]?.fresh,
    true,
  )
})

test('a name that two keys share is one', async () => {
  const storage = memoryStorage()
  const both = open(storage, [...keys.sealed, new RepositoryKey(Buffer.alloc(32, 2))])
  await store(both, { ...home, age: 5 * hour }, both.keys[0])
  await store(both, { ...home, age: 4 * hour }, both.keys[0])
  const newest = await store(both, { ...home, age: 3 * hour }, both.keys[1])
  for (const request of [{}, home]) {
    const { names } = await containerStatus({ repository: both, ...request }, now, signal)
    assert.deepEqual(
      names.map((one) => [one.newest.id, one.backups, one.age]),
      [[newest, 3, 3 * 3600]],
    )
  }
})

test('a backup that is pruned meanwhile is passed over', async () => {
  const storage = memoryStorage()
  const repository = open(storage, [])
  await store(repository, { ...home, age: 3 * hour })
  await store(repository, { ...home, age: 2 * hour })
  const names = await repository.names(undefined, signal)
  const pruned = names.at(-1)?.key ?? assert.fail()
  repository.names = async () => names
  storage.blobs.delete(pruned)
  const status = await containerStatus({ repository }, now, signal)
  assert.deepEqual(
    status.names.map((one) => [one.age, one.backups]),
    [[3 * 3600, 1]],
  )
  assert.deepEqual(status.damaged, [])
})

test('an empty container has no names; one that cannot be read is a failure, not an empty one', async () => {
  assert.deepEqual((await statusOf([])).status.names, [])
  const storage = memoryStorage()
  const repository = open(storage, [])
  await store(repository, { ...home, age: 0 })
  await assert.rejects(containerStatus({ repository }, now, AbortSignal.abort()), { code: 'interrupted' })
})

test('whatever lies in a container, the status is what reading every manifest would say', async () => {
  const made = fc.record({
    host: fc.constantFrom('h', 'other', 'h/'),
    name: fc.constantFrom('home', '.home', 'ho\nme'),
    unread: fc.constantFrom(0, 0, 1),
    damaged: fc.constantFrom(false, false, true),
  })
  const filter = fc.record({
    host: fc.constantFrom(undefined, 'h', 'none'),
    name: fc.constantFrom(undefined, 'home'),
    maxAge: fc.constantFrom(undefined, 5 * hour),
  })
  const histories = fc.array(made, { maxLength: 14 })
  await fc.assert(
    fc.asyncProperty(
      histories,
      filter,
      fc.constantFrom('plain', 'sealed'),
      async (history, request, kind) => {
        const backups = history.map((one, i) => ({ ...one, age: (history.length - i) * hour }))
        const { status, read } = await statusOf(backups, request, kind)
        const groups = Map.groupBy(backups, ({ host, name }) => JSON.stringify([host, name]))
        const wanted = [...groups.values()].filter(
          ([one]) => (request.host ?? one?.host) === one?.host && (request.name ?? one?.name) === one?.name,
        )
        const expected = wanted.flatMap((group) => {
          const newest = group.findLast(({ damaged }) => !damaged)
          if (newest === undefined) return []
          const fresh = request.maxAge === undefined ? undefined : newest.age <= request.maxAge
          const { host, name } = newest
          return [
            { host, name, count: group.length, age: newest.age / 1000, fresh, complete: newest.unread === 0 },
          ]
        })
        const found = status.names.map(({ host, name, backups: count, age, fresh, complete }) => {
          return { host, name, count, age, fresh, complete }
        })
        const byText = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
        assert.deepEqual(found.sort(byText), expected.sort(byText))
        const newer = wanted.reduce(
          (sum, group) => sum + group.length - 1 - group.findLastIndex(({ damaged }) => !damaged),
          0,
        )
        // A name that nothing is left of cannot be told from the one that is asked for.
        if (request.host === undefined && request.name === undefined)
          assert.equal(status.damaged.length, newer)
        else assert.ok(status.damaged.length >= newer)
        assert.ok(read <= groups.size + history.filter(({ damaged }) => damaged).length)
      },
    ),
    { numRuns: 300 },
  )
})
