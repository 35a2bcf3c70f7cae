// What a container on a server looks like, and what it survives.
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { directoryTests, listed } from '../../../../test/services/directory.ts'
import { startSshd } from '../../../../test/services/sshd.ts'
import { keeper, open } from './support.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const plain = await startSshd({ subsystem: 'internal-sftp -P posix-rename,fsync,statvfs,limits' })
after(() => plain[Symbol.asyncDispose]())
const { signal } = new AbortController()

for (const [name, on] of [
  ['an account of OpenSSH', server],
  ['a server with none of the extensions of OpenSSH', plain],
] as const) {
  describe(name, () => {
    directoryTests(on, (container, create) => open(keeper(on, container), create))
  })
}

test('a blob is a file that its owner alone may read', async () => {
  const storage = await open(keeper(server, 'private'))
  await storage.put('a/b', [Buffer.from('content')], signal)
  assert.equal(statSync(join(server.home, 'private/a/b')).mode & 0o777, 0o600)
  await storage.close?.()
})

test('a server that permits one session a connection is enough', async () => {
  await using narrow = await startSshd({ lines: ['MaxSessions 1'] })
  const storage = await open(keeper(narrow, 'c'))
  const chunks = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20, 1)]
  await Promise.all(Array.from({ length: 8 }, (_, at) => storage.put(`k/${at}`, chunks, signal)))
  assert.equal((await listed(storage)).length, 8)
  await storage.close?.()
})
