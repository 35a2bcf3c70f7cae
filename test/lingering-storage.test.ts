// A storage that gives all bytes of a blob at once and takes its time to say that these were all, as FTP and many a
// server do: a restore goes on while it waits for that.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { tar } from '@freezer/engine-tar'
import { backup, openRepository, restore, type Storage, treeSource, treeTarget } from '@freezer/sdk'
import { memoryStorage } from '@freezer/sdk/testing'
import { scratchDirectory } from './support/program.ts'

const scratch = scratchDirectory('lingering')
after(scratch.remove)

/** `storage` whose reads end late. */
function lingering(storage: Storage, milliseconds: number): Storage {
  return {
    put: (key, chunks, signal) => storage.put(key, chunks, signal),
    list: (prefix, signal) => storage.list(prefix, signal),
    remove: (key, signal) => storage.remove(key, signal),
    async *get(key, range, signal) {
      yield* storage.get(key, range, signal)
      await pause(milliseconds)
    },
  }
}

for (const downloadStreams of [1, 2, 5]) {
  test(`a restore with ${downloadStreams} reads at a time comes to its end`, {
    timeout: 60_000,
  }, async () => {
    const source = path.join(scratch.path, `source-${downloadStreams}`)
    fs.mkdirSync(source)
    for (let i = 0; i < 12; i++) fs.writeFileSync(path.join(source, `file-${i}`), randomBytes(5_000_000))
    const storage = lingering(memoryStorage(), 200)
    const repository = await openRepository({ storage, codecs: [] }, true)
    await backup({ repository, name: 'n', source: treeSource(source), mode: { name: 'fs' }, engine: tar })
    const target = path.join(scratch.path, `target-${downloadStreams}`)
    const result = await restore({
      repository,
      engines: [tar],
      target: treeTarget(target),
      name: 'n',
      downloadStreams,
    })
    assert.deepEqual([result.damaged, result.unrestored], [false, 0])
    for (const name of fs.readdirSync(source)) {
      const [given, back] = [source, target].map((at) => fs.readFileSync(path.join(at, name)))
      assert.ok(given?.equals(back ?? Buffer.alloc(0)), name)
    }
  })
}
