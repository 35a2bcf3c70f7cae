// What a storage must do when its server dies, or falls silent, in the middle of things: tests for each kind of server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure, type Storage } from '@freezer/sdk'

/** A server that can be taken away. */
export interface LosableServer {
  /** Kills it. */
  stop(): Promise<void>
  /** After `stop`, on the same ports. */
  start(): Promise<void>
  freeze(): void
  thaw(): void
}

const { signal } = new AbortController()
const large = Array.from({ length: 64 }, (_, at) => Buffer.alloc(1 << 20, at + 1))

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => (isFailure(error) ? error.code : String(error)),
  )
}

async function bytesOf(storage: Storage, key: string): Promise<number> {
  let bytes = 0
  for await (const chunk of storage.get(key, undefined, signal)) bytes += chunk.length
  return bytes
}

const later = (milliseconds: number, act: () => unknown) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  setTimeout(() => void Promise.resolve(act()).then(() => resolve()), milliseconds)
  return promise
}

/**
 * Declares the tests.
 * @param open the storage of an own container; `timeout` is how long its server may be silent
 */
export function lostServerTests(
  server: LosableServer,
  open: (container: string, timeout?: string) => Promise<Storage>,
): void {
  test('killed in the middle of puts: unavailable, no part of a blob, and all is well when it is back', async () => {
    const storage = await open('puts')
    await storage.put('old', [Buffer.from('old')], signal)
    for (const milliseconds of [1, 20, 60, 120]) {
      const killed = later(milliseconds, () => server.stop())
      const codes = await Promise.all([
        codeOf(storage.put('old', large, signal)),
        codeOf(storage.put(`new/${milliseconds}`, large, signal)),
      ])
      await killed
      for (const code of codes) assert.ok(['unavailable', 'done'].includes(code), code)
      assert.ok(codes.includes('unavailable'), `both puts were done within ${milliseconds} ms`)
      assert.equal(await codeOf(storage.put('k', [Buffer.alloc(1)], signal)), 'unavailable')
      assert.equal(await codeOf(Array.fromAsync(storage.list('', signal))), 'unavailable')
      assert.equal(await codeOf(storage.remove('old', signal)), 'unavailable')
      await server.start()
      for await (const { key, size } of storage.list('', signal)) {
        assert.ok(size === 64 << 20 || (key === 'old' && size === 3), `${key} has ${size} bytes`)
      }
    }
    await storage.put('new/again', large, signal)
    assert.equal(await bytesOf(storage, 'new/again'), 64 << 20)
    await storage.close?.()
  })

  test('killed in the middle of a get and of a listing: unavailable, never a short answer', async () => {
    const storage = await open('gets')
    await storage.put('blob', large, signal)
    for (let at = 0; at < 40; at++) await storage.put(`d${at}/k`, [Buffer.alloc(1)], signal)
    const getting = async () => {
      for await (const _ of storage.get('blob', undefined, signal)) await server.stop()
    }
    assert.equal(await codeOf(getting()), 'unavailable')
    await server.start()
    const listing = async () => {
      for await (const _ of storage.list('', signal)) await server.stop()
    }
    assert.equal(await codeOf(listing()), 'unavailable')
    await server.start()
    assert.equal(await bytesOf(storage, 'blob'), 64 << 20)
    assert.equal((await Array.fromAsync(storage.list('d', signal))).length, 40)
    await storage.close?.()
  })

  test('silent: unavailable within the time-out, and an abort does not wait for it', async () => {
    const storage = await open('silent', '2s')
    await storage.put('blob', [Buffer.alloc(10)], signal)
    server.freeze()
    try {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 100)
      const start = Date.now()
      assert.equal(await codeOf(Array.fromAsync(storage.list('', controller.signal))), 'interrupted')
      assert.ok(Date.now() - start < 1500, 'the abort waited')
      const codes = await Promise.all([
        codeOf(storage.put('k', large, signal)),
        codeOf(bytesOf(storage, 'blob')),
      ])
      assert.deepEqual(codes, ['unavailable', 'unavailable'])
      assert.ok(Date.now() - start < 15_000, `it took ${Date.now() - start} ms`)
      assert.equal(await codeOf(bytesOf(storage, 'blob')), 'unavailable')
    } finally {
      server.thaw()
    }
    assert.equal(await bytesOf(storage, 'blob'), 10)
    await storage.close?.()
  })

  test('closing does not wait for a server that is silent', async () => {
    const storage = await open('closing')
    server.freeze()
    const start = Date.now()
    await storage.close?.()
    server.thaw()
    assert.ok(Date.now() - start < 5000)
  })
}
