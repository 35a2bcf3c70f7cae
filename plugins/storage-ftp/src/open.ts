import { readFile } from 'node:fs/promises'
import { type Context, Failure, type Options, type Storage } from '@freezer/sdk'
import { openContainer } from './container.ts'
import { type Account, logIn, type TlsSettings } from './log-in.ts'
import type { ftpOptions, ftpsOptions } from './options.ts'
import { Server } from './server.ts'

type TlsOptions = Pick<
  Options<typeof ftpsOptions>,
  'ftpImplicit' | 'ftpCacert' | 'ftpCertfile' | 'ftpKeyfile' | 'insecure'
>

/** Ports by RFC 959 and, for implicit TLS, by use. */
const usualPorts = { explicit: 21, implicit: 990 }

/**
 * Opens the container that `options` name, over TLS when `tls` is given.
 * @throws Failure `configuration`, `untrusted`, `not-found`, `denied`, `unavailable`, `no-space`
 */
export async function openStorage(
  options: Options<typeof ftpOptions>,
  tls: TlsOptions | undefined,
  { signal, now }: Context,
  create: boolean,
): Promise<Storage> {
  const { ftpHost: host, ftpUsername: username, ftpTimeout: timeout, container } = options
  const password = options.ftpPassword ?? (await firstLine(options.ftpPasswordFile))
  checkLine(username, '--ftp-username')
  checkLine(password, 'The password')
  checkLine(container, '--container')
  const port = options.ftpPort ?? usualPorts[tls?.ftpImplicit === true ? 'implicit' : 'explicit']
  const account: Account = { host, port, username, password, timeout, tls: tls && (await settings(tls)) }
  const server = new Server((stop) => logIn(account, stop), options.ftpConnections, now)
  try {
    return await openContainer(server, container, { host, create, now: now() }, signal)
  } catch (error) {
    await server.close()
    throw error
  }
}

/** FTP ends a command where the line ends: what follows would be another one. */
function checkLine(text: string, what: string): void {
  if (!/\p{Cc}/u.test(text)) return
  throw new Failure('configuration', `${what} holds a line break or the like, which FTP cannot send.`, {
    remedy: 'Write it without one.',
  })
}

async function settings(options: TlsOptions): Promise<TlsSettings> {
  const { ftpImplicit: implicit, insecure, ftpCacert, ftpCertfile, ftpKeyfile } = options
  if ((ftpCertfile === undefined) !== (ftpKeyfile === undefined)) {
    throw new Failure('configuration', 'A certificate needs its key, and a key its certificate.', {
      remedy: 'Give both --ftp-certfile and --ftp-keyfile, or neither.',
    })
  }
  return {
    implicit,
    insecure,
    ca: ftpCacert === undefined ? undefined : await readCertificate(ftpCacert, '--ftp-cacert'),
    cert: ftpCertfile === undefined ? undefined : await readCertificate(ftpCertfile, '--ftp-certfile'),
    key: ftpKeyfile === undefined ? undefined : await read(ftpKeyfile, 'The key file'),
  }
}

async function readCertificate(file: string, option: string): Promise<string> {
  const text = await read(file, 'The certificate file')
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new Failure('configuration', `${file} holds no certificate.`, {
    remedy: `${option} names a file in the form PEM.`,
  })
}

async function firstLine(file: string | undefined): Promise<string> {
  if (file === undefined) {
    throw new Failure('configuration', 'There is no password to log in with.', {
      remedy: 'Give --ftp-password-file, FREEZER_FTP_PASSWORD, or ftp_password in an ini file.',
    })
  }
  const [line = ''] = (await read(file, 'The password file')).split(/\r?\n/, 1)
  if (line !== '') return line
  throw new Failure('key', `The password file ${file} has no password in its first line.`, {
    remedy: 'Write the password into the first line of that file.',
  })
}

async function read(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Failure('configuration', `${what} ${file} cannot be read: ${code}.`, {
      remedy: 'Check the path, and that you may read the file.',
      cause: error,
    })
  }
}
