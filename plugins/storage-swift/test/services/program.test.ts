// The program with --storage swift: backups of several levels, restores, and runs that meet trouble.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startKeystone } from '../../../../test/services/keystone.ts'
import { type Meddling, startMeddler } from '../../../../test/services/meddler.ts'
import { keeper, startSwift } from '../../../../test/services/swift.ts'
import { freezer, json, scratchDirectory } from '../../../../test/support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
} from '../../../../test/support/tree.ts'

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
const scratch = scratchDirectory('swift')
after(() => removeTree(scratch.path))

function file(name: string, text: string): string {
  const full = path.join(scratch.path, name)
  fs.writeFileSync(full, text)
  return full
}

const passphrase = file('passphrase', 'a passphrase\n')
const own = (authUrl: string) =>
  `export OS_AUTH_URL=${authUrl} OS_USERNAME=${keeper.user} OS_PASSWORD='${keeper.key}'\n`
const rcs = {
  own: file('own.rc', own(server.authUrl)),
  meddled: file('meddled.rc', own(meddler.origin + pathname)),
  keystone: file(
    'keystone.rc',
    `OS_AUTH_URL=${identity.origin}/v3\nOS_USERNAME=demo OS_PASSWORD="${password}" OS_PROJECT_NAME=demo\n`,
  ),
}

function storage(osrc: string, container: string): string[] {
  return ['--storage', 'swift', '--osrc', osrc, '--container', container, '--encrypt-pass-file', passphrase]
}

/** That the newest backup in the container that `options` name, or that of `date`, is `tree`. */
async function expectTree(
  options: readonly string[],
  tree: ReturnType<typeof describeTree>,
  date?: string,
): Promise<void> {
  const target = fs.mkdtempSync(path.join(scratch.path, 'target-'))
  const when = date === undefined ? [] : ['--restore-from-date', date]
  await json('restore', target, ...options, '--backup-name', 'n', ...when)
  assert.deepEqual(differences(tree, describeTree(target)), [])
  removeTree(target)
}

function sourceTree(name: string, seed: number): string {
  const source = path.join(scratch.path, name)
  fs.mkdirSync(source)
  makeTree(source, seeded(seed))
  return source
}

for (const name of ['own', 'keystone'] as const) {
  test(`levels of a random tree come back, logged in by ${name}.rc`, async () => {
    const source = sourceTree(`source-${name}`, name.length)
    const random = seeded(name.length + 1)
    const options = storage(rcs[name], 'backups/of a host')
    const moments: [time: string, tree: ReturnType<typeof describeTree>][] = []
    for (const level of [0, 1, 2]) {
      const result = await json('backup', source, ...options, '--backup-name', 'n')
      assert.equal(result['level'], level)
      moments.push([String(result['time']), describeTree(source)])
      mutateTree(source, random)
    }
    for (const [time, tree] of moments) await expectTree(options, tree, time)
    const { backups } = (await json('list', ...options)) as { backups: readonly unknown[] }
    assert.equal(backups.length, 3)
  })
}

test('old backups go by a prune, through trouble too; what stays is checked, copied home, and restores', async () => {
  const source = sourceTree('pruned', 11)
  const random = seeded(12)
  const options = storage(rcs.meddled, 'pruned')
  for (let count = 0; count < 4; count++) {
    await json('backup', source, ...options, '--backup-name', 'n', '--max-level', '1')
    mutateTree(source, random)
  }
  await json('backup', source, ...options, '--backup-name', 'n', '--max-level', '1')
  const tree = describeTree(source)
  let count = 0
  meddler.meddle = ({ path: where }) =>
    /^\/v1\/[^/]+\/pruned[/?]/.test(where) && ++count % 9 === 5 ? { answer: 503 } : undefined
  const before = performance.now()
  const { removed } = await json('prune', ...options, '--keep-last', '1', '--swift-settle', '1s')
  assert.ok(performance.now() - before > 2000, 'it did not wait for listings to settle')
  meddler.meddle = () => undefined
  assert.equal(removed, 4)
  const { backups } = (await json('list', ...options)) as { backups: readonly unknown[] }
  assert.equal(backups.length, 1)
  await json('check', ...options, '--read-data')
  await expectTree(options, tree)
  const home = path.join(scratch.path, 'home')
  await json(
    'copy',
    ...options,
    '--to-storage',
    'local',
    '--to-container',
    home,
    '--to-encrypt-pass-file',
    passphrase,
  )
  await expectTree(['--container', home, '--encrypt-pass-file', passphrase], tree)
})

