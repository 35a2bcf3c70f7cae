import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Failure, isFailure } from '@freezer/sdk'
import ssh2, {
  type AuthHandlerMiddleware,
  type CipherAlgorithm,
  type Client,
  type ServerHostKeyAlgorithm,
  type SFTPWrapper,
} from 'ssh2'
import { abortable } from './abortable.ts'
import { BulkSocket } from './bulk-socket.ts'
import { Channel } from './channel.ts'
import type { Credential } from './credentials.ts'
import { fromConnection, placeOf } from './failures.ts'
import { freeRequests, keepKeys } from './hasten.ts'
import type { HostKeyCheck } from './host-key.ts'

/** Which account of which machine, and how it is reached. */
export interface Account {
  readonly host: string
  readonly port: number
  readonly username: string
  /** Milliseconds that the machine may be silent. */
  readonly timeout: number
}

/** Those that processors have instructions for come first. */
const ciphers: CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
]

const hostKeyAlgorithms: ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
]

/** SFTP sessions at a time: each is a process of the server, which waits for its disk alone. */
const channelsAtOnce = 4

/** A request may wait for the disk of the server; the machine itself must answer sooner. */
const patienceFactor = 10

/** Milliseconds that a farewell may take. */
const farewell = 1000

interface Slot {
  users: number
  readonly channel: Promise<Channel>
}

/** A connection to an account. */
export class Connection {
  readonly #client: Client
  readonly #socket: Socket
  readonly #account: Account
  #slots: Slot[] = []
  #most = channelsAtOnce
  #ended: Failure | undefined
  readonly #channels = new Set<Channel>()

