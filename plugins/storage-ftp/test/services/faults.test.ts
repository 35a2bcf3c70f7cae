// Backups on a real server, some of whose calls fail, and whose control connections are cut.
import assert from 'node:assert/strict'
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
