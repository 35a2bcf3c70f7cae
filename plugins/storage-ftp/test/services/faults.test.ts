// Backups on a real server, some of whose calls fail, and whose control connections are cut.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { after, describe, test } from 'node:test'
import { quietContext } from '@freezer/sdk'
import { retrying } from '@freezer/sdk/storages'
import { storageFaults } from '@freezer/sdk/testing'
import { startCutter } from '../../../../test/services/cutter.ts'
import { startFtpd } from '../../../../test/services/ftpd.ts'
import { tar } from '../../../engine-tar/dist/src/index.js'
import { keeper, open } from './support.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const engine = { engine: tar, options: {} }
let opened = 0

describe('an account of ProFTPD', () => {
  const openOne = () => open(keeper(server, `container${opened++}`))
  for (const check of storageFaults({ open: openOne, engine, strikes: 2 })) test(check.name, check.run)
})

describe('a control connection that is cut', () => {
  const openOne = async () => {
    const values = keeper(server, `container${opened++}`)
    const cutter = await startCutter(Number(values['ftpPort']))
    after(() => cutter[Symbol.asyncDispose]())
    const storage = retrying(await open({ ...values, ftpPort: cutter.port }), quietContext(), {
      retries: 8,
      wait: 1,
      longest: 50,
    })
    cutter.plan = Array.from({ length: 12 }, (_, at) => 600 + at * 700)
    cutters.push(cutter)
    return storage
  }
  const cutters: { readonly cuts: number }[] = []
  const checks = storageFaults({ open: openOne, engine, strikes: 2 })
  for (const check of checks.filter(({ name }) => /put loses its answer|list fails/.test(name))) {
    test(check.name, async () => {
      await check.run()
      assert.ok((cutters.at(-1)?.cuts ?? 0) > 0, 'no connection was cut')
    })
  }
})

test('a session that gets no data connections any more is left, so that a retry has another', async () => {
  // As servers refuse them when the TLS session ran out that they must go on with.
  const transfersEach = 3
  let refused = 0
  const relay = createServer((client) => {
    const onward = connect(server.port, '127.0.0.1')
    let transfers = 0
    for (const socket of [client, onward]) socket.on('error', () => {})
    onward.pipe(client)
    client.on('close', () => onward.destroy())
    client.on('data', (bytes) => {
      const isTransfer = /^(?:STOR|RETR|MLSD)/.test(bytes.toString('latin1'))
      if (!isTransfer || ++transfers <= transfersEach) onward.write(bytes)
      else client.write(`425 Unable to build data connection (${++refused})\r\n`)
    })
  })
  relay.listen(0, '127.0.0.1')
  after(() => relay.close())
  await once(relay, 'listening')
  const { port } = relay.address() as AddressInfo
  const values = { ...keeper(server, `container${opened++}`), ftpPort: port, ftpConnections: 1 }
  const storage = retrying(await open(values), quietContext(), { retries: 1, wait: 1, longest: 1 })
  after(() => storage.close?.())
  const { signal } = new AbortController()
  for (let at = 0; at < 8; at++) {
    await storage.put(`k/${at}`, [Buffer.from(`${at}`)], signal)
    const got = await Array.fromAsync(storage.get(`k/${at}`, undefined, signal))
    assert.equal(Buffer.concat(got).toString(), `${at}`)
  }
  assert.equal((await Array.fromAsync(storage.list('', signal))).length, 8)
  assert.ok(refused > 3, `${refused} were refused`)
})
