/** What `contracts/storage.ts` promises, as checks that any storage can be put through. */
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { isFailure } from '../src/contracts/failures.ts'
import { isKey, type Range, type Storage } from '../src/contracts/storage.ts'
import { type Check, expect, expectBytes, expectEqual, expectFailure, noise } from './contract.ts'

export interface StorageContractOptions {
  /** How many keys make a listing long: more than one page of the service's listing. 1050 unless said. */
  readonly many?: number
  /** Characters of the longest key that `open`'s storages take: 900, less what is put before each. */
  readonly longestKey?: number
  /** Descriptors and connections open now; without it no check looks for leaks. */
  readonly openHandles?: () => number | Promise<number>
  /**
   * Puts a blob where the storage that `open` gave last keeps its own, the way another program would: under any key that
   * `isReadableKey` permits. Without it, reading of such keys is not checked.
   */
  readonly plant?: (key: string, content: Uint8Array) => Promise<void>
}

const never = new AbortController().signal
const aborted = AbortSignal.abort()
const mebibyte = 1024 * 1024
/** Bytes that a user may ask for at least. */
const leastSegment = 64 * 1024

/**
 * The checks of the storage contract.
 * @param open gives a storage that is empty; called once for each check, which closes what it was given
 */
export function storageContract(
  open: () => Promise<Storage>,
  { many = 1050, longestKey = 900, openHandles, plant }: StorageContractOptions = {},
): readonly Check[] {
  const checks: Check[] = []

  function check(name: string, run: (storage: Storage) => Promise<void>): void {
    checks.push({
      name,
      run: async () => {
        const storage = await open()
        try {
          await run(storage)
        } finally {
          await storage.close?.()
        }
      },
    })
  }

  check('gives back what was put, of any size', async (storage) => {
    for (const size of [0, 1, 4095, 65_536, 65_537, 5 * mebibyte + 3]) {
      const content = noise(size, size + 1)
      await storage.put('a/blob', [content], never)
      expectBytes(await read(storage, 'a/blob'), content, `blob of ${size} bytes`)
    }
  })

  check('takes segments of the size that suits it', async (storage) => {
    const { segmentSize } = storage
    if (segmentSize === undefined) return
    expect(
      Number.isInteger(segmentSize) && segmentSize >= leastSegment,
      `segmentSize is ${segmentSize}, not a number of bytes of at least ${leastSegment}`,
    )
    const content = noise(segmentSize, 3)
    await storage.put('segment', [content.subarray(0, 5), content.subarray(5)], never)
    expectBytes(await read(storage, 'segment'), content, 'a segment')
  })

  check('concatenates many chunks, empty ones and views included', async (storage) => {
    const whole = noise(3 * 1500)
    const chunks = Array.from({ length: 3000 }, (_, at) =>
      at % 2 === 0 ? whole.subarray((at / 2) * 3, (at / 2) * 3 + 3) : new Uint8Array(0),
    )
    await storage.put('small', chunks, never)
    expectBytes(await read(storage, 'small'), whole, '3000 small chunks')
    const large = Array.from({ length: 20 }, (_, at) => noise(300_007, at + 1))
    await storage.put('large', large, never)
    expectBytes(await read(storage, 'large'), Buffer.concat(large), '20 large chunks')
    await storage.put('none', [], never)
    expectBytes(await read(storage, 'none'), new Uint8Array(0), 'no chunk')
  })

  check('leaves the chunks of a put as they are, and keeps none', async (storage) => {
    const chunks = [noise(100_000, 1), noise(10, 2)]
    const before = Buffer.concat(chunks)
    await storage.put('k', chunks, never)
    expect(chunks.length === 2, 'put changed the list of chunks')
    expectBytes(Buffer.concat(chunks), before, 'a chunk changed by put')
    for (const chunk of chunks) chunk.fill(0)
    expectBytes(await read(storage, 'k'), before, 'blob, after its chunks were used again')
  })

  check('replaces a blob, by a shorter one and by a longer one', async (storage) => {
    for (const size of [1000, 10, 100_000, 0, 5]) {
      await storage.put('k', [noise(size, size + 1)], never)
      expectBytes(await read(storage, 'k'), noise(size, size + 1), `replaced by ${size} bytes`)
      await expectListing(storage, '', [`k ${size}`], 'listing after replacement')
    }
  })

  check('gives ranges, and what there is of those beyond the end', async (storage) => {
    const content = noise(1_500_000)
    await storage.put('k', [content], never)
    const ranges: Range[] = [
      { offset: 0, length: 1 },
      { offset: 0, length: content.length },
      { offset: 1, length: 600_000 },
      { offset: 700_001, length: 700_001 },
      { offset: content.length - 1, length: 1 },
      { offset: content.length - 10, length: 1000 },
      { offset: 0, length: 10 * content.length },
      { offset: 5, length: 0 },
      { offset: content.length, length: 1 },
      { offset: content.length, length: 0 },
      { offset: content.length + 1000, length: 5 },
    ]
    for (const range of ranges) {
      const expected = content.subarray(range.offset, range.offset + range.length)
      expectBytes(await read(storage, 'k', range), expected, `range ${range.offset}+${range.length}`)
    }
    await storage.put('empty', [], never)
    expectBytes(await read(storage, 'empty', { offset: 0, length: 10 }), new Uint8Array(0), 'empty blob')
  })

  check('says not-found for a blob that is not there', async (storage) => {
    await storage.put('a/b', [noise(1)], never)
    for (const key of ['x', 'a/x', 'a', 'a/b/c', 'x/y/z']) {
      await expectFailure(['not-found'], () => read(storage, key), `get ${key}`)
    }
    await expectFailure(
      ['not-found'],
      () => read(storage, 'x', { offset: 0, length: 0 }),
      'get no bytes of x',
    )
  })

  check('gives chunks that the receiver owns', async (storage) => {
    const content = noise(3 * mebibyte)
    await storage.put('k', [content], never)
    const chunks: Uint8Array[] = []
    for await (const chunk of storage.get('k', undefined, never)) {
      expect(chunk.length > 0, 'get gave an empty chunk')
      chunks.push(chunk)
    }
    expectBytes(Buffer.concat(chunks), content, 'chunks kept to the end')
    for (const chunk of chunks) chunk.fill(0)
    expectBytes(await read(storage, 'k'), content, 'blob, after the chunks of a get were overwritten')
  })

  check('removes, and a blob that is not there is already removed', async (storage) => {
    for (const key of ['a/b/one', 'a/b/two', 'top']) await storage.put(key, [noise(3)], never)
    for (const key of ['a/b/one', 'a/b/one', 'no/such/key', 'none', 'top/of'])
      await storage.remove(key, never)
    await expectListing(storage, '', ['a/b/two 3', 'top 3'], 'listing after removal')
    await expectFailure(['not-found'], () => read(storage, 'a/b/one'), 'get of a removed blob')
    await storage.remove('a/b/two', never)
    await storage.put('a/b/two', [noise(4)], never)
    await expectListing(storage, 'a', ['a/b/two 4'], 'listing after removal of the last and a new put')
  })

  check('lists by any prefix', async (storage) => {
    const keys = [
      'a/b1',
      'a/bc/d',
      'a/bc/e/f',
      'a.b/x',
      'axb/x',
      'ab',
      'b',
      'B',
      'p%41',
      'pA',
      'a%2Fb1',
      'q-_.r',
    ]
    await expectListing(storage, '', [], 'listing of an empty storage')
    for (const [size, key] of keys.entries()) await storage.put(key, [noise(size)], never)
    for (const key of keys) {
      for (let length = 0; length <= key.length; length++) {
        const prefix = key.slice(0, length)
        const expected = keys.flatMap((other, size) => (other.startsWith(prefix) ? [`${other} ${size}`] : []))
        await expectListing(storage, prefix, expected.sort(), `listing of "${prefix}"`)
      }
    }
    for (const prefix of ['z', 'a/bc/dx', 'a/b1/', 'a/bc/d/', 'no/such/']) {
      await expectListing(storage, prefix, [], `listing of "${prefix}"`)
    }
  })

  check('lists the sizes of blobs', async (storage) => {
    await storage.put('s/large', [noise(2 * mebibyte), noise(1)], never)
    await storage.put('s/empty', [], never)
    await expectListing(storage, 's/', ['s/empty 0', `s/large ${2 * mebibyte + 1}`], 'listing')
  })

  check('lists each of many blobs once', async (storage) => {
    const keys = Array.from({ length: many }, (_, at) => `many/${at % 7}/k${at}`)
    for (let at = 0; at < many; at += 16) {
      await Promise.all(keys.slice(at, at + 16).map((key) => storage.put(key, [noise(1)], never)))
    }
    const expected = keys.map((key) => `${key} 1`).sort()
    await expectListing(storage, 'many/', expected, 'listing')
    const three = expected.filter((line) => line.startsWith('many/3/k1'))
    await expectListing(storage, 'many/3/k1', three, 'listing of some')
  })

  check('takes every key that the contract permits', async (storage) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%'
    const part = 'x'.repeat(99)
    const long = Array.from({ length: 9 }, () => part)
      .join('/')
      .slice(0, longestKey - 1)
    const keys = [
      alphabet,
      `${long}a`,
      `${long}b`,
      'y'.repeat(longestKey),
      `${'y'.repeat(longestKey - 1)}z`,
      `${'z'.repeat(200)}.${'z'.repeat(300)}/%`,
      '-/--/-',
      '_',
      '%',
      '%2E%2E/%2e',
      'a..',
      'a./b...c/d-',
      'case',
      'CASE',
      'f/g/h/i/j/k/l/m/n/o/p',
    ]
    for (const [at, key] of keys.entries()) await storage.put(key, [noise(20, at + 1)], never)
    const expected = keys.map((key) => `${key} 20`).sort()
    await expectListing(storage, '', expected, 'listing')
    for (const [at, key] of keys.entries()) {
      expectBytes(await read(storage, key), noise(20, at + 1), `blob ${key}`)
      expectEqual((await listing(storage, key)).includes(`${key} 20`), true, `listing of ${key} names it`)
    }
    for (const key of keys) await storage.remove(key, never)
    await expectListing(storage, '', [], 'listing after all were removed')
  })

  if (plant !== undefined) {
    check('lists and reads what another program put, and never puts or removes the like', async (storage) => {
      const keys = [
        'data/h_a b/0',
        'data/h_a@b:c/d+e',
        'data/h_ünï 日本/x',
        "data/h_(q)'s & co/[1]=#?*",
        'data/h_100%/y',
        `data/h_${'n'.repeat(220)} long/z`,
      ]
      for (const [at, key] of keys.entries()) await plant(key, noise(1000, at + 1))
      await storage.put('data/own', [noise(5)], never)
      const expected = keys.map((key) => `${key} 1000`)
      expectEqual(await listing(storage, 'data/h_'), expected.sort(), 'listing of foreign keys')
      expectEqual(await listing(storage, 'data/h_a '), ['data/h_a b/0 1000'], 'listing by a foreign prefix')
      for (const [at, key] of keys.entries()) {
        expectBytes(await read(storage, key), noise(1000, at + 1), `blob ${key}`)
        const part = await read(storage, key, { offset: 10, length: 20 })
        expectBytes(part, noise(1000, at + 1).subarray(10, 30), `part of ${key}`)
      }
      await expectFailure(['not-found'], () => read(storage, 'data/h_a b/1'), 'get of a foreign key')
      for (const key of keys.filter((one) => !isKey(one))) {
        await expectFailure(['internal'], () => storage.put(key, [noise(1)], never), `put ${key}`)
        await expectFailure(['internal'], () => storage.remove(key, never), `remove ${key}`)
      }
    })
  }

  check('lists none of its own keys', async (storage) => {
    for (let at = 0; at < 5; at++) await storage.put(`d${at}/k`, [noise(10)], never)
    const puts = Promise.all(
      Array.from({ length: 8 }, (_, at) => storage.put('big', [noise(mebibyte, at + 1)], never)),
    )
    const seen = new Set<string>()
    for (let at = 0; at < 20; at++) {
      for await (const { key } of storage.list('', never)) seen.add(key)
      await turn()
    }
    await puts
    const keys = [`big ${mebibyte}`, ...Array.from({ length: 5 }, (_, at) => `d${at}/k 10`)]
    await expectListing(storage, '', keys, 'listing after the puts')
    const own = [...seen].filter((key) => !/^(?:big|d[0-4]\/k)$/.test(key))
    expectEqual(own, [], 'keys listed during puts that nobody put')
  })

  check('does nothing when aborted beforehand', async (storage) => {
    await storage.put('k', [noise(10)], never)
    await expectFailure(['interrupted'], () => storage.put('new', [noise(10)], aborted), 'aborted put')
    await expectFailure(['interrupted'], () => storage.put('k', [noise(9)], aborted), 'aborted replacing put')
    await expectFailure(['interrupted'], () => read(storage, 'k', undefined, aborted), 'aborted get')
    await expectFailure(['interrupted'], () => listing(storage, '', aborted), 'aborted list')
    await expectFailure(['interrupted'], () => storage.remove('k', aborted), 'aborted remove')
    await expectFailure(
      ['interrupted'],
      () => read(storage, 'k', undefined, AbortSignal.abort(new Error('of my own'))),
      'get aborted with a reason',
    )
    await expectListing(storage, '', ['k 10'], 'listing after aborted calls')
    expectBytes(await read(storage, 'k'), noise(10), 'blob after aborted calls')
  })

  check('stops a get or list that is aborted on its way', async (storage) => {
    const content = noise(8 * mebibyte)
    await storage.put('k', [content], never)
    const keys = Array.from({ length: 20 }, (_, at) => `l/${at}`)
    for (const key of keys) await storage.put(key, [noise(1)], never)
    await expectListing(storage, 'l/', keys.map((key) => `${key} 1`).sort(), 'listing')
    let received = 0
    const getting = new AbortController()
    await expectFailure(
      ['interrupted'],
      async () => {
        for await (const chunk of storage.get('k', undefined, getting.signal)) {
          received += chunk.length
          expect(received < content.length, 'get went on to the end, or gave 8 MiB as one chunk')
          getting.abort()
        }
      },
      'get aborted after its first chunk',
    )
    const listed = new AbortController()
    await expectFailure(
      ['interrupted'],
      async () => {
        for await (const _ of storage.list('l/', listed.signal)) listed.abort()
      },
      'list aborted after its first key',
    )
  })

  check('leaves a whole blob or none when a put is aborted on its way', async (storage) => {
    const old = noise(1000)
    const chunks = Array.from({ length: 16 }, (_, at) => noise(256 * 1024, at + 1))
    const whole = Buffer.concat(chunks)
    for (const turns of [0, 1, 2, 3, 5, 8, 13, 21, 34, 55]) {
      await storage.put('old', [old], never)
      for (const key of ['old', `new${turns}`]) {
        const controller = new AbortController()
        const outcome = storage.put(key, chunks, controller.signal).then(
          () => undefined,
          (error: unknown) => error,
        )
        for (let at = 0; at < turns; at++) await turn()
        controller.abort()
        const error = await outcome
        if (error !== undefined) {
          await expectFailure(['interrupted'], () => Promise.reject(error), 'put aborted on its way')
        }
        await whollyThere(
          storage,
          key,
          error === undefined ? [whole] : key === 'old' ? [old, whole] : [whole, undefined],
        )
      }
    }
  })

  check('leaves the old blob or none when a put fails', async (storage) => {
    // A chunk that is no chunk is the one failure that can be had from any storage.
    const broken = [noise(300_000), 'no bytes' as unknown as Uint8Array, noise(300_000)]
    await storage.put('old', [noise(1000)], never)
    for (const key of ['old', 'new']) {
      const failed = await storage.put(key, broken, never).then(
        () => false,
        () => true,
      )
      if (failed) await whollyThere(storage, key, key === 'old' ? [noise(1000), undefined] : [undefined])
    }
  })

  check('keeps one whole blob of parallel puts', async (storage) => {
    const contents = Array.from({ length: 8 }, (_, at) => noise(200_000 + at * 50_000, at + 1))
    for (let round = 0; round < 3; round++) {
      await Promise.all(contents.map((content) => storage.put('p/k', [content, content], never)))
      await whollyThere(
        storage,
        'p/k',
        contents.map((content) => Buffer.concat([content, content])),
      )
      expectEqual((await listing(storage, 'p')).length, 1, 'blobs listed after parallel puts')
    }
  })

  check('shows whole blobs alone while others put, list and remove', async (storage) => {
    const contents = Array.from({ length: 4 }, (_, at) => noise(700_000 + at, at + 1))
    await storage.put('c/k', [contents[0]!], never)
    await storage.put('c/kept', [contents[0]!], never)
    const writer = async (): Promise<void> => {
      for (let round = 0; round < 12; round++) await storage.put('c/k', [contents[round % 4]!], never)
    }
    const remover = async (): Promise<void> => {
      for (let round = 0; round < 12; round++) {
        await storage.put('c/gone/x', [noise(10)], never)
        await storage.remove('c/gone/x', never)
      }
    }
    const parallel = async (): Promise<void> => {
      for (let round = 0; round < 12; round++) await storage.put('c/gone/y', [noise(10)], never)
    }
    const reader = async (): Promise<void> => {
      for (let round = 0; round < 12; round++) await whollyThere(storage, 'c/k', contents)
    }
    const lister = async (): Promise<void> => {
      for (let round = 0; round < 12; round++) {
        const lines = await listing(storage, 'c/')
        expect(
          new Set(lines.map((line) => line.split(' ')[0])).size === lines.length,
          'a key was listed twice',
        )
        expect(lines.includes('c/kept 700000'), 'a listing misses a blob that was there all the time')
        expect(
          lines.every((line) => /^c\/(?:k 70000[0-3]|kept 700000|gone\/[xy] 10)$/.test(line)),
          `a listing shows what was never put: ${lines}`,
        )
      }
    }
    await Promise.all([writer(), remover(), parallel(), reader(), reader(), lister()])
    await expectListing(storage, 'c/gone/', ['c/gone/y 10'], 'blobs left')
  })

  check('releases what it holds when an iteration is left early', async (storage) => {
    await storage.put('k', [noise(4 * mebibyte)], never)
    for (let at = 0; at < 12; at++) await storage.put(`l${at % 3}/${at}`, [noise(1)], never)
    const before = await openHandles?.()
    for (let at = 0; at < 50; at++) {
      for await (const _ of storage.get('k', undefined, never)) break
      for await (const _ of storage.get('k', { offset: at, length: 3 * mebibyte }, never)) break
      for await (const _ of storage.list('', never)) break
      // A generator that is never begun holds nothing.
      storage.get('k', undefined, never)
    }
    const after = await openHandles?.()
    expect(
      (after ?? 0) - (before ?? 0) < 25,
      `150 iterations left early left ${after} handles open, ${before} before`,
    )
    const left = Array.from({ length: 12 }, (_, at) => `l${at % 3}/${at} 1`)
    await expectListing(storage, '', [`k ${4 * mebibyte}`, ...left].sort(), 'listing afterwards')
  })

  return checks
}

