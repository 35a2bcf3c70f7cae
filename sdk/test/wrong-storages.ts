/** Storages that each break the contract in one way, and the check that must notice. */
import { setImmediate as turn } from 'node:timers/promises'
import { Failure } from '../src/contracts/failures.ts'
import type { Storage, StoredBlob } from '../src/contracts/storage.ts'
import { type MemoryStorage, memoryStorage } from '../testing/memory-storage.ts'

export interface WrongStorage {
  readonly wrong: string
  readonly caughtBy: string
  readonly open: () => Storage
  readonly openHandles?: () => number
}

function wrong(
  what: string,
  caughtBy: string,
  change: (right: MemoryStorage) => Partial<Storage>,
): WrongStorage {
  return {
    wrong: what,
    caughtBy,
    open: () => {
      const right = memoryStorage()
      return { put: right.put, get: right.get, list: right.list, remove: right.remove, ...change(right) }
    },
  }
}

/** A storage whose keys are changed on their way in, and back on their way out where `back` is given. */
function renaming(
  right: MemoryStorage,
  there: (key: string) => string,
  back = (key: string) => key,
): Storage {
  return {
    put: (key, chunks, signal) => right.put(there(key), chunks, signal),
    get: (key, range, signal) => right.get(there(key), range, signal),
    async *list(prefix, signal) {
      for await (const { key, size } of right.list(there(prefix), signal)) yield { key: back(key), size }
    },
    remove: (key, signal) => right.remove(there(key), signal),
  }
}

async function* filtered(
  blobs: AsyncIterable<StoredBlob>,
  keep: (blob: StoredBlob, at: number) => boolean,
): AsyncGenerator<StoredBlob> {
  let at = 0
  for await (const blob of blobs) if (keep(blob, at++)) yield blob
}

let leaked = 0

