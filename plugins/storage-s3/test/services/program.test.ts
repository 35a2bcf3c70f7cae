// The program with --storage s3.
import { after } from 'node:test'
import { scratchFor, testKilledBackup, testLevels } from '../../../../test/services/backups.ts'
import { startS3rver } from '../../../../test/services/s3rver.ts'
import { startSwift } from '../../../../test/services/swift.ts'
import { accessOf } from './support.ts'

const swift = await startSwift({ s3: true })
after(() => swift[Symbol.asyncDispose]())
const s3rver = await startS3rver()
after(() => s3rver[Symbol.asyncDispose]())
const scratch = scratchFor('s3')

const access = accessOf(swift)
process.env['AWS_ACCESS_KEY_ID'] = access.accessKey
process.env['AWS_SECRET_ACCESS_KEY'] = access.secretKey
const byEnvironment = ['--storage', 's3', '--endpoint', access.endpoint]
const secret = scratch.file('secret', s3rver.secretKey)
const byOptions = ['--access-key', s3rver.accessKey, '--secret-key-file', secret]

testLevels(scratch, 'Swift', [...byEnvironment, '--container', 'backups/a host'])
testLevels(scratch, 's3rver', [
  '--storage',
  's3',
  '--endpoint',
  s3rver.endpoint,
  '--container',
  'backups/a host',
  ...byOptions,
])
testKilledBackup(scratch, [...byEnvironment, '--container', 'killed'])
