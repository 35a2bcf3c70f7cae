// The program with --storage swift: backups that come back, and runs that meet trouble.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { expectTree, scratchFor, testKilledBackup, testLevels } from '../../../../test/services/backups.ts'
import { startKeystone } from '../../../../test/services/keystone.ts'
import { type Meddling, startMeddler } from '../../../../test/services/meddler.ts'
import { keeper, startSwift } from '../../../../test/services/swift.ts'
import { json } from '../../../../test/support/program.ts'
import { describeTree, mutateTree, seeded } from '../../../../test/support/tree.ts'

const tokenLife = 15
const password = 'a password of the test'
const keystone = await startKeystone({ tokenLife })
after(() => keystone[Symbol.asyncDispose]())
await keystone.addUser('demo', password)
const server = await startSwift({ pageSize: 50, keystone })
after(() => server[Symbol.asyncDispose]())
const { origin, pathname } = new URL(server.authUrl)
const meddler = await startMeddler(origin)
after(() => meddler[Symbol.asyncDispose]())
const identity = await startMeddler(new URL(keystone.authUrl).origin)
after(() => identity[Symbol.asyncDispose]())
const scratch = scratchFor('swift')

const own = (authUrl: string) =>
  `export OS_AUTH_URL=${authUrl} OS_USERNAME=${keeper.user} OS_PASSWORD='${keeper.key}'\n`
const rcs = {
  own: scratch.file('own.rc', own(server.authUrl)),
  meddled: scratch.file('meddled.rc', own(meddler.origin + pathname)),
  keystone: scratch.file(
    'keystone.rc',
    `OS_AUTH_URL=${identity.origin}/v3\nOS_USERNAME=demo OS_PASSWORD="${password}" OS_PROJECT_NAME=demo\n`,
  ),
}

function at(osrc: string, container: string): string[] {
  return ['--storage', 'swift', '--osrc', osrc, '--container', container]
}

testLevels(scratch, 'a user of Swift itself', at(rcs.own, 'backups/of a host'))
testLevels(scratch, 'a user of Keystone', at(rcs.keystone, 'backups/of a host'))
testKilledBackup(scratch, at(rcs.own, 'killed'))

test('old backups go by a prune, through trouble too; what stays is checked, copied home, and restores', async () => {
  const source = scratch.tree('pruned', 11)
  const random = seeded(12)
  const where = at(rcs.meddled, 'pruned')
  for (let count = 0; count < 4; count++) {
    await json('backup', source, ...where, ...scratch.own, '--max-level', '1')
    mutateTree(source, random)
  }
  await json('backup', source, ...where, ...scratch.own, '--max-level', '1')
  const tree = describeTree(source)
  let count = 0
  meddler.meddle = ({ path: requested }) =>
    /^\/v1\/[^/]+\/pruned[/?]/.test(requested) && ++count % 9 === 5 ? { answer: 503 } : undefined
  const before = performance.now()
  const { removed } = await json(
    'prune',
    ...where,
    ...scratch.own,
    '--keep-last',
    '1',
    '--swift-settle',
    '1s',
  )
  assert.ok(performance.now() - before > 2000, 'it did not wait for listings to settle')
  meddler.meddle = () => undefined
  assert.equal(removed, 4)
  const { backups } = (await json('list', ...where, ...scratch.own)) as { backups: readonly unknown[] }
  assert.equal(backups.length, 1)
  await json('check', ...where, ...scratch.own, '--read-data')
  await expectTree(scratch, where, tree)
  const home = path.join(scratch.path, 'home')
  const to = ['--to-storage', 'local', '--to-container', home, '--to-encrypt-pass-file', scratch.passphrase]
  await json('copy', ...where, ...scratch.own, ...to)
  await expectTree(scratch, ['--container', home], tree)
})

test('a backup that outlives its token', async () => {
  const source = path.join(scratch.path, 'slow')
  fs.mkdirSync(source)
  fs.writeFileSync(path.join(source, 'noise'), Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))))
  for (let count = 0; count < 24; count++) {
    fs.writeFileSync(path.join(source, `noise${count}`), crypto.getRandomValues(Buffer.alloc(65_536)))
  }
  const where = at(rcs.keystone, 'slow')
  identity.seen.length = 0
  const begun = performance.now()
  const words = ['--upload-limit', '60K', '--max-segment-size', '128K']
  await json('backup', source, ...where, ...scratch.own, ...words)
  const seconds = (performance.now() - begun) / 1000
  const logins = identity.seen.filter(({ path: requested }) => requested === '/v3/auth/tokens').length
  assert.ok(seconds > tokenLife + 5, `it took ${seconds} s`)
  assert.ok(logins >= 2 && logins <= seconds / tokenLife + 4, `${logins} logins in ${seconds} s`)
  await expectTree(scratch, where, describeTree(source))
})

test('backup and restore with one request in eight that goes wrong', async () => {
  const source = scratch.tree('troubled', 77)
  const where = at(rcs.meddled, 'troubled')
  const random = seeded(5)
  const ways: readonly Meddling[] = [
    { answer: 503 },
    { answer: 429, headers: { 'retry-after': '1' } },
    { answer: 401 },
    { cut: 'before' },
    { cut: 'after' },
    { bytes: 100, end: 'cut' },
    { answer: 500, body: '<html>' },
  ]
  let struck = 0
  meddler.meddle = ({ path: requested }) => {
    if (!/^\/v1\/[^/]+\/troubled(?:[/?]|$)/.test(requested) || random() > 1 / 8) return undefined
    struck++
    return ways[Math.floor(random() * ways.length)]
  }
  try {
    for (let level = 0; level < 3; level++) {
      await json('backup', source, ...where, ...scratch.own, '--max-segment-size', '64K')
      await expectTree(scratch, where, describeTree(source))
      mutateTree(source, random)
    }
  } finally {
    meddler.meddle = () => undefined
  }
  assert.ok(struck > 5, `${struck} requests went wrong`)
})

test('a server that is started again in the middle of a backup', async () => {
  const source = scratch.tree('interrupted', 9)
  for (let count = 0; count < 12; count++) {
    fs.writeFileSync(path.join(source, `noise${count}`), crypto.getRandomValues(Buffer.alloc(65_536)))
  }
  const where = at(rcs.own, 'interrupted')
  const words = ['--upload-limit', '64K', '--max-segment-size', '64K']
  const running = json('backup', source, ...where, ...scratch.own, ...words)
  running.catch(() => {})
  await pause(5000)
  await server.stop()
  await pause(500)
  await server.start()
  await running
  await expectTree(scratch, where, describeTree(source))
})