export const wrongStorages: readonly WrongStorage[] = [
  wrong('loses the last byte of a large blob', 'gives back what was put, of any size', (right) => ({
    async put(key, chunks, signal) {
      await right.put(key, chunks, signal)
      const blob = right.blobs.get(key)!
      if (blob.length > 1_000_000) right.blobs.set(key, blob.subarray(0, -1))
    },
  })),
  wrong('stores nothing for an empty blob', 'gives back what was put, of any size', (right) => ({
    async put(key, chunks, signal) {
      if (chunks.some((chunk) => chunk.length > 0)) await right.put(key, chunks, signal)
    },
  })),
  wrong('likes segments of no size', 'takes segments of the size that suits it', () => ({ segmentSize: 0 })),
  wrong('likes larger segments than it takes', 'takes segments of the size that suits it', (right) => ({
    segmentSize: 16 * 2 ** 20,
    async put(key, chunks, signal) {
      await right.put(key, chunks, signal)
      const blob = right.blobs.get(key)!
      right.blobs.set(key, blob.subarray(0, 10_000_000))
    },
  })),
  wrong('writes 1024 chunks at most', 'concatenates many chunks, empty ones and views included', (right) => ({
    put: (key, chunks, signal) => right.put(key, chunks.slice(0, 1024), signal),
  })),
  wrong(
    'writes whole buffers where chunks are views',
    'concatenates many chunks, empty ones and views included',
    (right) => ({
      put: (key, chunks, signal) =>
        right.put(
          key,
          chunks.map((chunk) => new Uint8Array(chunk.buffer)),
          signal,
        ),
    }),
  ),
  wrong(
    'keeps the chunks it was given',
    'leaves the chunks of a put as they are, and keeps none',
    (right) => ({
      async put(key, chunks, signal) {
        await right.put(key, chunks, signal)
        if (chunks.length === 2 && chunks[0]!.length === 100_000) right.blobs.set(key, chunks[0]!)
      },
    }),
  ),
  wrong(
    'changes the chunks it was given',
    'leaves the chunks of a put as they are, and keeps none',
    (right) => ({
      async put(key, chunks, signal) {
        await right.put(key, chunks, signal)
        chunks[0]?.fill(0)
      },
    }),
  ),
  wrong('appends instead of replacing', 'replaces a blob, by a shorter one and by a longer one', (right) => ({
    put: (key, chunks, signal) =>
      right.put(key, [right.blobs.get(key) ?? new Uint8Array(0), ...chunks], signal),
  })),
  wrong(
    'overwrites in place without cutting',
    'replaces a blob, by a shorter one and by a longer one',
    (right) => ({
      put: (key, chunks, signal) => {
        const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
        return right.put(
          key,
          [...chunks, (right.blobs.get(key) ?? new Uint8Array(0)).subarray(length)],
          signal,
        )
      },
    }),
  ),
  wrong(
    'takes the length of a range for its end',
    'gives ranges, and what there is of those beyond the end',
    (right) => ({
      get: (key, range, signal) =>
        right.get(
          key,
          range && { offset: range.offset, length: Math.max(0, range.length - range.offset) },
          signal,
        ),
    }),
  ),
  wrong(
    'gives all for a range of no bytes',
    'gives ranges, and what there is of those beyond the end',
    (right) => ({
      get: (key, range, signal) => right.get(key, range?.length === 0 ? undefined : range, signal),
    }),
  ),
  wrong(
    'fails for a range beyond the end',
    'gives ranges, and what there is of those beyond the end',
    (right) => ({
      async *get(key, range, signal) {
        if (range !== undefined && range.offset >= (right.blobs.get(key)?.length ?? 0)) {
          throw new Failure('unavailable', '416 Range Not Satisfiable')
        }
        yield* right.get(key, range, signal)
      },
    }),
  ),
  wrong(
    'gives nothing for a blob that is missing',
    'says not-found for a blob that is not there',
    (right) => ({
      async *get(key, range, signal) {
        if (right.blobs.has(key)) yield* right.get(key, range, signal)
      },
    }),
  ),
  wrong(
    'throws a plain error for a blob that is missing',
    'says not-found for a blob that is not there',
    (right) => ({
      async *get(key, range, signal) {
        if (!right.blobs.has(key)) throw new Error('404')
        yield* right.get(key, range, signal)
      },
    }),
  ),
  wrong('reads every chunk into the same buffer', 'gives chunks that the receiver owns', (right) => ({
    async *get(key, range, signal) {
      const buffer = new Uint8Array(1024 * 1024)
      for await (const chunk of right.get(key, range, signal)) {
        buffer.set(chunk)
        yield buffer.subarray(0, chunk.length)
      }
    },
  })),
  wrong('gives its own bytes away', 'gives chunks that the receiver owns', (right) => ({
    async *get(key, range, signal) {
      if (range !== undefined || !right.blobs.has(key)) yield* right.get(key, range, signal)
      else if (right.blobs.get(key)!.length > 0) yield right.blobs.get(key)!
    },
  })),
  wrong(
    'fails to remove what is not there',
    'removes, and a blob that is not there is already removed',
    (right) => ({
      async remove(key, signal) {
        if (!right.blobs.has(key)) throw new Failure('not-found', '404')
        await right.remove(key, signal)
      },
    }),
  ),
  wrong(
    'removes all that begins with the key',
    'removes, and a blob that is not there is already removed',
    (right) => ({
      async remove(key) {
        const directory = key.slice(0, key.lastIndexOf('/'))
        for (const other of right.blobs.keys()) if (other.startsWith(directory)) right.blobs.delete(other)
      },
    }),
  ),
  wrong('lists by whole parts of a key alone', 'lists by any prefix', (right) => ({
    list: (prefix, signal) =>
      filtered(
        right.list(prefix, signal),
        ({ key }) => prefix === '' || prefix.endsWith('/') || key === prefix || key.startsWith(`${prefix}/`),
      ),
  })),
  wrong('takes a prefix for a pattern', 'lists by any prefix', (right) => ({
    list: (prefix, signal) =>
      filtered(right.list('', signal), ({ key }) => new RegExp(`^${prefix}`).test(key)),
  })),
  wrong('fails to list where nothing is', 'lists by any prefix', (right) => ({
    async *list(prefix, signal) {
      if (![...right.blobs.keys()].some((key) => key.startsWith(prefix)))
        throw new Failure('not-found', '404')
      yield* right.list(prefix, signal)
    },
  })),
  wrong('does not look into deeper directories', 'lists by any prefix', (right) => ({
    list: (prefix, signal) =>
      filtered(right.list(prefix, signal), ({ key }) => !key.slice(prefix.length).includes('/')),
  })),
  wrong('lists sizes in blocks', 'lists the sizes of blobs', (right) => ({
    async *list(prefix, signal) {
      for await (const { key, size } of right.list(prefix, signal)) {
        yield { key, size: size > 1_000_000 ? Math.ceil(size / 512) * 512 : size }
      }
    },
  })),
  wrong('lists one page alone', 'lists each of many blobs once', (right) => ({
    list: (prefix, signal) => filtered(right.list(prefix, signal), (_, at) => at < 1000),
  })),
  wrong('lists the first of each page twice', 'lists each of many blobs once', (right) => ({
    async *list(prefix, signal) {
      let at = 0
      for await (const blob of right.list(prefix, signal)) {
        if (at++ === 1000) yield blob
        yield blob
      }
    },
  })),
  wrong('decodes keys as URLs do', 'takes every key that the contract permits', (right) =>
    renaming(right, (key) => key.replaceAll(/%2e/gi, '_')),
  ),
  wrong('cuts long names', 'takes every key that the contract permits', (right) =>
    renaming(right, (key) => key.slice(0, 899)),
  ),
  wrong('does not tell A from a', 'takes every key that the contract permits', (right) =>
    renaming(right, (key) => (key === 'CASE' ? 'case' : key)),
  ),
  wrong('lists its temporary files', 'lists none of its own keys', (right) => ({
    async put(key, chunks, signal) {
      right.blobs.set('.tmp/1', new Uint8Array(1))
      await turn()
      await right.put(key, chunks, signal)
      right.blobs.delete('.tmp/1')
    },
  })),
  wrong('puts although it was aborted before', 'does nothing when aborted beforehand', (right) => ({
    put: (key, chunks) => right.put(key, chunks, new AbortController().signal),
  })),
  wrong('throws whatever reason the signal has', 'does nothing when aborted beforehand', (right) => ({
    async *get(key, range, signal) {
      signal.throwIfAborted()
      yield* right.get(key, range, signal)
    },
  })),
  wrong(
    'looks at the signal of a get only once',
    'stops a get or list that is aborted on its way',
    (right) => ({
      async *get(key, range, signal) {
        if (signal.aborted) throw new Failure('interrupted', 'Interrupted.')
        yield* right.get(key, range, new AbortController().signal)
      },
    }),
  ),
  wrong(
    'ends a list that is aborted as if that were all',
    'stops a get or list that is aborted on its way',
    (right) => ({
      async *list(prefix, signal) {
        if (signal.aborted) throw new Failure('interrupted', 'Interrupted.')
        for await (const blob of right.list(prefix, new AbortController().signal)) {
          if (signal.aborted) return
          yield blob
        }
      },
    }),
  ),
  wrong(
    'leaves half a blob when aborted',
    'leaves a whole blob or none when a put is aborted on its way',
    (right) => ({
      async put(key, chunks, signal) {
        await right.put(key, chunks.slice(0, 1), signal)
        for (let count = 2; count <= chunks.length; count++) {
          await turn()
          await right.put(key, chunks.slice(0, count), signal)
        }
      },
    }),
  ),
  wrong('leaves half a blob when it fails', 'leaves the old blob or none when a put fails', (right) => ({
    async put(key, chunks, signal) {
      const good = chunks.findIndex((chunk) => !(chunk instanceof Uint8Array))
      await right.put(key, good === -1 ? chunks : chunks.slice(0, good), signal)
      if (good !== -1) throw new TypeError('no chunk')
    },
  })),
  wrong('mixes parallel puts of a key', 'keeps one whole blob of parallel puts', (right) => ({
    async put(key, chunks, signal) {
      if (chunks.length !== 2 || chunks[0] !== chunks[1]) return right.put(key, chunks, signal)
      await right.put(key, chunks.slice(0, 1), signal)
      await turn()
      await right.put(key, [right.blobs.get(key)!, chunks[1]!], signal)
    },
  })),
  wrong(
    'removes the old blob before it puts the new',
    'shows whole blobs alone while others put, list and remove',
    (right) => ({
      async put(key, chunks, signal) {
        if (key === 'c/k') right.blobs.set(key, new Uint8Array(0))
        await turn()
        await right.put(key, chunks, signal)
      },
    }),
  ),
  wrong(
    'removes a directory with what came into it',
    'shows whole blobs alone while others put, list and remove',
    (right) => ({
      async remove(key, signal) {
        await right.remove(key, signal)
        await turn()
        const directory = key.slice(0, key.lastIndexOf('/') + 1)
        for (const other of right.blobs.keys()) {
          if (directory === 'c/gone/' && other.startsWith(directory)) right.blobs.delete(other)
        }
      },
    }),
  ),
  {
    ...wrong(
      'holds a file open when a get is left early',
      'releases what it holds when an iteration is left early',
      (right) => ({
        async *get(key, range, signal) {
          leaked++
          yield* right.get(key, range, signal)
          leaked--
        },
      }),
    ),
    openHandles: () => leaked,
  },
]
