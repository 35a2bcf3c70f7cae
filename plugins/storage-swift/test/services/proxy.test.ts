// The program by a real forward proxy, to Swift and to its S3: plain HTTP and tunnels of TLS.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { startMeddler } from '../../../../test/services/meddler.ts'
import { startProxy } from '../../../../test/services/proxy.ts'
import { keeper, startSwift } from '../../../../test/services/swift.ts'
import { freezer, json, scratchDirectory } from '../../../../test/support/program.ts'
import { describeTree, differences, makeTree, removeTree, seeded } from '../../../../test/support/tree.ts'

const server = await startSwift({ s3: true })
after(() => server[Symbol.asyncDispose]())
const { origin, pathname } = new URL(server.authUrl)
const secure = await startMeddler(origin, 'localhost')
after(() => secure[Symbol.asyncDispose]())
const proxy = await startProxy()
after(() => proxy[Symbol.asyncDispose]())
const scratch = scratchDirectory('proxy')
after(() => removeTree(scratch.path))
const source = path.join(scratch.path, 'source')
fs.mkdirSync(source)
makeTree(source, seeded(7))
const tree = describeTree(source)

const variables = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'FREEZER_PROXY_CREDENTIALS'] as const
function surround(given: Partial<Record<(typeof variables)[number], string>>): void {
  for (const name of variables) {
    delete process.env[name.toLowerCase()]
    delete process.env[name]
    if (given[name] !== undefined) process.env[name] = given[name]
  }
}

process.env['FREEZER_OS_PASSWORD'] = keeper.key
process.env['AWS_ACCESS_KEY_ID'] = keeper.user
process.env['AWS_SECRET_ACCESS_KEY'] = keeper.key
const storages = {
  swift: (where: string) => [
    '--storage',
    'swift',
    `--os-auth-url=${where}${pathname}`,
    `--os-username=${keeper.user}`,
    ...(where === origin ? [] : ['--os-cacert', secure.certificate ?? '']),
  ],
  s3: (where: string) => [
    '--storage',
    's3',
    `--endpoint=${where}`,
    '--region=us-east-1',
    ...(where === origin ? [] : ['--s3-cacert', secure.certificate ?? '']),
  ],
}

for (const [name, storage] of Object.entries(storages)) {
  for (const where of [origin, secure.origin]) {
    test(`${name}: backup and restore by a proxy, ${new URL(where).protocol}`, async () => {
      const words = [
        ...storage(where),
        '--container',
        `by-proxy-${where === origin ? 'plain' : 'tls'}`,
        '-N',
        'n',
      ]
      const before = proxy.log().length
      surround({ FREEZER_PROXY_CREDENTIALS: proxy.credentials })
      await json('backup', source, ...words, '--proxy', proxy.url)
      const target = fs.mkdtempSync(path.join(scratch.path, 'target-'))
      const withCredentials = proxy.url.replace('//', `//${proxy.credentials}@`)
      surround({ HTTP_PROXY: withCredentials, HTTPS_PROXY: withCredentials })
      await json('restore', target, ...words)
      assert.deepEqual(differences(tree, describeTree(target)), [])
      // It went by the proxy, and by nothing else.
      const log = proxy.log().slice(before)
      assert.match(log, where === origin ? /Request.*: PUT http:\/\/127/ : /Request.*: CONNECT localhost:/)

      surround({
        HTTP_PROXY: 'http://127.0.0.1:1',
        HTTPS_PROXY: 'http://127.0.0.1:1',
        NO_PROXY: '127.0.0.1,localhost',
      })
      await json('list', ...words.slice(0, -2))
      surround({ HTTP_PROXY: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://127.0.0.1:1' })
      await json('list', ...words.slice(0, -2), '--proxy', 'none')
      const refused = await freezer('list', ...words.slice(0, -2), '--retries', '0')
      assert.equal(refused.status, 9)
      assert.match(
        refused.stderr,
        /^freezer: The proxy 127\.0\.0\.1:1 refuses the connection\. Check --proxy/,
      )
    })

    test(`${name}: a proxy with a wrong password, ${new URL(where).protocol}`, async () => {
      surround({ FREEZER_PROXY_CREDENTIALS: 'carrier:not-this-one' })
      const words = [...storage(where), '--container', 'wrong', '--proxy', proxy.url, '--debug']
      const { status, stdout, stderr } = await freezer('list', ...words)
      assert.equal(status, 10, stderr)
      // To plain HTTP tinyproxy answers as a server would.
      if (where !== origin)
        assert.match(stderr, /^freezer: The proxy 127\.0\.0\.1:\d+ does not take the user and the password/m)
      const shown = stdout + stderr
      for (const secret of [
        'not-this-one',
        Buffer.from('carrier:not-this-one').toString('base64'),
        keeper.key,
      ]) {
        assert.ok(!shown.includes(secret), shown)
      }
    })
  }
}

test('a password in --proxy is refused, and --proxy is nothing that ssh knows', async () => {
  surround({})
  const words = [
    ...storages.swift(origin),
    '--container',
    'c',
    '--proxy',
    `http://${proxy.credentials}@127.0.0.1:1`,
  ]
  const { status, stderr } = await freezer('list', ...words)
  assert.equal(status, 2)
  assert.match(stderr, /--proxy holds a user or a password/)
  assert.ok(!stderr.includes('proxy-secret-1'))
  const ssh = await freezer(
    'list',
    '--storage',
    'ssh',
    '--ssh-host',
    'nas',
    '--container',
    'c',
    '--proxy',
    proxy.url,
  )
  assert.equal(ssh.status, 2)
  assert.match(ssh.stderr, /--proxy/)
})
