import { declareOptions } from '@freezer/sdk'

export const sshOptions = declareOptions({
  container: {
    type: 'string',
    value: 'DIR',
    required: true,
    help: 'Directory to keep backups in.\nA relative one begins where the account logs in. It is made when the first backup is written to it.',
  },
  sshHost: { type: 'string', value: 'HOST', required: true, help: 'Machine to log in to' },
  sshPort: { type: 'integer', default: 22, min: 1, max: 65_535, help: 'Port of its SSH server' },
  sshUsername: { type: 'string', value: 'NAME', help: 'Account there; without it, of your own name' },
  sshKey: {
    type: 'path',
    value: 'FILE',
    help: 'Private key to log in with.\nWithout one, and without a password, the keys of the agent (SSH_AUTH_SOCK) are tried, and those of ~/.ssh.',
  },
  sshKeyPassphraseFile: {
    type: 'path',
    value: 'FILE',
    help: 'File whose first line is the passphrase of the key',
  },
  sshKeyPassphrase: { type: 'string', secret: true, help: 'Passphrase of the key' },
  sshPasswordFile: {
    type: 'path',
    value: 'FILE',
    help: 'File whose first line is the password of the account',
  },
  sshPassword: { type: 'string', secret: true, help: 'Password of the account' },
  sshKnownHosts: {
    type: 'path',
    value: 'FILE',
    help: 'Keys of the machines you trust; without it ~/.ssh/known_hosts',
  },
  sshTrustNewHost: {
    type: 'boolean',
    help: 'Trust a machine that is not known yet, and write its key down',
  },
  sshTimeout: {
    type: 'duration',
    default: 30_000,
    min: 1000,
    max: 86_400_000,
    help: 'How long the machine may stay silent',
  },
})
