// Backups in a real Swift some of whose calls fail. What fails on the wire is in faults.test.ts and program.test.ts.
import { after, test } from 'node:test'
import { storageFaults } from '@freezer/sdk/testing'
import { startSwift } from '../../../../test/services/swift.ts'
import { tar } from '../../../engine-tar/dist/src/index.js'
import { asKeeper, open } from './support.ts'

const server = await startSwift({ pageSize: 10 })
after(() => server[Symbol.asyncDispose]())
let opened = 0
// A prune need not wait for listings that lag here.
const openOne = () => open({ ...asKeeper(server.authUrl, `container ${opened++}`), swiftSettle: '1s' })
const engine = { engine: tar, options: {} }

for (const check of storageFaults({ open: openOne, engine, strikes: 2 })) test(check.name, check.run)
