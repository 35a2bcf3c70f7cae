import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type BackupRequest,
  type BackupResult,
  backup,
  type Context,
  isFailure,
  listBackups,
  openRepository,
  quietContext,
  type RestoreResult,
  restore,
  type Storage,
  type TreeTarget,
  type Warning,
} from '@freezer/sdk'
import { memoryStorage } from '@freezer/sdk/testing'
import { engine as plainEngine } from '../../core/templates/engine/src/index.ts'
import { EngineThread } from '../dist/src/pipeline/engine-host.js'
import { SegmentWriter, UploadStreams } from '../dist/src/pipeline/segments.js'
import { toyCodecs } from './support/toy-codecs.ts'

let scratch = ''
let tree = ''
let targets = 0
before(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-pipeline-'))
})
after(() => fs.rmSync(scratch, { recursive: true }))
beforeEach(() => {
  tree = path.join(scratch, `tree-${targets++}`)
  fs.mkdirSync(tree)
})

function write(name: string, content: string | Uint8Array): void {
  const file = path.join(tree, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content)
}

/** Every file below `directory` with its content. */
function contents(directory: string): Record<string, string> {
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
  const files = names.filter((name) => fs.statSync(path.join(directory, name)).isFile())
  return Object.fromEntries(
    files.map((n) => [n, fs.readFileSync(path.join(directory, n)).toString('base64')]),
  )
}

const secret = Buffer.from('correct horse')

interface Options {
  readonly passphrase?: Uint8Array | undefined
  readonly request?: Partial<BackupRequest>
  readonly context?: Context
}

async function run(
  storage: Storage,
  { passphrase, request, context = quietContext() }: Options = {},
): Promise<BackupResult> {
  const access = { storage, codecs: Object.values(toyCodecs), passphrase, signal: context.signal }
  const repository = await openRepository(access, true)
  return backup(
    {
      repository,
      source: { kind: 'tree', path: tree, exclude: [], oneFileSystem: false, dereference: 'none' },
      engine: plainEngine,
      host: 'h',
      name: 'n',
      mode: { name: 'fs', facts: {} },
      compression: { codec: toyCodecs.deflate, options: { level: 1 } },
      encryption: passphrase && { codec: toyCodecs.seal, options: {} },
      levels: { incremental: true },
      ...request,
    },
    context,
  )
}

async function bring(
  storage: Storage,
  {
    passphrase,
    context = quietContext(),
    before: date,
    target = { path: path.join(scratch, `restored-${targets++}`), overwrite: false, remove: false },
  }: Options & { before?: Date | undefined; target?: Omit<TreeTarget, 'kind'> } = {},
): Promise<RestoreResult & { directory: string }> {
  const access = { storage, codecs: Object.values(toyCodecs), passphrase, signal: context.signal }
  const repository = await openRepository(access, false)
  const result = await restore(
    {
      repository,
      engines: [plainEngine],
      target: () => ({ kind: 'tree', ...target }),
      host: 'h',
      name: 'n',
      backup: date && { before: date },
    },
    context,
  )
  return { ...result, directory: target.path }
}

const code = (expected: string) => (error: unknown) => isFailure(error) && error.code === expected

