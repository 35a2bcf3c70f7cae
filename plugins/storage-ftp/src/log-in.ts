import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { Failure, throwIfAborted } from '@freezer/sdk'
import { Client } from 'basic-ftp'
import { Connection } from './connection.ts'
import { fromConnection, fromServer, placeOf, replyOf } from './failures.ts'

export interface TlsSettings {
  readonly implicit: boolean
  /** Believe any certificate. */
  readonly insecure: boolean
  /** In the form PEM, as are the others. */
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
}

/** Which account of which machine, and how it is reached. */
export interface Account {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
  /** Milliseconds that the machine may be silent. */
  readonly timeout: number
  /** Undefined for none. */
  readonly tls: TlsSettings | undefined
}

/**
 * Connects and logs in.
 * @throws Failure `not-found` for a host that does not exist, `unavailable`, `untrusted`, `denied`
 */
export async function logIn(account: Account, signal: AbortSignal): Promise<Connection> {
  throwIfAborted(signal)
  const place = placeOf(account)
  const client = new Client(account.timeout)
  const abort = () => client.close()
  signal.addEventListener('abort', abort, { once: true })
  try {
    await greet(client, account, place)
    await authenticate(client, account, place)
    const features = await settle(client, account, place)
    const machineListings = features.has('MLST')
    return new Connection({ client, place, timeout: account.timeout, machineListings })
  } catch (error) {
    client.close()
    throwIfAborted(signal)
    throw replyOf(error) === undefined ? fromConnection(error, place) : fromServer(error, `use ${place}`)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Connects, with TLS where that is wanted. */
async function greet(client: Client, { host, port, tls }: Account, place: string): Promise<void> {
  if (tls?.implicit === true) {
    await client.connectImplicitTLS(host, port, tlsOptions(host, tls))
    return
  }
  await client.connect(host, port)
  if (tls === undefined) return
  try {
    await client.useTLS(tlsOptions(host, tls))
  } catch (error) {
    if (replyOf(error) === undefined) throw error
    throw new Failure('denied', `${place} offers no TLS.`, {
      remedy:
        'Let the server offer it; --storage ftp goes without, and shows password and blobs to whoever listens.',
      facts: { reply: replyOf(error) },
      cause: error,
    })
  }
}

function tlsOptions(host: string, { insecure, ca, cert, key }: TlsSettings): ConnectionOptions {
  return {
    // Data connections go to an address; their session belongs to this name.
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    rejectUnauthorized: !insecure,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  }
}

async function authenticate(client: Client, account: Account, place: string): Promise<void> {
  const { username, password, tls } = account
  try {
    await client.login(username, password)
  } catch (error) {
    const reply = replyOf(error)
    if (reply === undefined || reply < 500) throw error
    const said = (error as Error).message
    const facts = { reply, said: said.slice(4, 300) }
    if (tls === undefined && /TLS|SSL|secure|encrypt/i.test(said)) {
      throw new Failure('denied', `${place} lets nobody log in without TLS.`, {
        remedy: 'Use --storage ftps.',
        facts,
        cause: error,
      })
    }
    throw new Failure('denied', `${place} refuses the account ${username} with the password.`, {
      remedy: 'Check --ftp-username and the password; a server with too many connections says the same.',
      facts,
      cause: error,
    })
  }
}

/** Agrees on bytes as they are, names in UTF-8, and protected data connections; gives what the server is able to. */
async function settle(client: Client, { tls }: Account, place: string): Promise<ReadonlyMap<string, string>> {
  const features = await client.features()
  await client.send('TYPE I')
  if (features.has('UTF8')) await client.sendIgnoringError('OPTS UTF8 ON')
  if (features.has('MLST')) await client.sendIgnoringError('OPTS MLST type;size;modify;')
  if (tls === undefined) return features
  try {
    await client.send('PBSZ 0')
    await client.send('PROT P')
  } catch (error) {
    if (replyOf(error) === undefined) throw error
    throw new Failure('denied', `${place} does not protect what is transferred, only the log-in.`, {
      remedy: 'Let the server permit PROT P.',
      facts: { reply: replyOf(error) },
      cause: error,
    })
  }
  return features
}
