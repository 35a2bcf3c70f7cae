import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { storageContract } from '@freezer/sdk/testing'
import { openContainer } from '../src/container.ts'

const scratch = await mkdtemp(join(tmpdir(), 'freezer-local-'))
after(() => rm(scratch, { recursive: true }))

let opened = 0
const open = () => openContainer(join(scratch, `container${opened++}`), { create: true, now: Date.now() })
const openHandles = async () => (await readdir('/proc/self/fd')).length

for (const check of storageContract(open, { openHandles })) test(check.name, check.run)
