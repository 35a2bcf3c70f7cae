// Backups of streams of bytes through the sdk: whole, or not there.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzip, zstd } from '@freezer/codec-compress'
import { aes256Gcm } from '@freezer/codec-encrypt'
import { stream } from '@freezer/engine-stream'
import { tar } from '@freezer/engine-tar'
import {
  type BackupRequest,
  type BackupResult,
  backup,
  type Context,
  checkContainer,
  copyBackups,
  Failure,
  type FailureCode,
  isFailure,
  listBackups,
  listEntries,
  openBackup,
  quietContext,
  type Repository,
  readFile,
  restore,
  type Source,
  type Storage,
  treeSource,
  treeTarget,
  verify,
} from '@freezer/sdk'
import { openContainer } from './support/containers.ts'
import { filesBelow, scratchDirectory } from './support/program.ts'
import { content, Sink, streamOf } from './support/streams.ts'

const scratch = scratchDirectory('streams')
after(scratch.remove)

let number = 0
const fresh = (): string => path.join(scratch.path, `directory-${number++}`)

const engines = [stream, tar]

function backUp(
  repository: Repository,
  source: Source,
  more: Partial<BackupRequest> = {},
  context: Context = quietContext(),
): Promise<BackupResult> {
  return backup(
    {
      repository,
      engine: stream,
      source,
      host: 'h',
      name: 'n',
      mode: { name: 'command' },
      encryption: repository.encrypted ? { codec: aes256Gcm } : undefined,
      ...more,
    },
    context,
  )
}

const failure =
  (...codes: FailureCode[]) =>
  (error: unknown) =>
    isFailure(error) && codes.includes(error.code) ? true : assert.fail(`${String(error)} is not ${codes}`)

async function manifests(repository: Repository): Promise<number> {
  return (await Array.fromAsync(listBackups(repository))).length
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks))
}

/** The newest backup is `bytes`, whichever way it is read. */
async function expectStored(repository: Repository, bytes: Buffer, name = 'dump'): Promise<void> {
  const request = { repository, engines, host: 'h', name: 'n' }
  const read = await bytesOf(readFile({ repository, engines, backup: 'latest', path: name }))
  assert.ok(read.equals(bytes), 'readFile')

  const directory = fresh()
  const restored = await restore({ ...request, target: treeTarget(directory) })
  assert.deepEqual(
    [restored.created, restored.unrestored, restored.damaged, restored.bytes],
    [bytes.length === 0 ? restored.created : 1, 0, false, bytes.length],
  )
  assert.deepEqual(fs.readdirSync(directory), [name])
  assert.ok(fs.readFileSync(path.join(directory, name)).equals(bytes), 'restored into a directory')
  assert.equal(fs.statSync(path.join(directory, name)).mode & 0o7777, 0o600)
  const compared = treeTarget(directory, { purpose: 'verify' })
  assert.equal((await verify({ ...request, target: compared })).equal, true)
  fs.appendFileSync(path.join(directory, name), 'x')
  assert.equal((await verify({ ...request, target: compared })).equal, false)

  const sink = new Sink()
  const streamed = await restore({ ...request, target: sink })
  assert.ok(sink.whole?.equals(bytes), 'restored into a stream')
  assert.equal(sink.name, name)
  assert.deepEqual([streamed.created, streamed.unrestored, streamed.bytes], [1, 0, bytes.length])
}

const mebibyte = 2 ** 20

for (const passphrase of [undefined, 'secret']) {
  test(`brings a stream of any size back, ${passphrase === undefined ? 'plain' : 'encrypted'}`, async () => {
    for (const size of [0, 1, mebibyte / 2, mebibyte - 1, mebibyte, mebibyte + 1, 3_300_001]) {
      const repository = await openContainer(fresh(), passphrase)
      const bytes = content(size, size + 1)
      const source = streamOf(bytes, { chunk: size % 2 === 0 ? 65_536 : 99_991, size })
      const result = await backUp(repository, source, { compression: { codec: zstd } })
      assert.deepEqual([result.level, result.entries, result.bytes, result.archived], [0, 1, size, size])
      assert.deepEqual(source.seen, { opened: 1, given: size, returned: true, aborted: false })
      await expectStored(repository, bytes)
    }
  })
}

