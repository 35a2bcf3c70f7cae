import { after, describe, test } from 'node:test'
import { storageContract } from '@freezer/sdk/testing'
import { startKeystone } from '../../../../test/services/keystone.ts'
import { openSockets } from '../../../../test/services/service.ts'
import { putObject, startSwift } from '../../../../test/services/swift.ts'
import { asKeeper, open } from './support.ts'

const password = 'a password of the test'
const keystone = await startKeystone({ tokenLife: 40 })
after(() => keystone[Symbol.asyncDispose]())
await keystone.addUser('demo', password)
// A page is as small as the listing of `many` is long.
const server = await startSwift({ pageSize: 100, keystone })
after(() => server[Symbol.asyncDispose]())
const many = 350

let opened = 0

describe('a Swift that keeps its own users', () => {
  const openOne = () => open(asKeeper(server.authUrl, `container ${opened++}`))
  const plant = (key: string, content: Uint8Array) =>
    putObject(server, `container ${opened - 1}`, key, content)
  for (const check of storageContract(openOne, { openHandles: openSockets, many, plant }))
    test(check.name, check.run)
})

describe('names that begin with something, in a container with others', () => {
  const openOne = async () => {
    const container = `ä #?&=+${opened++}`
    const other = await open(asKeeper(server.authUrl, `${container}/host`))
    await other.put('a/b', [Buffer.from('of somebody else')], new AbortController().signal)
    await other.close?.()
    return open(asKeeper(server.authUrl, `${container}/host%2F ö/x`))
  }
  for (const check of storageContract(openOne, { openHandles: openSockets, many }))
    test(check.name, check.run)
})

describe('a Swift behind Keystone, whose tokens live for forty seconds', () => {
  const openOne = () =>
    open({
      container: `container${opened++}`,
      osAuthUrl: keystone.authUrl,
      osUsername: 'demo',
      osPassword: password,
      osProjectName: 'demo',
    })
  for (const check of storageContract(openOne, { openHandles: openSockets, many }))
    test(check.name, check.run)
})