async function read(storage: Storage, key: string, range?: Range, signal = never): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of storage.get(key, range, signal)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** `key size` of each blob, sorted. */
async function listing(storage: Storage, prefix: string, signal = never): Promise<string[]> {
  const lines: string[] = []
  for await (const { key, size } of storage.list(prefix, signal)) lines.push(`${key} ${size}`)
  return lines.sort()
}

/** @throws Error unless a listing is `expected`, as soon as the storage promises that it is */
async function expectListing(
  storage: Storage,
  prefix: string,
  expected: readonly string[],
  what: string,
): Promise<void> {
  const end = performance.now() + (storage.settle ?? 0)
  for (;;) {
    const late = performance.now() >= end
    const found = await listing(storage, prefix)
    if (late || isDeepStrictEqual(found, expected)) return expectEqual(found, expected, what)
    await wait(Math.min(1000, Math.max(0, end - performance.now())))
  }
}

/** @throws Error unless `key` holds one of `contents`; undefined among them means that it may also be missing */
async function whollyThere(
  storage: Storage,
  key: string,
  contents: readonly (Uint8Array | undefined)[],
): Promise<void> {
  let found: Uint8Array | undefined
  try {
    found = await read(storage, key)
  } catch (error) {
    if (!isFailure(error) || error.code !== 'not-found') throw error
  }
  const fits = contents.some((content) =>
    content === undefined || found === undefined ? content === found : Buffer.compare(content, found) === 0,
  )
  expect(fits, `${key} holds ${found?.length ?? 'no'} bytes that nobody put as a whole`)
}
