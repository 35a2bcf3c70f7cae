import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { BulkSocket } from '../src/bulk-socket.ts'

/** A socket that is connected, and the other end of it. */
async function connected(): Promise<{ socket: BulkSocket; other: Socket; [Symbol.dispose](): void }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = BulkSocket.connect('127.0.0.1', (server.address() as AddressInfo).port)
  const [[other]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [
    [Socket],
    unknown,
  ]
  return {
    socket,
    other,
    [Symbol.dispose]: () => {
      socket.destroy()
      other.destroy()
      server.close()
    },
  }
}

test('what is written in one go goes out together, and in order', async () => {
  using ends = await connected()
  const { socket, other } = ends
  for (let go = 0; go < 3; go++) {
    socket.write(`${go}a`)
    socket.write(`${go}b`)
    assert.equal(socket.writableCorked, 1)
    await pause(1)
    assert.equal(socket.writableCorked, 0)
  }
  socket.end()
  assert.equal(String(await buffer(other)), '0a0b1a1b2a2b')
})

test('memory of a packet is free once it is written; what is small, or of a pool, stays', async () => {
  using ends = await connected()
  const { socket, other } = ends
  const packet = Buffer.allocUnsafeSlow(32 * 1024).fill('p')
  const small = Buffer.allocUnsafeSlow(1024).fill('s')
  const pooled = Buffer.from('pooled')
  const received = buffer(other)
  for (const bytes of [packet.subarray(0, 4), packet.subarray(4), small, pooled]) socket.write(bytes)
  assert.equal(packet.length, 32 * 1024)
  await new Promise<void>((done) => socket.end(done))
  assert.equal(packet.length, 0)
  assert.equal(small.length, 1024)
  assert.equal(String(pooled), 'pooled')
  assert.deepEqual(
    await received,
    Buffer.concat([Buffer.alloc(32 * 1024, 'p'), Buffer.alloc(1024, 's'), Buffer.from('pooled')]),
  )
})
