import { readdirSync, readlinkSync } from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { storageContract } from '@freezer/sdk/testing'
import { plantFile } from '../../../../test/services/service.ts'
import { type Sshd, startSshd } from '../../../../test/services/sshd.ts'
import { keeper, open } from './support.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const plain = await startSshd({ subsystem: 'internal-sftp -P posix-rename,fsync,statvfs,limits' })
after(() => plain[Symbol.asyncDispose]())

let opened = 0

/** Files of the server's accounts that any process has open. */
function openHandles({ home, jail }: Sshd): number {
  let count = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const file = readlinkSync(`/proc/${pid}/fd/${fd}`)
        if (file.startsWith(home) || file.startsWith(jail) || file.startsWith('/mnt/')) count++
      }
    } catch {
      // That process ended.
    }
  }
  return count
}

describe('an account of OpenSSH', () => {
  const openOne = () => open(keeper(server, `container${opened++}`))
  const plant = async (key: string, content: Uint8Array) =>
    plantFile(path.join(server.home, `container${opened - 1}`), key, content)
  for (const check of storageContract(openOne, { openHandles: () => openHandles(server), plant })) {
    test(check.name, check.run)
  }
})

/** A page of a directory listing is some 100 names. */
const many = 300

describe('an account that has SFTP alone and is locked into a directory', () => {
  const openOne = () => open({ ...keeper(server, `/upload/container${opened++}`), sshUsername: 'jailed' })
  for (const check of storageContract(openOne, { openHandles: () => openHandles(server), many })) {
    test(check.name, check.run)
  }
})

describe('a server with none of the extensions of OpenSSH', () => {
  const openOne = () => open(keeper(plain, `container${opened++}`))
  for (const check of storageContract(openOne, { openHandles: () => openHandles(plain), many })) {
    // It cannot replace a file at once: for a moment a reader finds none.
    if (check.name === 'shows whole blobs alone while others put, list and remove') continue
    test(check.name, check.run)
  }
})