test('a backup that outlives its token', async () => {
  const source = path.join(scratch.path, 'slow')
  fs.mkdirSync(source)
  fs.writeFileSync(path.join(source, 'noise'), Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))))
  for (let at = 0; at < 24; at++) {
    fs.writeFileSync(path.join(source, `noise${at}`), crypto.getRandomValues(Buffer.alloc(65_536)))
  }
  const options = storage(rcs.keystone, 'slow')
  identity.seen.length = 0
  const begun = performance.now()
  const words = ['--backup-name', 'n', '--upload-limit', '60K', '--max-segment-size', '128K']
  await json('backup', source, ...options, ...words)
  const seconds = (performance.now() - begun) / 1000
  const logins = identity.seen.filter(({ path: where }) => where === '/v3/auth/tokens').length
  assert.ok(seconds > tokenLife + 5, `it took ${seconds} s`)
  assert.ok(logins >= 2 && logins <= seconds / tokenLife + 4, `${logins} logins in ${seconds} s`)
  await expectTree(options, describeTree(source))
})

test('backup and restore with one request in eight that goes wrong', async () => {
  const source = sourceTree('troubled', 77)
  const options = storage(rcs.meddled, 'troubled')
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
  meddler.meddle = ({ path: where }) => {
    if (!/^\/v1\/[^/]+\/troubled(?:[/?]|$)/.test(where) || random() > 1 / 8) return undefined
    struck++
    return ways[Math.floor(random() * ways.length)]
  }
  try {
    for (let level = 0; level < 3; level++) {
      await json('backup', source, ...options, '--backup-name', 'n', '--max-segment-size', '64K')
      await expectTree(options, describeTree(source))
      mutateTree(source, random)
    }
  } finally {
    meddler.meddle = () => undefined
  }
  assert.ok(struck > 5, `${struck} requests went wrong`)
})

test('a server that is started again in the middle of a backup', async () => {
  const source = sourceTree('interrupted', 9)
  for (let at = 0; at < 12; at++) {
    fs.writeFileSync(path.join(source, `noise${at}`), crypto.getRandomValues(Buffer.alloc(65_536)))
  }
  const options = storage(rcs.own, 'interrupted')
  const words = ['--backup-name', 'n', '--upload-limit', '64K', '--max-segment-size', '64K']
  const running = json('backup', source, ...options, ...words)
  running.catch(() => {})
  await pause(5000)
  await server.stop()
  await pause(500)
  await server.start()
  await running
  await expectTree(options, describeTree(source))
})

test('a failure is one sentence and an exit status of its own, and holds no secret', async () => {
  const unknown = await freezer('list', ...storage(rcs.own, 'no such container'))
  assert.equal(unknown.status, 4)
  assert.match(unknown.stderr, /no container no such container/)
  const wrong = file('wrong.rc', own(server.authUrl).replace(keeper.key, 'hunter2'))
  const refused = await freezer('list', ...storage(wrong, 'backups'), '--debug')
  assert.equal(refused.status, 10)
  assert.match(refused.stderr, /refuses the user test:keeper/)
  assert.doesNotMatch(refused.stderr, /hunter2/)
  const empty = await freezer('list', '--storage', 'swift', '--container', 'c', '--osrc', file('none.rc', ''))
  assert.equal(empty.status, 2)
})