test('chunks of one byte, and one of many MiB', async () => {
  for (const [size, chunk] of [
    [2000, 1],
    [9_000_000, 9_000_000],
  ] as const) {
    const repository = await openContainer(fresh())
    const bytes = content(size)
    await backUp(repository, streamOf(bytes, { chunk }))
    await expectStored(repository, bytes)
  }
})

test('every backup is whole, whatever the levels are to be, and each of them comes back', async () => {
  const repository = await openContainer(fresh(), 'secret')
  const policies = [{ incremental: true }, { maxLevel: 3 }, { alwaysLevel: 1 }, { incremental: false }]
  const ids: string[] = []
  for (const [at, levels] of policies.entries()) {
    const result = await backUp(repository, streamOf(content(700_000, at + 1)), { levels })
    assert.equal(result.level, 0)
    ids.push(result.id)
  }
  for (const [at, id] of ids.entries()) {
    const read = await bytesOf(readFile({ repository, engines, backup: { id }, path: 'dump' }))
    assert.ok(read.equals(content(700_000, at + 1)))
  }
})

test('the index names the stream, and the rest of the verbs know it', async () => {
  const repository = await openContainer(fresh())
  const other = await openContainer(fresh(), 'secret')
  const bytes = content(2_500_000)
  await backUp(repository, streamOf(bytes, { name: 'größe.sql' }))
  await using opened = await openBackup(repository)
  const name = Buffer.from('größe.sql').toString('latin1')
  const entries = await Array.fromAsync(listEntries(opened))
  assert.deepEqual(
    entries.map((entry) => [entry.type, entry.directory, entry.name, entry.size]),
    [['file', '', name, bytes.length]],
  )
  const report = await checkContainer({ repository, engines, data: 'all' }, quietContext())
  assert.equal(report.damaged.length, 0)
  assert.equal(report.bytes, report.archiveBytes)
  const copied = await copyBackups(
    {
      from: repository,
      to: other,
      compression: { codec: gzip },
      encryption: { codec: aes256Gcm, always: true },
    },
    quietContext(),
  )
  assert.equal(copied.copied, 1)
  const read = await bytesOf(readFile({ repository: other, engines, backup: 'latest', path: name }))
  assert.ok(read.equals(bytes))
})

test('a part of a backup is the stream, or nothing', async () => {
  const repository = await openContainer(fresh())
  const bytes = content(100_000)
  await backUp(repository, streamOf(bytes, { name: 'a.sql' }))
  const request = { repository, engines, host: 'h', name: 'n' }
  const select = { paths: [], include: ['*.sql'], exclude: [] }
  const sink = new Sink()
  await restore({ ...request, select, target: sink })
  assert.ok(sink.whole?.equals(bytes))
  for (const wrong of [
    { ...select, include: ['*.txt'] },
    { ...select, exclude: ['a.sql'] },
    { ...select, paths: ['b'] },
  ]) {
    const untouched = new Sink()
    await assert.rejects(restore({ ...request, select: wrong, target: untouched }), failure('not-found'))
    assert.equal(untouched.name, undefined)
  }
})

test('a source that fails at any chunk, or after the last, leaves no backup', async () => {
  const directory = fresh()
  const repository = await openContainer(directory, 'secret')
  await backUp(repository, streamOf(content(1000)))
  const bytes = content(4_000_000)
  for (const at of [0, 1, 7, 20, 79, 80]) {
    const source = streamOf(bytes, {
      before: (chunk) => {
        if (chunk === at) throw new Error(`no chunk ${chunk}`)
      },
    })
    await assert.rejects(backUp(repository, source), (error) => {
      failure('source')(error)
      assert.match((error as Error).message, new RegExp(`"dump" failed: no chunk ${at}`))
      return true
    })
    assert.equal(source.seen.returned, true)
    assert.equal(await manifests(repository), 1)
  }
  const own = streamOf(bytes, {
    before: (chunk) => {
      if (chunk === 3) throw new Failure('denied', 'No more of it.')
    },
  })
  await assert.rejects(backUp(repository, own), failure('denied'))
  await backUp(repository, streamOf(bytes))
  await expectStored(repository, bytes)
  assert.deepEqual(
    filesBelow(directory).filter((file) => file.startsWith('leases')),
    [],
  )
})

