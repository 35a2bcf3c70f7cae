import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { strangePorts, testMistakes } from '../../../../test/services/bad-input.ts'
import { password, startFtpd } from '../../../../test/services/ftpd.ts'
import { freePort } from '../../../../test/services/service.ts'

const server = await startFtpd()
after(() => server[Symbol.asyncDispose]())
const ports = await strangePorts()
const nobody = String(await freePort())
const file = (name: string, text: string) => {
  const full = join(server.directory, name)
  writeFileSync(full, text)
  return full
}

testMistakes(
  {
    storage: 'ftps',
    container: 'bad-input',
    'ftp-host': '127.0.0.1',
    'ftp-port': String(server.explicitPort),
    'ftp-username': 'keeper',
    'ftp-password-file': file('right', `${password}\n`),
    'ftp-cacert': server.ca,
    'ftp-timeout': '2s',
  },
  [
    {
      what: 'the host',
      given: { 'ftp-host': 'no-such-host.invalid' },
      code: 'not-found',
      says: /no machine called/,
    },
    {
      what: 'the port, nobody',
      given: { 'ftp-port': nobody },
      code: 'unavailable',
      says: /refuses the connection/,
    },
    {
      what: 'the port, somebody else',
      given: { 'ftp-port': String(ports.mail) },
      code: 'denied',
      says: /the server refuses it/,
    },
    {
      what: 'the port, silence',
      given: { 'ftp-port': String(ports.silent) },
      code: 'unavailable',
      says: /does not answer/,
    },
    { what: 'the user', given: { 'ftp-username': 'stranger' }, code: 'denied', says: /refuses .*stranger/ },
    {
      what: 'the password',
      given: { 'ftp-password-file': file('wrong', 'a-wrong-secret\n') },
      code: 'denied',
      says: /refuses .*keeper/,
    },
    {
      what: 'a password file that is missing',
      given: { 'ftp-password-file': '/no/such' },
      code: 'configuration',
      says: /cannot be read/,
    },
    {
      what: 'the certificate',
      given: { 'ftp-cacert': server.strangersCa },
      code: 'untrusted',
      says: /is not to be trusted/,
    },
    { what: 'the container', given: { container: 'no/such' }, code: 'not-found', says: /no container/ },
  ],
  [password, 'a-wrong-secret'],
)
