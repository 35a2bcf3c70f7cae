// Blobs stay what they are while server and client agree on new keys again and again, whatever the cipher.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Storage } from '@freezer/sdk'
import { type Sshd, startSshd } from '../../../../test/services/sshd.ts'
import { keeper, open } from './support.ts'

const { signal } = new AbortController()
const mebibyte = 1 << 20

/** A blob whose every part differs from every other, in chunks of odd sizes. */
function blob(size: number): Buffer[] {
  const bytes = randomBytes(size)
  const chunks: Buffer[] = []
  for (let at = 0, length = 1; at < size; at += length, length = (length * 3 + 1) % (2 * mebibyte)) {
    chunks.push(bytes.subarray(at, at + length))
  }
  return chunks
}

function digest(chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

async function read(storage: Storage, key: string): Promise<string> {
  return digest(await Array.fromAsync(storage.get(key, undefined, signal)))
}

/** How often a server and its clients began to use new keys. */
function exchanges({ directory }: Sshd): number {
  return readFileSync(path.join(directory, 'output'), 'utf8').split('SSH2_MSG_NEWKEYS received').length - 1
}

const servers = [
  { name: 'aes128-gcm@openssh.com', lines: ['Ciphers aes128-gcm@openssh.com'] },
  { name: 'aes256-gcm@openssh.com', lines: ['Ciphers aes256-gcm@openssh.com'] },
  { name: 'chacha20-poly1305@openssh.com', lines: ['Ciphers chacha20-poly1305@openssh.com'] },
  {
    name: 'aes128-ctr with a digest after encryption',
    lines: ['Ciphers aes128-ctr', 'MACs hmac-sha2-256-etm@openssh.com'],
  },
  { name: 'aes256-ctr with a digest before it', lines: ['Ciphers aes256-ctr', 'MACs hmac-sha2-512'] },
]

for (const { name, lines } of servers) {
  test(`new keys after each MiB, ${name}: several sessions at once store and get what was put`, async () => {
    await using server = await startSshd({ lines: [...lines, 'RekeyLimit 1M', 'LogLevel DEBUG1'] })
    const storage = await open(keeper(server, 'blobs'))
    const blobs = Array.from({ length: 4 }, (_, at) => ({ key: `b/${at}`, chunks: blob(6 * mebibyte + at) }))
    await Promise.all(blobs.map(({ key, chunks }) => storage.put(key, chunks, signal)))
    for (const { key, chunks } of blobs) {
      assert.equal(digest([readFileSync(path.join(server.home, 'blobs', key))]), digest(chunks), key)
    }
    // Both directions at once: keys change for both when either had its share.
    const more = blobs.map(({ key, chunks }) => ({ key: `${key}-more`, chunks: chunks.toReversed() }))
    const gets = Promise.all(blobs.map(({ key }) => read(storage, key)))
    await Promise.all([gets, ...more.map(({ key, chunks }) => storage.put(key, chunks, signal))])
    assert.deepEqual(
      await gets,
      blobs.map(({ chunks }) => digest(chunks)),
    )
    assert.deepEqual(
      await Promise.all(more.map(({ key }) => read(storage, key))),
      more.map(({ chunks }) => digest(chunks)),
    )
    await storage.close?.()
    assert.ok(exchanges(server) > 30, `keys were exchanged ${exchanges(server)} times`)
  })
}

test('new keys every second and between calls, of a host that is trusted on first use', async () => {
  await using server = await startSshd({ lines: ['RekeyLimit 16K 1s', 'LogLevel DEBUG1'] })
  const known = path.join(server.directory, 'known')
  const storage = await open({ ...keeper(server, 'blobs'), sshKnownHosts: known, sshTrustNewHost: true })
  const chunks = blob(3 * mebibyte)
  for (let round = 0; round < 4; round++) {
    await storage.put(`k/${round}`, chunks, signal)
    await storage.put('small', [Buffer.from(`${round}`)], signal)
    assert.equal(await read(storage, `k/${round}`), digest(chunks))
    assert.equal(await read(storage, 'small'), digest([Buffer.from(`${round}`)]))
    await pause(600)
  }
  assert.equal((await Array.fromAsync(storage.list('', signal))).length, 5)
  await storage.close?.()
  assert.ok(exchanges(server) > 30, `keys were exchanged ${exchanges(server)} times`)
  assert.match(readFileSync(known, 'utf8'), /^\S+ \S+ \S+\n$/, 'the key was written down more than once')
})
