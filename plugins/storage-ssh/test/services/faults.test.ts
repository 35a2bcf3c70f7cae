// Backups on a real server, some of whose calls fail, and whose connections are cut.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { quietContext } from '@freezer/sdk'
import { retrying } from '@freezer/sdk/storages'
import { storageFaults } from '@freezer/sdk/testing'
import { startCutter } from '../../../../test/services/cutter.ts'
import { startSshd } from '../../../../test/services/sshd.ts'
import { tar } from '../../../engine-tar/dist/src/index.js'
import { keeper, open } from './support.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const engine = { engine: tar, options: {} }
let opened = 0

describe('an account of OpenSSH', () => {
  const openOne = () => open(keeper(server, `container${opened++}`))
  for (const check of storageFaults({ open: openOne, engine, strikes: 2 })) test(check.name, check.run)
})

describe('a connection that is cut', () => {
  const cutters: { readonly cuts: number }[] = []
  const openOne = async () => {
    const cutter = await startCutter(server.port)
    after(() => cutter[Symbol.asyncDispose]())
    cutters.push(cutter)
    const values = { ...keeper(server, `container${opened++}`), sshPort: cutter.port, sshTrustNewHost: true }
    const storage = retrying(await open(values), quietContext(), { retries: 8, wait: 1, longest: 50 })
    cutter.plan = Array.from({ length: 6 }, (_, at) => 150_000 + at * 110_000)
    return storage
  }
  const checks = storageFaults({ open: openOne, engine, strikes: 2 })
  for (const check of checks.filter(({ name }) => /put loses its answer|list fails/.test(name))) {
    test(check.name, async () => {
      await check.run()
      assert.ok((cutters.at(-1)?.cuts ?? 0) > 0, 'no connection was cut')
    })
  }
})
