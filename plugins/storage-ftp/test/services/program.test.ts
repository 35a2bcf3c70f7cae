// The program with --storage ftp and ftps.
import { after } from 'node:test'
import { scratchFor, testKilledBackup, testLevels } from '../../../../test/services/backups.ts'
import { password, startFtpd } from '../../../../test/services/ftpd.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const scratch = scratchFor('ftp')
const account = [
  '--ftp-host',
  '127.0.0.1',
  '--ftp-username',
  'keeper',
  '--ftp-password-file',
  scratch.file('password', `${password}\n`),
]
const plain = ['--storage', 'ftp', ...account, '--ftp-port', `${server.port}`]
const tls = ['--storage', 'ftps', ...account, '--ftp-cacert', server.ca]
const explicit = [...tls, '--ftp-port', `${server.explicitPort}`]
const implicit = [...tls, '--ftp-port', `${server.implicitPort}`, '--ftp-implicit']

testLevels(scratch, 'without TLS', [...plain, '--container', 'backups-plain'])
testLevels(scratch, 'TLS when asked for', [...explicit, '--container', 'backups-explicit'])
testLevels(scratch, 'TLS from the first byte on', [...implicit, '--container', 'backups-implicit'])
testKilledBackup(scratch, [...explicit, '--container', 'killed'])
