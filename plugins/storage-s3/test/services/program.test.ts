// The program with --storage s3: backups of several levels and restores, the access key in the environment.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { startS3rver } from '../../../../test/services/s3rver.ts'
import { startSwift } from '../../../../test/services/swift.ts'
import { freezer, json, scratchDirectory } from '../../../../test/support/program.ts'
import {
  describeTree,
  differences,
  makeTree,
  mutateTree,
  removeTree,
  seeded,
} from '../../../../test/support/tree.ts'
import { accessOf } from './support.ts'

const swift = await startSwift({ s3: true })
after(() => swift[Symbol.asyncDispose]())
const s3rver = await startS3rver()
after(() => s3rver[Symbol.asyncDispose]())
const scratch = scratchDirectory('s3')
after(() => removeTree(scratch.path))
const passphrase = path.join(scratch.path, 'passphrase')
fs.writeFileSync(passphrase, 'a passphrase\n')

for (const [name, { endpoint, accessKey, secretKey }] of [
  ['Swift', accessOf(swift)],
  ['s3rver', s3rver],
] as const) {
  test(`levels of a random tree come back from ${name}`, async () => {
    process.env['AWS_ACCESS_KEY_ID'] = accessKey
    process.env['AWS_SECRET_ACCESS_KEY'] = secretKey
    const source = path.join(scratch.path, `source-${name}`)
    fs.mkdirSync(source)
    const random = seeded(name.length)
    makeTree(source, random)
    const where = ['--storage', 's3', '--endpoint', endpoint]
    const options = [
      ...where,
      '--container',
      'backups/a host',
      '--encrypt-pass-file',
      passphrase,
      '--backup-name',
      'n',
    ]
    const moments: [time: string, tree: ReturnType<typeof describeTree>][] = []
    for (const level of [0, 1, 2]) {
      const result = await json('backup', source, ...options, '--max-segment-size', '64K')
      assert.equal(result['level'], level)
      moments.push([String(result['time']), describeTree(source)])
      mutateTree(source, random)
    }
    for (const [time, tree] of moments) {
      const target = fs.mkdtempSync(path.join(scratch.path, 'target-'))
      await json('restore', target, ...options, '--restore-from-date', time)
      assert.deepEqual(differences(tree, describeTree(target)), [])
    }
    const missing = await freezer('list', ...where, '--container', 'no-such-bucket')
    assert.equal(missing.status, 4)
    assert.match(missing.stderr, /no bucket no-such-bucket/)
  })
}
