/** A real OpenSSH server with accounts of its own; those of this machine, and all its files, stay as they are. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { answers, freePort, installPackages, type Service, startService } from './service.ts'

export const password = 'a password of the test'
export const passphrase = 'a passphrase of the test'

/** Of `password`, by `openssl passwd -6`. */
const passwordHash =
  '$6$freezertest$yeKZfQGrpEe9R05LYAh3MKh17EkOaRhloFC2c0PO/lGS4Ysjhvp4ASJc.1WVEWYRihH9ckmNjukLCPDY5Srak0'

/** Numbers that no account of this machine has. */
const keeperId = 64_201
const jailedId = 64_202

export interface SshdOptions {
  /** What serves SFTP; `internal-sftp` unless said. */
  readonly subsystem?: string
  /** More lines of its configuration. */
  readonly lines?: readonly string[]
}

/**
 * A server with two accounts: `keeper`, who logs in with `key`, `keyWithPassphrase`, `rsaKey` or a password; and `jailed`,
 * who logs in with `key`, has SFTP alone, is locked into a directory, and can write in its `upload` only. Programs of this
 * machine see the files of both below `home` and `jail`.
 */
export interface Sshd extends Service {
  readonly port: number
  readonly knownHosts: string
  readonly key: string
  readonly keyWithPassphrase: string
  readonly rsaKey: string
  /** A key that nobody accepts. */
  readonly strangersKey: string
  readonly home: string
  readonly jail: string
  /** A file system of 8 MiB that only the server sees. */
  readonly small: string
  /** Within `home`, and read-only for the server. */
  readonly readOnly: string
}

/** Starts one. @throws Error when it cannot be started */
export async function startSshd({
  subsystem = 'internal-sftp',
  lines = [],
}: SshdOptions = {}): Promise<Sshd> {
  installPackages('openssh-server', 'openssh-client')
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-sshd-'))
  const within = (name: string) => path.join(directory, name)
  const write = (name: string, text: string) => fs.writeFileSync(within(name), text)
  fs.chmodSync(directory, 0o755)
  const port = await freePort()

  for (const type of ['ed25519', 'ecdsa', 'rsa']) makeKey(within(`host_${type}`), type)
  makeKey(within('key'), 'ed25519')
  makeKey(within('key_passphrase'), 'ed25519', passphrase)
  makeKey(within('key_rsa'), 'rsa')
  makeKey(within('key_stranger'), 'ed25519')
  const publicKey = (name: string) => fs.readFileSync(within(`${name}.pub`), 'utf8')
  write('authorized_keys', ['key', 'key_passphrase', 'key_rsa'].map(publicKey).join(''))
  const hostKeys = ['host_ed25519', 'host_ecdsa', 'host_rsa'].map(publicKey)
  write('known_hosts', hostKeys.map((line) => `[127.0.0.1]:${port} ${line}`).join(''))

  for (const name of ['home', 'jail/upload', 'jail/readable', 'small', 'home/read-only']) {
    fs.mkdirSync(within(name), { recursive: true })
  }
  fs.chownSync(within('home'), keeperId, keeperId)
  fs.chownSync(within('jail/upload'), jailedId, jailedId)
  const account = (name: string, id: number, home: string) => `${name}:x:${id}:${id}::${home}:/bin/sh\n`
  write(
    'passwd',
    `${fs.readFileSync('/etc/passwd', 'utf8')}${account('keeper', keeperId, within('home'))}${account('jailed', jailedId, '/')}`,
  )
  write('shadow', `root:*:19000::::::\nkeeper:${passwordHash}:19000::::::\njailed:*:19000::::::\n`)

  write(
    'config',
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      ...['ed25519', 'ecdsa', 'rsa'].map((type) => `HostKey ${within(`host_${type}`)}`),
      'PidFile none',
      `AuthorizedKeysFile ${within('authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'UseDNS no',
      'PasswordAuthentication yes',
      'AllowUsers keeper jailed',
      'MaxStartups 100',
      `Subsystem sftp ${subsystem}`,
      ...lines,
      'Match User jailed',
      '  PasswordAuthentication no',
      '  ChrootDirectory /mnt',
      '  ForceCommand internal-sftp',
      '  PermitTTY no',
      '  AllowTcpForwarding no',
      '',
    ].join('\n'),
  )
  // The mounts below are seen by the server alone, and end with it.
  write(
    'start',
    [
      'set -e',
      `mount --bind ${within('passwd')} /etc/passwd`,
      `mount --bind ${within('shadow')} /etc/shadow`,
      'mount -t tmpfs -o mode=755 none /run',
      'mkdir /run/sshd',
      `mount --bind ${within('jail')} /mnt`,
      `mount -t tmpfs -o size=8m,nr_inodes=64,mode=777 none ${within('small')}`,
      `mount --bind ${within('home/read-only')} ${within('home/read-only')}`,
      `mount -o remount,bind,ro ${within('home/read-only')}`,
      `exec /usr/sbin/sshd -D -e -f ${within('config')}`,
    ].join('\n'),
  )
  const service = await startService({
    name: 'sshd',
    directory,
    command: ['sh', within('start')],
    ready: () => answers(port, 'SSH-'),
  })
  return {
    ...service,
    port,
    knownHosts: within('known_hosts'),
    key: within('key'),
    keyWithPassphrase: within('key_passphrase'),
    rsaKey: within('key_rsa'),
    strangersKey: within('key_stranger'),
    home: within('home'),
    jail: within('jail'),
    small: within('small'),
    readOnly: within('home/read-only'),
  }
}

/** Makes a pair of keys with OpenSSH's own program. */
export function makeKey(file: string, type: string, secret = ''): void {
  const bits = type === 'rsa' ? ['-b', '2048'] : []
  execFileSync('ssh-keygen', ['-q', '-t', type, ...bits, '-N', secret, '-C', 'test', '-f', file])
}
