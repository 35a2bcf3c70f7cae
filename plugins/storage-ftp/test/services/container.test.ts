// What a container on a server looks like, and what it survives.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { directoryTests, listed, read } from '../../../../test/services/directory.ts'
import { startFtpd } from '../../../../test/services/ftpd.ts'
import { keeper, open } from './support.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const plain = await startFtpd({ lines: ['FactsAdvertise off', 'AllowOverwrite off'] })
after(() => plain[Symbol.asyncDispose]())
const { signal } = new AbortController()

for (const [name, on] of [
  ['an account of ProFTPD', server],
  ['a server that lists for people alone, and never renames onto a file', plain],
] as const) {
  describe(name, () => {
    directoryTests(on, (container, create) => open(keeper(on, container), create))
  })
}

test('a server that permits fewer connections gets fewer', async () => {
  await using few = await startFtpd({ lines: ['MaxClientsPerUser 2'] })
  const storage = await open({ ...keeper(few, 'few'), ftpConnections: 16 })
  const keys = Array.from({ length: 40 }, (_, at) => `d/${at}`)
  await Promise.all(keys.map((key) => storage.put(key, [Buffer.from('content')], signal)))
  assert.equal((await listed(storage)).length, 40)
  await Promise.all(keys.map((key) => read(storage, key)))
  await storage.close?.()
})