describe('backup and restore', () => {
  for (const passphrase of [undefined, secret]) {
    const how = passphrase === undefined ? 'plain' : 'encrypted'

    test(`levels restore to every moment, ${how}`, async () => {
      const storage = memoryStorage()
      const moments: { time: string; content: Record<string, string> }[] = []
      write('big', randomBytes(5_300_000))
      for (let level = 0; level < 4; level++) {
        write(`d${level}/file`, randomBytes(700_000))
        write('changes', `version ${level}`)
        if (level === 2) fs.rmSync(path.join(tree, 'd0'), { recursive: true })
        const result = await run(storage, { passphrase })
        assert.equal(result.level, level)
        assert.equal(result.unread, 0)
        moments.push({ time: result.time, content: contents(tree) })
      }
      for (const { time, content } of moments) {
        const result = await bring(storage, { passphrase, before: new Date(time) })
        assert.equal(result.time, time)
        assert.equal(result.damaged, false)
        assert.deepEqual(contents(result.directory), content)
      }
    })

    test(`nothing changed stores next to nothing, ${how}`, async () => {
      const storage = memoryStorage()
      for (let i = 0; i < 3000; i++) write(`d${i % 40}/f${i}`, String(i))
      const first = await run(storage, { passphrase })
      const second = await run(storage, { passphrase })
      assert.equal(second.level, 1)
      assert.ok(second.stored < first.stored / 20, `${second.stored} of ${first.stored}`)
      assert.deepEqual(contents((await bring(storage, { passphrase })).directory), contents(tree))
    })

    test(`a change in one directory shares the other pages, ${how}`, async () => {
      const storage = memoryStorage()
      for (let i = 0; i < 3000; i++) write(`d${i % 40}/f${i}`, String(i))
      const first = await run(storage, { passphrase })
      write('d20/new', 'x')
      const second = await run(storage, { passphrase })
      assert.ok(second.stored < first.stored / 3, `${second.stored} of ${first.stored}`)
      assert.deepEqual(contents((await bring(storage, { passphrase })).directory), contents(tree))
    })
  }

  test('many segments, one thread, a short queue', async () => {
    const storage = memoryStorage()
    write('noise', randomBytes(9_000_000))
    const result = await run(storage, { request: { segmentSize: 1_500_000, queueSize: 2, workers: 1 } })
    const segments = [...storage.blobs.keys()].filter((key) => key.includes('/data.'))
    assert.ok(segments.length >= 8, String(segments.length))
    for (const key of segments) assert.ok((storage.blobs.get(key)?.length ?? 0) <= 1_500_000)
    assert.equal(
      result.stored,
      [...storage.blobs.entries()]
        .filter(([k]) => k.startsWith('segments/'))
        .reduce((n, [, b]) => n + b.length, 0),
    )
    assert.deepEqual(contents((await bring(storage)).directory), contents(tree))
  })

  test('segments are as large as suits the storage, unless another size is asked for', async () => {
    write('noise', randomBytes(3_000_000))
    for (const [asked, expected] of [
      [undefined, 1_200_000],
      [2_200_000, 2_200_000],
    ] as const) {
      const blobs = memoryStorage()
      const liking: Storage = { ...blobs, segmentSize: 1_200_000 }
      await run(liking, asked === undefined ? {} : { request: { segmentSize: asked } })
      const sizes = [...blobs.blobs].filter(([key]) => key.includes('/data.')).map(([, { length }]) => length)
      const largest = Math.max(...sizes)
      assert.ok(largest <= expected && largest > expected - 1_060_000, `${largest} of ${expected}`)
    }
  })

  test('an empty directory', async () => {
    const storage = memoryStorage()
    await run(storage)
    assert.deepEqual(contents((await bring(storage)).directory), {})
  })

  test('the manifest is the last put of a backup', async () => {
    const storage = memoryStorage()
    const keys: string[] = []
    const watched: Storage = {
      ...storage,
      put: (key, ...rest) => (keys.push(key), storage.put(key, ...rest)),
    }
    write('a', 'a')
    await run(watched)
    assert.match(keys.at(-1) ?? '', /^manifests\//)
    assert.equal(keys.filter((key) => key.startsWith('manifests/')).length, 1)
  })

  test('names of files, host and backup stand nowhere in an encrypted container', async () => {
    const storage = memoryStorage()
    write('remarkable-name', 'remarkable-content')
    await run(storage, {
      passphrase: secret,
      request: { host: 'remarkable-host', name: 'remarkable-backup' },
    })
    for (const [key, blob] of storage.blobs) {
      assert.ok(!key.includes('remarkable'), key)
      assert.ok(!Buffer.from(blob).includes('remarkable'), key)
      assert.ok(!Buffer.from(blob).includes(secret), key)
    }
  })
})

describe('damage', () => {
  test('a bad block is named, everything else is restored, nothing wrong is left', async () => {
    const storage = memoryStorage()
    for (let i = 0; i < 12; i++) write(`f${String(i).padStart(2, '0')}`, randomBytes(600_000))
    await run(storage, { passphrase: secret })
    const [key, blob] = [...storage.blobs].find(([k]) => k.includes('/data.')) ?? []
    assert.ok(key !== undefined && blob !== undefined)
    blob[3_000_000] = (blob[3_000_000] ?? 0) ^ 1
    const warnings: Warning[] = []
    const context = {
      ...quietContext(),
      report: (e: Parameters<Context['report']>[0]) =>
        void (e.type === 'warning' && warnings.push(e.warning)),
    }
    const result = await bring(storage, { passphrase: secret, context })
    assert.equal(result.damaged, true)
    assert.equal(result.unrestored, warnings.length)
    assert.ok(warnings.length >= 1 && warnings.length <= 3)
    const expected = contents(tree)
    for (const { path: file } of warnings) delete expected[file]
    assert.deepEqual(contents(result.directory), expected)
  })

  test('every flipped bit of every blob is met by a failure, a warning, or no change at all', async () => {
    const storage = memoryStorage()
    for (let i = 0; i < 30; i++) write(`d${i % 3}/f${i}`, `content ${i} `.repeat(20))
    await run(storage, { passphrase: secret })
    write('d1/more', 'more')
    await run(storage, { passphrase: secret })
    const expected = contents(tree)
    let caught = 0
    const flips: [string, number][] = []
    for (const [key, blob] of storage.blobs) {
      for (let i = 0; i < 4; i++) flips.push([key, Math.floor((blob.length * (i + 0.5)) / 4)])
    }
    for (const [key, at] of flips) {
      const blob = storage.blobs.get(key)
      assert.ok(blob !== undefined)
      blob[at] = (blob[at] ?? 0) ^ 0x10
      try {
        const result = await bring(storage, { passphrase: secret })
        if (result.damaged || result.unrestored > 0) caught++
        else assert.deepEqual(contents(result.directory), expected, `${key} at ${at}`)
      } catch (error) {
        assert.ok(
          isFailure(error) && ['damaged', 'key', 'hostile'].includes(error.code),
          `${key} at ${at}: ${error}`,
        )
        caught++
      }
      blob[at] = (blob[at] ?? 0) ^ 0x10
    }
    // The rest lay in what level 1 does not need: the manifest of level 0, and its pages that level 1 has anew.
    assert.ok(caught >= flips.length * 0.6, `${caught} of ${flips.length}`)
  })

  test('a missing or truncated segment', async () => {
    const storage = memoryStorage()
    write('noise', randomBytes(4_000_000))
    write('zz', 'small')
    await run(storage, { request: { segmentSize: 1_500_000 } })
    const [key] = [...storage.blobs.keys()].filter((k) => k.includes('/data.'))
    assert.ok(key !== undefined)
    const whole = storage.blobs.get(key) ?? new Uint8Array()
    storage.blobs.set(key, whole.subarray(0, 1000))
    assert.equal((await bring(storage)).damaged, true)
    storage.blobs.delete(key)
    const result = await bring(storage)
    assert.equal(result.damaged, true)
    assert.deepEqual(Object.keys(contents(result.directory)), ['zz'])
  })

  test('with part of the index lost nothing is removed from the target', async () => {
    const storage = memoryStorage()
    for (let i = 0; i < 2000; i++) write(`d${i % 40}/f${i}`, String(i))
    await run(storage)
    const directory = path.join(scratch, `kept-${targets++}`)
    fs.cpSync(tree, directory, { recursive: true })
    for (const [key, blob] of storage.blobs) if (key.includes('/index.')) blob[100] = (blob[100] ?? 0) ^ 1
    await assert.rejects(
      bring(storage, { target: { path: directory, overwrite: 'always', remove: true } }),
      code('damaged'),
    )
    assert.deepEqual(contents(directory), contents(tree))
  })

  test('a parent whose index is damaged: the next backup is whole', async () => {
    const storage = memoryStorage()
    for (let i = 0; i < 2000; i++) write(`d${i % 40}/f${i}`, String(i))
    await run(storage)
    for (const [key, blob] of storage.blobs) if (key.includes('/index.')) blob[100] = (blob[100] ?? 0) ^ 1
    await run(storage)
    assert.deepEqual(contents((await bring(storage)).directory), contents(tree))
  })

  test('a parent that is gone: the next backup begins a chain', async () => {
    const storage = memoryStorage()
    write('a', 'a')
    await run(storage)
    for (const key of storage.blobs.keys()) if (key.includes('/index.')) storage.blobs.delete(key)
    assert.equal((await run(storage)).level, 0)
    assert.deepEqual(contents((await bring(storage)).directory), contents(tree))
  })
})

describe('keys', () => {
  test('a wrong, missing or needless passphrase', async () => {
    const storage = memoryStorage()
    write('a', 'a')
    await run(storage, { passphrase: secret })
    const calls = storage.calls.put
    await assert.rejects(run(storage, { passphrase: Buffer.from('wrong') }), code('key'))
    await assert.rejects(run(storage), code('key'))
    await assert.rejects(bring(storage, { passphrase: Buffer.from('wrong') }), code('key'))
    await assert.rejects(bring(storage), code('key'))
    assert.equal(storage.calls.put, calls)
    const plain = memoryStorage()
    await run(plain)
    await assert.rejects(run(plain, { passphrase: secret }), code('refused'))
    await assert.rejects(bring(plain, { passphrase: secret }), code('key'))
  })

  test('two hosts that begin at the same moment', async () => {
    const storage = memoryStorage()
    write('a', 'a')
    await Promise.all([
      run(storage, { passphrase: secret, request: { host: 'h' } }),
      run(storage, { passphrase: secret, request: { host: 'other' } }),
    ])
    assert.deepEqual(contents((await bring(storage, { passphrase: secret })).directory), contents(tree))
    const repository = await openRepository(
      { storage, codecs: Object.values(toyCodecs), passphrase: secret, signal: quietContext().signal },
      false,
    )
    const listed = await Array.fromAsync(listBackups(repository, {}, quietContext().signal))
    assert.deepEqual(listed.map((b) => ('host' in b ? b.host : '?')).sort(), ['h', 'other'])
  })

  test('a planted plain backup is not taken for one of an encrypted container', async () => {
    const storage = memoryStorage()
    const other = memoryStorage()
    write('a', 'honest')
    await run(storage, { passphrase: secret })
    write('a', 'forged')
    await run(other)
    for (const [key, blob] of other.blobs) if (!storage.blobs.has(key)) storage.blobs.set(key, blob)
    const { directory } = await bring(storage, { passphrase: secret })
    assert.equal(fs.readFileSync(path.join(directory, 'a'), 'utf8'), 'honest')
  })
})

describe('abort and failure', () => {
  test('a handler that fails after the engine was done fails the run', async () => {
    write('small', 'content')
    await using thread = new EngineThread(plainEngine)
    const source = {
      kind: 'tree',
      path: tree,
      exclude: [],
      oneFileSystem: false,
      dereference: 'none',
    } as const
    const running = thread.run(
      {
        options: {},
        job: { verb: 'backup', source, level: 0, previous: false },
        blockSize: 65536,
        blocks: 2,
      },
      {
        block: async () => {
          await sleep(300)
          throw new Error('too late')
        },
        page: async () => {},
        warning: () => {},
        count: () => {},
      },
      quietContext().signal,
    )
    await assert.rejects(running, /too late/)
  })

  test('an abort stops the run and leaves no backup', async () => {
    const storage = memoryStorage()
    write('noise', randomBytes(20_000_000))
    const controller = new AbortController()
    const slow: Storage = {
      ...storage,
      put: async (key, ...rest) => {
        if (key.includes('/data.')) controller.abort()
        return storage.put(key, ...rest)
      },
    }
    const context = quietContext(controller.signal)
    await assert.rejects(
      run(slow, { context, request: { segmentSize: 2_000_000 } }),
      (e) => isFailure(e) && e.code === 'interrupted',
    )
    const left = [...storage.blobs.keys()].filter(
      (k) => k.startsWith('manifests/') || k.startsWith('segments/'),
    )
    assert.deepEqual(left, [], 'a run that ends by itself leaves nothing behind')
  })

  test('a storage that fails in the middle fails the backup with its own failure', async () => {
    const storage = memoryStorage()
    write('noise', randomBytes(8_000_000))
    let puts = 0
    const failing: Storage = {
      ...storage,
      put: async (key, ...rest) => {
        if (key.includes('/data.') && ++puts === 3) throw Object.assign(new Error('full'), { name: 'Full' })
        return storage.put(key, ...rest)
      },
    }
    await assert.rejects(run(failing, { request: { segmentSize: 1_000_000 } }), /full/)
    const again = await run(storage)
    assert.equal(again.level, 0)
    assert.deepEqual(contents((await bring(storage)).directory), contents(tree))
  })
})

test('what waits to be put comes no more once a backup was discarded', async () => {
  const storage = memoryStorage()
  const { signal } = quietContext()
  const streams = new UploadStreams(1)
  const id = '0'.repeat(32)
  const writer = new SegmentWriter(storage, id, 'data', 1, signal, streams, () => {})
  const block = () => ({ bytes: Buffer.from('ab'), digest: Buffer.alloc(32) })
  await streams.enter()
  await writer.append(block(), 0, 2)
  const waiting = writer.append(block(), 1, 2)
  await writer.discard(signal)
  streams.leave()
  await assert.doesNotReject(waiting)
  await assert.doesNotReject(writer.end())
  assert.deepEqual([...storage.blobs.keys()], [])
})
