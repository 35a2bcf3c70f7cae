/** What `contracts/engine.ts` promises of engines that take streams, as checks that any of them can be put through. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { quietContext } from '../src/contracts/context.ts'
import { type Engine, expectTakes, type StreamSource, treeTarget } from '../src/contracts/engine.ts'
import { bytePath } from '../src/contracts/entry.ts'
import { isFailure } from '../src/contracts/failures.ts'
import { backup } from '../src/pipeline/backup.ts'
import { extract } from '../src/pipeline/extract.ts'
import { restore } from '../src/pipeline/restore.ts'
import { listBackups } from '../src/repository/listing.ts'
import { openRepository } from '../src/repository/repository.ts'
import { type Check, expect, expectBytes, expectEqual, noise } from './contract.ts'
import { memoryStorage } from './memory-storage.ts'

export interface StreamEngineContractOptions {
  readonly engine: Engine
  /** Options of the engine; its defaults without it. */
  readonly options?: Readonly<Record<string, unknown>>
}

const mebibyte = 2 ** 20
const host = 'host'
const everything = { paths: [], include: [], exclude: [] }

/** A source whose chunks all lie in the same memory. */
function streamOf(bytes: Uint8Array, name: string, chunk = 70_001): StreamSource {
  return {
    kind: 'stream',
    name,
    async *open() {
      const memory = new Uint8Array(chunk)
      for (let at = 0; at < bytes.length; at += chunk) {
        const part = bytes.subarray(at, at + chunk)
        memory.set(part)
        yield memory.subarray(0, part.length)
        memory.fill(0)
      }
    },
  }
}

/** The checks of an engine that takes streams. They make and remove directories under the system's temporary directory. */
export function streamEngineContract({
  engine,
  options = {},
}: StreamEngineContractOptions): readonly Check[] {
  const engines = [engine]

  /** A container in memory with what the engine makes of streams. */
  async function container() {
    const { signal } = new AbortController()
    const storage = memoryStorage()
    const repository = await openRepository({ storage, codecs: [], signal }, true)
    const store = (source: StreamSource, name = 'name') => {
      const request = {
        repository,
        engine,
        engineOptions: options,
        source,
        host,
        name,
        mode: { name: 'any' },
      }
      return backup({ ...request, workers: 1 }, quietContext())
    }
    const entries = (content = true) =>
      extract({ repository, engines, backup: 'latest', select: everything, content }, quietContext())
    return { storage, repository, store, entries }
  }

  return [
    {
      name: 'says that it takes streams',
      run: async () => expectTakes(engine, 'stream'),
    },
    {
      name: 'brings a stream of any size and name back',
      run: async () => {
        const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'freezer-stream-engine-'))
        try {
          const names = ['dump', ' ', 'größe', '-', 'a\nb', 'x'.repeat(255)]
          for (const [at, size] of [0, 1, mebibyte - 1, mebibyte, mebibyte + 1, 2_500_000].entries()) {
            const name = names[at] ?? ''
            const bytes = noise(size, at + 1)
            const { store, repository } = await container()
            await store(streamOf(bytes, name))
            const target = path.join(scratch, String(at))
            const request = { repository, engines, host, name: 'name', target: treeTarget(target) }
            const { damaged, unrestored } = await restore(request, quietContext())
            expect(!damaged && unrestored === 0, `a stream of ${size} bytes was not restored`)
            expectEqual(fs.readdirSync(target), [name], 'names')
            expectBytes(fs.readFileSync(path.join(target, name)), bytes, `stream of ${size} bytes`)
          }
        } finally {
          fs.rmSync(scratch, { recursive: true })
        }
      },
    },
    {
      name: 'tells the size of the whole stream',
      run: async () => {
        const { store } = await container()
        const { entries, bytes } = await store(streamOf(noise(300_000), 'dump'))
        expectEqual({ entries, bytes }, { entries: 1, bytes: 300_000 }, 'what was backed up')
      },
    },
    {
      name: 'keeps every backup of a name as it was',
      run: async () => {
        const { store, repository } = await container()
        const versions = [1, 2, 3].map((seed) => noise(200_000 + seed, seed))
        for (const bytes of versions) await store(streamOf(bytes, 'dump'))
        const listed = await Array.fromAsync(listBackups(repository, {}, quietContext().signal))
        for (const [at, one] of listed.entries()) {
          const request = {
            repository,
            engines,
            backup: { id: 'id' in one ? one.id : '' },
            select: everything,
          }
          for await (const { content } of extract(request, quietContext())) {
            const found = Buffer.concat(await Array.fromAsync(content()))
            expectBytes(found, versions[at] ?? noise(0), `backup ${at}`)
          }
        }
      },
    },
    {
      name: 'hands out one entry, with the content that is asked for',
      run: async () => {
        const { store, entries } = await container()
        const bytes = noise(1_700_000)
        await store(streamOf(bytes, 'größe'))
        let found = 0
        for await (const { entry, content } of entries()) {
          found++
          const { type, directory, name, size } = entry
          const expected = { type: 'file', directory: '', name: bytePath('größe'), size: bytes.length }
          expectEqual({ type, directory, name, size } as typeof expected, expected, 'entry')
          expectBytes(Buffer.concat(await Array.fromAsync(content())), bytes, 'content')
        }
        expectEqual(found, 1, 'entries')
        for await (const { entry } of entries(false)) expectEqual(entry.size, bytes.length, 'size')
      },
    },
    {
      name: 'ends the content with a failure where stored data is damaged',
      run: async () => {
        const { store, storage, entries } = await container()
        await store(streamOf(noise(3 * mebibyte), 'dump'))
        const [, blob] = [...storage.blobs].find(([key]) => key.includes('/data.')) ?? []
        const middle = (blob?.length ?? 0) >> 1
        if (blob !== undefined) blob[middle] = (blob[middle] ?? 0) ^ 1
        let thrown: unknown
        let seen = 0
        for await (const { content } of entries()) {
          seen++
          thrown = await Array.fromAsync(content()).then(
            () => undefined,
            (error: unknown) => error,
          )
        }
        expectEqual(seen, 1, 'entries')
        expect(isFailure(thrown) && thrown.code === 'damaged', 'damaged content ended as if it were whole')
      },
    },
  ]
}