test('a stream that is shorter or longer than it was to be leaves no backup', async () => {
  const repository = await openContainer(fresh())
  const bytes = content(1_500_000)
  for (const size of [0, 1_499_999, 1_500_001, 2 ** 40]) {
    await assert.rejects(backUp(repository, streamOf(bytes, { size })), failure('source'))
  }
  assert.equal(await manifests(repository), 0)
})

test('what is no stream of bytes, and a name that no file can have, is refused', async () => {
  const directory = fresh()
  const repository = await openContainer(directory)
  const before = filesBelow(directory)
  for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256)]) {
    await assert.rejects(backUp(repository, streamOf(content(10), { name })), failure('usage'))
  }
  await assert.rejects(backUp(repository, streamOf(content(10)), { engine: tar }), failure('usage'))
  await assert.rejects(backUp(repository, treeSource(import.meta.dirname)), failure('usage'))
  assert.deepEqual(filesBelow(directory), before)
  const text = {
    kind: 'stream',
    name: 'x',
    open: async function* () {
      yield 'text'
    },
  } as never
  await assert.rejects(backUp(repository, text), failure('plugin'))
})

test('an abort at any moment ends the source and leaves no backup', async () => {
  const repository = await openContainer(fresh(), 'secret')
  const bytes = content(6_000_000)
  for (const at of [0, 1, 2, 13, 40, 90, 119, 120]) {
    const controller = new AbortController()
    const source = streamOf(bytes, { before: (chunk) => void (chunk === at && controller.abort()) })
    await assert.rejects(
      backUp(repository, source, {}, quietContext(controller.signal)),
      failure('interrupted'),
    )
    assert.equal(source.seen.returned, true)
    assert.equal(await manifests(repository), 0)
  }
  for (const wait of [0, 3, 10, 30, 60]) {
    const controller = new AbortController()
    const source = streamOf(bytes, { before: () => sleep(1) })
    const running = backUp(repository, source, {}, quietContext(controller.signal))
    setTimeout(() => controller.abort(), wait)
    await assert.rejects(running, failure('interrupted'))
    assert.equal(source.seen.returned, source.seen.opened > 0)
  }
  assert.equal(await manifests(repository), 0)
})

test('a source that waits for ever ends with an abort', async () => {
  const repository = await openContainer(fresh())
  const controller = new AbortController()
  const source = streamOf(content(500_000), {
    before: (chunk, signal) =>
      chunk === 5 &&
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
        setTimeout(() => controller.abort(), 20)
      }),
  })
  const started = performance.now()
  await assert.rejects(
    backUp(repository, source, {}, quietContext(controller.signal)),
    failure('interrupted'),
  )
  assert.ok(performance.now() - started < 4000)
  assert.deepEqual([source.seen.returned, source.seen.aborted], [true, true])
})

/** Before each blob is put. */
function putting(storage: Storage, before: (key: string, signal: AbortSignal) => Promise<void>): Storage {
  return {
    ...storage,
    get: storage.get.bind(storage),
    list: storage.list.bind(storage),
    remove: storage.remove.bind(storage),
    put: async (key, chunks, ...rest) => {
      await before(key, rest[0] as AbortSignal)
      return storage.put(key, chunks, ...rest)
    },
  }
}

test('a storage that fails ends a source that would go on for ever', async () => {
  const full = async (key: string) => {
    if (key.includes('/data.')) throw new Failure('no-space', 'The storage is full.')
  }
  const repository = await openContainer(fresh(), undefined, (storage) => putting(storage, full))
  const seen = { returned: false, aborted: false }
  const endless: Source = {
    kind: 'stream',
    name: 'endless',
    async *open(signal) {
      try {
        for (;;) yield content(100_000)
      } finally {
        seen.returned = true
        seen.aborted = signal.aborted
      }
    },
  }
  await assert.rejects(backUp(repository, endless), failure('no-space'))
  assert.deepEqual(seen, { returned: true, aborted: true })
  assert.equal(await manifests(repository), 0)
})

