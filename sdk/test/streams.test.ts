// How many calls of a storage are under way at a time.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { backup, openRepository, quietContext, restore, type Storage } from '@freezer/sdk'
import { memoryStorage, noise } from '@freezer/sdk/testing'
import { engine as plainEngine } from '../../core/templates/engine/src/index.ts'

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-streams-'))
after(() => fs.rmSync(scratch, { recursive: true }))
const source = path.join(scratch, 'source')
fs.mkdirSync(source)
for (let at = 0; at < 6; at++) fs.writeFileSync(path.join(source, `file${at}`), noise(1_500_000, at + 1))
const signal = new AbortController().signal

/** A storage whose calls for segments take a while, and how many of them were under way at most. */
function slow() {
  const memory = memoryStorage()
  const most = { put: 0, get: 0 }
  const now = { put: 0, get: 0 }
  async function during<T>(method: 'put' | 'get', key: string, work: () => Promise<T>): Promise<T> {
    if (!key.startsWith('segments/')) return work()
    most[method] = Math.max(most[method], ++now[method])
    try {
      await pause(30)
      return await work()
    } finally {
      now[method]--
    }
  }
  const storage: Storage = {
    ...memory,
    put: (key, chunks, stop) => during('put', key, () => memory.put(key, chunks, stop)),
    async *get(key, range, stop) {
      yield* await during('get', key, () => Array.fromAsync(memory.get(key, range, stop)))
    },
  }
  return { storage, most }
}

for (const streams of [undefined, 1, 4]) {
  test(`${streams ?? 'the usual'} at a time, and everything comes back`, async () => {
    const { storage, most } = slow()
    const repository = await openRepository({ storage, codecs: [], signal }, true)
    await backup(
      {
        repository,
        source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
        engine: plainEngine,
        host: 'h',
        name: 'n',
        mode: { name: 'fs', facts: {} },
        levels: { incremental: true },
        segmentSize: 300_000,
        uploadStreams: streams,
      },
      quietContext(),
    )
    assert.equal(most.put, streams ?? 2)
    most.get = 0
    const target = path.join(scratch, `target-${streams}`)
    const { damaged } = await restore(
      {
        repository,
        engines: [plainEngine],
        target: () => ({ kind: 'tree', path: target, overwrite: false, remove: false }),
        downloadStreams: streams,
      },
      quietContext(),
    )
    assert.equal(damaged, false)
    assert.ok(most.get <= (streams ?? 2) && (streams === 1 || most.get >= 2), `${most.get} gets at a time`)
    for (const name of fs.readdirSync(source)) {
      assert.ok(fs.readFileSync(path.join(source, name)).equals(fs.readFileSync(path.join(target, name))))
    }
  })
}

test('of a backup whose put fails no more is put, and the failure is the one of the storage', async () => {
  const memory = memoryStorage()
  let puts = 0
  const storage: Storage = {
    ...memory,
    async put(key, chunks, stop) {
      if (key.startsWith('segments/') && ++puts >= 3) throw new Error('a broken disk')
      await memory.put(key, chunks, stop)
    },
  }
  const repository = await openRepository({ storage, codecs: [], signal }, true)
  const running = backup(
    {
      repository,
      source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
      engine: plainEngine,
      host: 'h',
      name: 'n',
      mode: { name: 'fs', facts: {} },
      levels: { incremental: true },
      segmentSize: 300_000,
    },
    quietContext(),
  )
  await assert.rejects(running, /a broken disk/)
  assert.ok(puts < 8, `${puts} puts`)
  assert.deepEqual(
    [...memory.blobs.keys()].filter((key) => key.startsWith('segments/')),
    [],
  )
})
