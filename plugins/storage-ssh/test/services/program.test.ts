// The program with --storage ssh.
import { after } from 'node:test'
import { scratchFor, testKilledBackup, testLevels } from '../../../../test/services/backups.ts'
import { startSshd } from '../../../../test/services/sshd.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const scratch = scratchFor('ssh')

function at(container: string, username = 'keeper'): string[] {
  const account = ['--ssh-host', '127.0.0.1', '--ssh-port', `${server.port}`, '--ssh-username', username]
  const keys = ['--ssh-key', server.key, '--ssh-known-hosts', server.knownHosts]
  return ['--storage', 'ssh', ...account, ...keys, '--container', container]
}

testLevels(scratch, 'an account', at('backups'))
testLevels(scratch, 'an account that is locked into a directory', at('/upload/backups', 'jailed'))
testKilledBackup(scratch, at('killed'))
