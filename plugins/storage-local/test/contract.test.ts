import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { storageContract } from '@freezer/sdk/testing'
import { openContainer } from '../src/container.ts'

const scratch = await mkdtemp(join(tmpdir(), 'freezer-local-'))
after(() => rm(scratch, { recursive: true }))

let opened = 0
const open = () => openContainer(join(scratch, `container${opened++}`), { create: true, now: Date.now() })
const openHandles = async () => (await readdir('/proc/self/fd')).length

const plant = async (key: string, content: Uint8Array) => {
  const file = join(scratch, `container${opened - 1}`, key)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}

for (const check of storageContract(open, { openHandles, plant })) test(check.name, check.run)
