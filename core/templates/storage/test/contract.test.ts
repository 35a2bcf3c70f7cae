import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { storageContract } from '@freezer/sdk/testing'
import { storage } from '../src/index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'storage-'))
after(() => rmSync(scratch, { recursive: true }))
let opened = 0

const context = { signal: new AbortController().signal, report: () => {}, now: Date.now }
const open = () => storage.open({ container: join(scratch, `${opened++}`) }, context, { create: true })

for (const check of storageContract(open)) test(check.name, check.run)
