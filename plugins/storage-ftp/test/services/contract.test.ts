import path from 'node:path'
import { after, describe, test } from 'node:test'
import { storageContract } from '@freezer/sdk/testing'
import { startFtpd } from '../../../../test/services/ftpd.ts'
import { openSockets, plantFile } from '../../../../test/services/service.ts'
import { keeper, open, type Security } from './support.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const plain = await startFtpd({ lines: ['FactsAdvertise off', 'AllowOverwrite off'] })
after(() => plain[Symbol.asyncDispose]())

let opened = 0

for (const security of ['plain', 'explicit', 'implicit'] satisfies Security[]) {
  describe(`an account of ProFTPD, TLS ${security}`, () => {
    const openOne = () => open(keeper(server, `container${opened++}`, security))
    const many = security === 'plain' ? 1050 : 200
    const plant = async (key: string, content: Uint8Array) =>
      plantFile(path.join(server.home, `container${opened - 1}`), key, content)
    for (const check of storageContract(openOne, { openHandles: openSockets, many, plant }))
      test(check.name, check.run)
  })
}

describe('a single connection', () => {
  const openOne = () => open({ ...keeper(server, `container${opened++}`), ftpConnections: 1 })
  for (const check of storageContract(openOne, { openHandles: openSockets, many: 100 }))
    test(check.name, check.run)
})

describe('a server that lists for people alone, and never renames onto a file', () => {
  const openOne = () => open(keeper(plain, `container${opened++}`))
  for (const check of storageContract(openOne, { openHandles: openSockets, many: 300 })) {
    // It cannot replace a file at once: for a moment a reader finds none.
    if (check.name === 'shows whole blobs alone while others put, list and remove') continue
    test(check.name, check.run)
  }
})
