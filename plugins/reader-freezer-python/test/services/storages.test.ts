// The same container on every storage that has a server: listed, and restored to the same trees, whatever its names hold.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import type { Storage } from '@freezer/sdk'
import { startFtpd } from '../../../../test/services/ftpd.ts'
import { plantFile } from '../../../../test/services/service.ts'
import { startSshd } from '../../../../test/services/sshd.ts'
import { putObject, startSwift } from '../../../../test/services/swift.ts'
import {
  describe,
  expectedTree,
  fixtures,
  listening,
  openForeign,
  restoreForeign,
} from '../../../../test/support/foreign.ts'
import { filesBelow, scratchDirectory } from '../../../../test/support/program.ts'
import * as ftp from '../../../storage-ftp/test/services/support.ts'
import * as s3 from '../../../storage-s3/test/services/support.ts'
import * as ssh from '../../../storage-ssh/test/services/support.ts'
import * as swift from '../../../storage-swift/test/services/support.ts'

const scratch = scratchDirectory('foreign-storages')
after(scratch.remove)
const store = path.join(fixtures, 'tar-gzip-plain', 'store')
/** What another host may have called its backups. */
const oddName = "gol den@x: ü/é's 100%"
/** Bytes of a segment of Swift: so small that there are many. */
const segment = 500

type Put = (key: string, content: Uint8Array, isArchive: boolean) => Promise<void>

/** The fixture under its own names, and once more under an odd one. */
async function fill(put: Put): Promise<void> {
  for (const key of filesBelow(store)) {
    const content = fs.readFileSync(path.join(store, key))
    for (const name of ['golden', oddName]) {
      await put(key.replace('host1_golden', `host1_${name}`), content, /^data\/.*\/data$/.test(key))
    }
  }
}

async function judge(storage: Storage): Promise<void> {
  const { context } = listening()
  {
    await using repository = await openForeign(storage, context)
    const backups = [...(await repository.backups()).values()]
    const facts = backups.map(({ name, level, stored, failure }) => [name, level, stored > 0, failure])
    const expected = [0, 1, 2].flatMap((level) =>
      [oddName, 'golden'].map((name) => [name, level, true, undefined]),
    )
    assert.deepEqual(facts.sort(), expected.sort())
  }
  for (const level of [0, 1, 2]) {
    await using repository = await openForeign(storage, context)
    for (const name of ['golden', oddName]) {
      const found = [...(await repository.backups()).values()].find(
        (one) => one.name === name && one.level === level,
      )
      const back = path.join(scratch.path, `${made++}`)
      const restored = await restoreForeign(storage, back, { backup: { id: found?.id ?? '' }, name })
      assert.deepEqual(restored, { code: undefined, lost: [], message: '' })
      assert.deepEqual(describe(back), expectedTree(level))
    }
  }
  await storage.close?.()
}
let made = 0

test('an SSH server', async () => {
  await using server = await startSshd()
  const storage = await ssh.open(ssh.keeper(server, 'backups'))
  await fill(async (key, content) => plantFile(path.join(server.home, 'backups'), key, content))
  await judge(storage)
})

test('an FTP server, plain and over TLS', async () => {
  await using server = await startFtpd()
  for (const security of ['plain', 'explicit'] as const) {
    const storage = await ftp.open(ftp.keeper(server, 'backups', security))
    await fill(async (key, content) => plantFile(path.join(server.home, 'backups'), key, content))
    await judge(storage)
  }
})

test('Swift, with its archives as dynamic large objects', async () => {
  await using server = await startSwift({ pageSize: 20 })
  await fill(async (key, content, isArchive) => {
    if (!isArchive) return putObject(server, 'backups', `some/prefix/${key}`, content)
    const segments = `some/prefix/${key.replace(/data$/, 'segments')}`
    for (let at = 0; at < content.length; at += segment) {
      const name = `${segments}/${String(at / segment).padStart(8, '0')}`
      await putObject(server, 'backups', name, content.subarray(at, at + segment))
    }
    const manifest = ['backups', ...segments.split('/')].map(encodeURIComponent).join('/')
    await putObject(server, 'backups', `some/prefix/${key}`, Buffer.alloc(0), {
      'x-object-manifest': manifest,
    })
  })
  await judge(await swift.open(swift.asKeeper(server.authUrl, 'backups/some/prefix')))
})

test('S3', async () => {
  await using server = await startSwift({ s3: true })
  await fill((key, content) => putObject(server, 'backups', `some/prefix/${key}`, content))
  await judge(await s3.open(s3.valuesOf(s3.accessOf(server), 'backups/some/prefix')))
})
