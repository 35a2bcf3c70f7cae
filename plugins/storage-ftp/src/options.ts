import { declareOptions } from '@freezer/sdk'

export const ftpOptions = declareOptions({
  container: {
    type: 'string',
    value: 'DIR',
    required: true,
    help: 'Directory to keep backups in.\nA relative one begins where the account logs in. It is made when the first backup is written to it.',
  },
  ftpHost: { type: 'string', value: 'HOST', required: true, help: 'Machine to log in to' },
  ftpPort: {
    type: 'integer',
    min: 1,
    max: 65_535,
    help: 'Port of its FTP server; without it 21, or 990 for implicit TLS',
  },
  ftpUsername: { type: 'string', value: 'NAME', required: true, help: 'Account there' },
  ftpPasswordFile: {
    type: 'path',
    value: 'FILE',
    help: 'File whose first line is the password of the account',
  },
  ftpPassword: { type: 'string', secret: true, help: 'Password of the account' },
  ftpConnections: {
    type: 'integer',
    default: 4,
    min: 1,
    max: 64,
    help: 'Connections at a time.\nEach does one thing at a time. A server that permits fewer gets fewer.',
  },
  ftpTimeout: {
    type: 'duration',
    default: 30_000,
    min: 1000,
    max: 86_400_000,
    help: 'How long the machine may stay silent',
  },
})

export const ftpsOptions = declareOptions({
  ...ftpOptions,
  ftpImplicit: {
    type: 'boolean',
    help: 'Speak TLS from the first byte on, as servers at port 990 expect',
  },
  ftpCacert: {
    type: 'path',
    value: 'FILE',
    help: 'Certificates of the authorities to trust, instead of those that Node brings',
  },
  ftpCertfile: { type: 'path', value: 'FILE', help: 'Certificate to show to the server' },
  ftpKeyfile: { type: 'path', value: 'FILE', help: 'Private key of that certificate' },
  insecure: {
    type: 'boolean',
    help: 'Believe any certificate; whoever is in between can read and change all',
  },
})