test('a source is read no further ahead than what is under way', async () => {
  let puts = 0
  let stored = 0
  let furthest = 0
  const bytes = content(40 * mebibyte)
  const source = streamOf(bytes, {
    before: () => {
      furthest = Math.max(furthest, source.seen.given - stored)
    },
  })
  const slow = async (key: string) => {
    if (!key.includes('/data.')) return
    await sleep(30)
    stored = ++puts * mebibyte
  }
  const repository = await openContainer(fresh(), undefined, (storage) => putting(storage, slow))
  await backUp(repository, source, { segmentSize: mebibyte, queueSize: 3 })
  assert.ok(furthest > 0 && furthest <= 12 * mebibyte, `${furthest} bytes ahead`)
})

/** One byte of the stored data changed. */
function damage(directory: string, segment: number): void {
  const files = filesBelow(path.join(directory, 'segments')).filter((file) => file.includes('/data.'))
  const file = path.join(directory, 'segments', files.sort()[segment] ?? '')
  const bytes = fs.readFileSync(file)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  fs.writeFileSync(file, bytes)
}

test('a target never sees the end of a stream that is damaged', async () => {
  for (const segment of [0, 2, 4]) {
    const directory = fresh()
    const repository = await openContainer(directory, 'secret')
    const bytes = content(5 * mebibyte)
    await backUp(repository, streamOf(bytes), { segmentSize: mebibyte })
    damage(directory, segment)
    const request = { repository, engines, host: 'h', name: 'n' }
    const sink = new Sink()
    const result = await restore({ ...request, target: sink })
    assert.deepEqual([result.damaged, result.unrestored, result.created], [true, 1, 0])
    assert.equal(sink.whole, undefined)
    assert.ok(sink.taken <= segment * mebibyte)
    // One that takes a failed stream for its end is no reason to call it restored.
    const careless = {
      kind: 'stream',
      write: async (chunks: AsyncIterable<Uint8Array>) => {
        try {
          for await (const _ of chunks);
        } catch {}
      },
    } as const
    assert.equal((await restore({ ...request, target: careless })).damaged, true)
    const target = fresh()
    const tree = await restore({ ...request, target: treeTarget(target) })
    assert.deepEqual([tree.damaged, tree.unrestored], [true, 1])
    assert.deepEqual(fs.readdirSync(target), [])
    await assert.rejects(
      bytesOf(readFile({ repository, engines, backup: 'latest', path: 'dump' })),
      failure('damaged'),
    )
  }
})

test('a target that fails, does not take all, or is aborted fails the restore', async () => {
  const repository = await openContainer(fresh())
  await backUp(repository, streamOf(content(5 * mebibyte)))
  const request = { repository, engines, host: 'h', name: 'n' }
  const broken = new Sink((taken) => {
    if (taken > 2 * mebibyte) throw new Failure('no-space', 'Full.')
  })
  await assert.rejects(restore({ ...request, target: broken }), failure('no-space'))
  const lazy = {
    kind: 'stream',
    write: async (chunks: AsyncIterable<Uint8Array>) => {
      for await (const _ of chunks) break
    },
  } as const
  await assert.rejects(restore({ ...request, target: lazy }), failure('plugin'))
  const controller = new AbortController()
  const aborted = new Sink((taken) => void (taken > 2 * mebibyte && controller.abort()))
  await assert.rejects(
    restore({ ...request, target: aborted }, { signal: controller.signal }),
    failure('interrupted'),
  )
  assert.equal(aborted.whole, undefined)
})

test('one file of a tree is restored as a stream too, and several are refused', async () => {
  const repository = await openContainer(fresh())
  const tree = fresh()
  fs.mkdirSync(path.join(tree, 'd'), { recursive: true })
  const bytes = content(1_300_000)
  fs.writeFileSync(path.join(tree, 'd', 'file'), bytes)
  fs.writeFileSync(path.join(tree, 'other'), 'other')
  await backUp(repository, treeSource(tree), { engine: tar })
  const request = { repository, engines, host: 'h', name: 'n' }
  const sink = new Sink()
  await restore({ ...request, select: { paths: ['d/file'], include: [], exclude: [] }, target: sink })
  assert.ok(sink.whole?.equals(bytes))
  await assert.rejects(restore({ ...request, target: new Sink() }), failure('usage'))
})
