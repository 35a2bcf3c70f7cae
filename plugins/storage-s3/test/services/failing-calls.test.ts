// Backups in a bucket of a real service: calls that fail, and requests that go wrong on the wire.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { quietContext } from '@freezer/sdk'
import { retrying } from '@freezer/sdk/storages'
import { storageFaults } from '@freezer/sdk/testing'
import { type Meddling, startMeddler } from '../../../../test/services/meddler.ts'
import { startSwift } from '../../../../test/services/swift.ts'
import { seeded } from '../../../../test/support/tree.ts'
import { tar } from '../../../engine-tar/dist/src/index.js'
import { accessOf, open, valuesOf } from './support.ts'

const swift = await startSwift({ s3: true })
after(() => swift[Symbol.asyncDispose]())
const access = accessOf(swift)
const meddler = await startMeddler(access.endpoint)
after(() => meddler[Symbol.asyncDispose]())
const engine = { engine: tar, options: {} }
let opened = 0

describe('a bucket of Swift', () => {
  const openOne = () => open(valuesOf(access, `bucket-${opened++}`))
  for (const check of storageFaults({ open: openOne, engine, strikes: 2 })) test(check.name, check.run)
})

const ways: readonly Meddling[] = [
  { answer: 503 },
  { answer: 429, headers: { 'retry-after': '0' } },
  { answer: 500, body: '<html>' },
  { cut: 'before' },
  { cut: 'after' },
  { bytes: 100, end: 'cut' },
  { delay: 100 },
]

describe('one request in eight goes wrong', () => {
  const openOne = async () => {
    meddler.meddle = () => undefined
    const storage = await open({ ...valuesOf(access, `bucket-${opened++}`), endpoint: meddler.origin })
    const random = seeded(opened)
    meddler.meddle = () => (random() < 1 / 8 ? ways[Math.floor(random() * ways.length)] : undefined)
    return retrying(storage, quietContext(), { retries: 8, wait: 1, longest: 50 })
  }
  for (const check of storageFaults({ open: openOne, engine, strikes: 1 })) {
    test(check.name, async () => {
      meddler.seen.length = 0
      await check.run()
      assert.ok(meddler.seen.length > 20)
    })
  }
})
