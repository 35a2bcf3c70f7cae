/** A real ProFTPD with accounts of its own; those of this machine, and all its files, stay as they are. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { answers, freePort, installPackages, type Service, startService } from './service.ts'

export const password = 'a password of the test'

/** Of `password`, by `openssl passwd -6`. */
const passwordHash =
  '$6$freezertest$yeKZfQGrpEe9R05LYAh3MKh17EkOaRhloFC2c0PO/lGS4Ysjhvp4ASJc.1WVEWYRihH9ckmNjukLCPDY5Srak0'

/** A number that no account of this machine has. */
const accountId = 64_301

export interface FtpdOptions {
  /** More lines of its configuration, for each of its ports. */
  readonly lines?: readonly string[]
}

/**
 * A server with two accounts, `keeper` and `reader`, who may read the same files and write none. Programs of this machine see the files of both
 * below `home`.
 */
export interface Ftpd extends Service {
  /** Without TLS. */
  readonly port: number
  /** TLS when asked for, and nothing without it; data connections must go on with the session. */
  readonly explicitPort: number
  /** TLS from the first byte on. */
  readonly implicitPort: number
  /** The authority that signed the server's certificate, which is good for 127.0.0.1. */
  readonly ca: string
  /** One that signed nothing. */
  readonly strangersCa: string
  readonly home: string
  /** A file system of 8 MiB that only the server sees. */
  readonly small: string
}

/** Starts one. @throws Error when it cannot be started */
export async function startFtpd({ lines = [] }: FtpdOptions = {}): Promise<Ftpd> {
  installPackages('proftpd-core', 'proftpd-mod-crypto', 'openssl')
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-ftpd-'))
  const within = (name: string) => path.join(directory, name)
  const write = (name: string, text: string, mode = 0o644) => fs.writeFileSync(within(name), text, { mode })
  fs.chmodSync(directory, 0o755)
  const [port, explicitPort, implicitPort] = [await freePort(), await freePort(), await freePort()]
  for (const name of ['home', 'small']) fs.mkdirSync(within(name))
  fs.chownSync(within('home'), accountId, accountId)
  makeCertificates(directory)
  const account = (name: string) =>
    `${name}:${passwordHash}:${accountId}:${accountId}:test:${within('home')}:/bin/sh\n`
  write('passwd', account('keeper') + account('reader'), 0o600)
  write('group', `test:x:${accountId}:keeper,reader\n`, 0o600)

  const common = [
    'AuthOrder mod_auth_file.c',
    `AuthUserFile ${within('passwd')}`,
    `AuthGroupFile ${within('group')}`,
    'RequireValidShell off',
    'AllowStoreRestart on',
    'AllowRetrieveRestart on',
    ...(lines.some((line) => line.startsWith('AllowOverwrite')) ? [] : ['AllowOverwrite on']),
    '<Limit WRITE>',
    '  DenyUser reader',
    '</Limit>',
    ...lines,
  ]
  const tls = [
    'TLSEngine on',
    'TLSRequired on',
    `TLSRSACertificateFile ${within('server.crt')}`,
    `TLSRSACertificateKeyFile ${within('server.key')}`,
    `TLSLog ${within('tls.log')}`,
  ]
  const virtual = (at: number, more: readonly string[]) => [
    '<VirtualHost 127.0.0.1>',
    `Port ${at}`,
    ...common,
    ...tls,
    ...more,
    '</VirtualHost>',
  ]
  write(
    'config',
    [
      'LoadModule mod_tls.c',
      'ServerName test',
      'ServerType standalone',
      'DefaultAddress 127.0.0.1',
      'SocketBindTight on',
      `Port ${port}`,
      'User nobody',
      'Group nogroup',
      'UseReverseDNS off',
      'WtmpLog off',
      'TransferLog none',
      `SystemLog ${within('log')}`,
      `ScoreboardFile ${within('scoreboard')}`,
      `PidFile ${within('pid')}`,
      'DelayTable none',
      'MaxInstances 60',
      ...common,
      ...virtual(explicitPort, []),
      ...virtual(implicitPort, ['TLSOptions UseImplicitSSL']),
      '',
    ].join('\n'),
  )
  write(
    'start',
    [
      'set -e',
      `mount -t tmpfs -o size=8m,mode=777 none ${within('small')}`,
      // Changing its user, it forgets that it is to end with this process: the shell stays, and takes it along.
      `/usr/sbin/proftpd --nodaemon --config ${within('config')} &`,
      'wait',
    ].join('\n'),
  )
  const service = await startService({
    name: 'proftpd',
    directory,
    command: ['sh', within('start')],
    ready: () => answers(port, '220'),
  })
  return {
    ...service,
    port,
    explicitPort,
    implicitPort,
    ca: within('ca.pem'),
    strangersCa: within('stranger.pem'),
    home: within('home'),
    small: within('small'),
  }
}

/** An authority, another one, and a certificate of the first for 127.0.0.1. */
function makeCertificates(directory: string): void {
  const openssl = (line: string) =>
    execFileSync('openssl', line.split(' '), { cwd: directory, stdio: 'pipe' })
  for (const name of ['ca', 'stranger']) {
    openssl(
      `req -x509 -newkey rsa:2048 -nodes -days 7 -subj /CN=${name} -keyout ${name}.key -out ${name}.pem`,
    )
  }
  openssl('req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server')
  fs.writeFileSync(path.join(directory, 'names'), 'subjectAltName=IP:127.0.0.1\n')
  openssl(
    'x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 -extfile names -out server.crt',
  )
  fs.chmodSync(path.join(directory, 'server.key'), 0o600)
}
