import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { strangePorts, testMistakes } from '../../../../test/services/bad-input.ts'
import { freePort } from '../../../../test/services/service.ts'
import { password, startSshd } from '../../../../test/services/sshd.ts'

const server = await startSshd()
after(() => server[Symbol.asyncDispose]())
const ports = await strangePorts()
const nobody = String(await freePort())
const directory = join(server.directory, 'bad-input')
mkdirSync(directory)
const file = (name: string, text: string) => {
  const full = join(directory, name)
  writeFileSync(full, text)
  return full
}
const wrongPassword = file('wrong', 'a-wrong-secret\n')

testMistakes(
  {
    storage: 'ssh',
    container: 'bad-input',
    'ssh-host': '127.0.0.1',
    'ssh-port': String(server.port),
    'ssh-username': 'keeper',
    'ssh-key': server.key,
    'ssh-known-hosts': server.knownHosts,
    'ssh-timeout': '2s',
  },
  [
    {
      what: 'the host',
      given: { 'ssh-host': 'no-such-host.invalid' },
      code: 'not-found',
      says: /no machine called/,
    },
    {
      what: 'the port, nobody',
      given: { 'ssh-port': nobody },
      code: 'unavailable',
      says: /refuses the connection/,
    },
    {
      what: 'the port, somebody else',
      given: { 'ssh-port': String(ports.mail) },
      code: 'unavailable',
      says: /before it spoke SSH|does not speak SSH/,
    },
    {
      what: 'the port, silence',
      given: { 'ssh-port': String(ports.silent) },
      code: 'unavailable',
      says: /does not answer/,
    },
    {
      what: 'the user',
      given: { 'ssh-username': 'stranger' },
      code: 'denied',
      says: /refuses the account stranger/,
    },
    {
      what: 'a key that is none',
      given: { 'ssh-key': file('key', 'x') },
      code: 'configuration',
      says: /not a private key/,
    },
    {
      what: 'a key that is missing',
      given: { 'ssh-key': '/no/such/key' },
      code: 'configuration',
      says: /cannot be read/,
    },
    {
      what: 'the password',
      given: { 'ssh-key': undefined, 'ssh-password-file': wrongPassword },
      environment: { SSH_AUTH_SOCK: undefined },
      code: 'denied',
      says: /refuses the account keeper/,
    },
    {
      what: 'the host key',
      given: { 'ssh-known-hosts': '/dev/null' },
      code: 'untrusted',
      says: /host key of .* is not known/,
    },
    { what: 'the container', given: { container: 'no/such' }, code: 'not-found', says: /no container/ },
    {
      what: 'no permission',
      given: { container: '/root/backups' },
      code: 'denied',
      says: /permission denied/,
    },
  ],
  [password, 'a-wrong-secret'],
)
