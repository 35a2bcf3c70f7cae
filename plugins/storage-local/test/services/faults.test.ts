// Backups in a local container some of whose calls fail. It needs no server, but as long as those that do.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { storageFaults } from '@freezer/sdk/testing'
import { tar } from '../../../engine-tar/dist/src/index.js'
import { openContainer } from '../../src/container.ts'

const scratch = await mkdtemp(join(tmpdir(), 'freezer-local-'))
after(() => rm(scratch, { recursive: true }))

let opened = 0
const open = () => openContainer(join(scratch, `container${opened++}`), { create: true, now: Date.now() })
const engine = { engine: tar, options: {} }

for (const check of storageFaults({ open, engine, strikes: 2 })) test(check.name, check.run)