  constructor(client: Client, socket: Socket, account: Account) {
    this.#client = client
    this.#socket = socket
    this.#account = account
    client.on('error', (error) => this.#end(fromConnection(error, placeOf(account))))
    client.on('close', () => this.#end(fromConnection(new Error('closed'), placeOf(account))))
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** An SFTP session that few others use. @throws Failure `unavailable`, `denied` */
  async channel(signal: AbortSignal): Promise<Channel> {
    for (;;) {
      if (this.#ended !== undefined) throw this.#ended
      const slot = this.#slot()
      slot.users++
      try {
        const channel = await abortable(slot.channel, signal)
        if (!channel.ended) return channel
        this.#slots = this.#slots.filter((other) => other !== slot)
      } catch (error) {
        slot.users--
        if (signal.aborted) throw error
        this.#slots = this.#slots.filter((other) => other !== slot)
        // A server may permit fewer sessions than we would like.
        this.#most = this.#slots.length
        if (this.#most === 0) throw error
      }
    }
  }

  #slot(): Slot {
    const [least] = this.#slots.toSorted((a, b) => a.users - b.users)
    if (least !== undefined && (least.users === 0 || this.#slots.length >= this.#most)) return least
    const slot: Slot = { users: 0, channel: this.#openChannel(() => slot.users--) }
    // Whoever asked for it may be gone when it fails.
    slot.channel.catch(() => {})
    this.#slots.push(slot)
    return slot
  }

  #openChannel(release: () => void): Promise<Channel> {
    const { promise, resolve, reject } = Promise.withResolvers<Channel>()
    const refused = (cause: unknown) =>
      new Failure('denied', `${placeOf(this.#account)} gives ${this.#account.username} no SFTP session.`, {
        remedy: 'Let its SSH server offer the subsystem sftp to that account.',
        cause,
      })
    try {
      this.#client.sftp((error, sftp) => {
        // ssh2 also calls a session ready that the end of its connection cut short.
        if (this.#ended !== undefined) reject(this.#ended)
        else if (error !== undefined) reject(this.#socket.writable ? refused(error) : lost(this.#account))
        else resolve(this.#watch(sftp, release))
      })
    } catch (error) {
      reject(this.#ended ?? lost(this.#account, error))
    }
    return promise
  }

  /** A channel that ends when its session or the connection does, from now on. */
  #watch(sftp: SFTPWrapper, release: () => void): Channel {
    const channel = new Channel(sftp, this.#account.timeout * patienceFactor, release)
    this.#channels.add(channel)
    const gone = (cause?: Error) => {
      this.#channels.delete(channel)
      channel.end(this.#ended ?? lost(this.#account, cause))
    }
    sftp.on('error', gone)
    sftp.on('end', () => setImmediate(gone))
    sftp.on('close', () => setImmediate(gone))
    return channel
  }

  #end(failure: Failure): void {
    this.#ended ??= failure
    this.#slots = []
    for (const channel of this.#channels) channel.end(this.#ended)
    this.#channels.clear()
    this.#socket.destroy()
  }

  async close(): Promise<void> {
    if (!this.#socket.destroyed) {
      this.#client.end()
      await Promise.race([once(this.#socket, 'close'), pause(farewell, undefined, { ref: false })])
    }
    this.#end(new Failure('unavailable', 'The storage is closed.'))
  }
}

function lost(account: Account, cause?: unknown): Failure {
  return new Failure('unavailable', `${placeOf(account)} ended the connection.`, {
    remedy: 'Try again later.',
    cause,
  })
}

/**
 * Connects and logs in.
 * @throws Failure `not-found` for a host that does not exist, `unavailable`, `untrusted`, `denied`
 */
export async function connect(
  account: Account,
  hostKey: HostKeyCheck,
  credentials: readonly Credential[],
  signal: AbortSignal,
): Promise<Connection> {
  const { host, port, timeout, username } = account
  const client = new ssh2.Client()
  const socket = BulkSocket.connect(host, port)
  const { promise: connected, resolve, reject } = Promise.withResolvers<Connection>()
  let distrust: Failure | undefined
  let trusted: Buffer | undefined
  const log = authentication(account, credentials)

  // After each exchange of keys.
  client.on('handshake', ({ sc }) => {
    keepKeys(client)
    // What comes in by this cipher is decrypted into other memory at once.
    if (sc.cipher.includes('gcm')) socket.reuse()
  })
  client.on('ready', () => {
    freeRequests(client)
    resolve(new Connection(client, socket, account))
  })
  client.on('error', (error) => {
    const { level } = error as { level?: string }
    // An agent that does not answer is one way less to log in.
    if (level === 'agent') return
    const refused = level === 'client-authentication' || /auth/i.test(error.message)
    reject(distrust ?? (refused ? log.refusal(error) : fromConnection(error, placeOf(account))))
  })
  client.on('close', () => reject(distrust ?? fromConnection(new Error('closed'), placeOf(account))))
  try {
    client.connect({
      sock: socket,
      username,
      readyTimeout: timeout,
      keepaliveInterval: Math.ceil(timeout / 3),
      keepaliveCountMax: 3,
      algorithms: { cipher: ciphers, serverHostKey: preferred(hostKey.types) },
      authHandler: log.handler,
      hostVerifier: (key: Buffer, verify: (valid: boolean) => void) => {
        // When keys are exchanged anew: made to wait for the answer then, ssh2 sends packets out of order meanwhile.
        if (trusted !== undefined) return trusted.equals(key)
        hostKey
          .verify(key)
          .then(
            () => {
              trusted = Buffer.from(key)
              verify(true)
            },
            (error: unknown) => {
              if (isFailure(error)) distrust = error
              verify(false)
            },
          )
          // When the connection has ended by now, ssh2 throws.
          .catch(() => socket.destroy())
        return undefined
      },
    })
    return await abortable(connected, signal)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** Algorithms for keys that are known first: a host has keys of several types, and may be known by one alone. */
function preferred(types: readonly string[]): ServerHostKeyAlgorithm[] {
  const isKnown = (algorithm: string) => types.includes(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm)
  return hostKeyAlgorithms.toSorted((a, b) => Number(isKnown(b)) - Number(isKnown(a)))
}

/** Offers the credentials one after the other, and knows afterwards which were refused. */
function authentication({ host, port, username }: Account, credentials: readonly Credential[]) {
  const left = [...credentials]
  const tried = new Set<string>()
  let taken: readonly string[] | undefined
  const handler: AuthHandlerMiddleware = (methods, _partial, next) => {
    taken = methods ?? taken
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      const name = one.method.type === 'agent' ? 'publickey' : one.method.type
      if (taken !== undefined && taken !== null && !taken.includes(name)) continue
      tried.add(one.what)
      next(one.method)
      return undefined
    }
    // There are no more.
    return false
  }
  return {
    handler,
    refusal(cause: Error): Failure {
      const place = placeOf({ host, port })
      const what = [...tried].join(' and ')
      const message =
        what === ''
          ? `${place} lets ${username} log in with ${(taken ?? []).join(' or ') || 'nothing'} only, which was not given.`
          : `${place} refuses the account ${username} with ${what}.`
      return new Failure('denied', message, {
        remedy: 'Check --ssh-username, and that the account may log in with what you gave.',
        facts: { methods: taken?.join(' ') },
        cause,
      })
    },
  }
}
