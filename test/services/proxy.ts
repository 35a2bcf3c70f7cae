/** Forward proxies: a real one, tinyproxy, that wants a password; and those that are of no use. */
import { once } from 'node:events'
import fs from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { answers, freePort, installPackages, startService } from './service.ts'

export interface ForwardProxy extends AsyncDisposable {
  /** `http://127.0.0.1:…` */
  readonly url: string
  /** What it wants to be told, as `USER:PASSWORD`. */
  readonly credentials: string
  /** Its own words of every request since it was started. */
  log(): string
}

/** Starts tinyproxy. It connects to every port, and hands plain HTTP on. */
export async function startProxy(): Promise<ForwardProxy> {
  installPackages('tinyproxy-bin')
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-proxy-'))
  const port = await freePort()
  const credentials = 'carrier:proxy-secret-1'
  const [user, password] = credentials.split(':')
  const config = path.join(directory, 'config')
  const log = path.join(directory, 'log')
  fs.writeFileSync(
    config,
    [
      `Port ${port}`,
      'Listen 127.0.0.1',
      'Timeout 60',
      'MaxClients 50',
      `LogFile "${log}"`,
      'LogLevel Connect',
      `BasicAuth ${user} ${password}`,
      '',
    ].join('\n'),
  )
  fs.writeFileSync(log, '')
  const service = await startService({
    name: 'tinyproxy',
    directory,
    command: ['tinyproxy', '-d', '-c', config],
    ready: () => answers(port),
  })
  return {
    ...service,
    url: `http://127.0.0.1:${port}`,
    credentials,
    log: () => fs.readFileSync(log, 'utf8'),
  }
}

/** A proxy that is of no use, and what is to be said of it. */
export interface WrongProxy {
  readonly name: string
  readonly url: string
  readonly code: 'denied' | 'unavailable' | 'not-found'
  readonly message: RegExp
  /** For tunnels alone: what a proxy answers to plain HTTP cannot be told from an answer of the service. */
  readonly tunnel?: boolean
}

/** Proxies that each are of no use in their way, until they are disposed. Who asks them must be patient for a second. */
export async function startWrongProxies(): Promise<{ rows: WrongProxy[] } & AsyncDisposable> {
  const servers: Server[] = []
  const sockets = new Set<Socket>()
  async function start(serve: (socket: Socket) => void): Promise<string> {
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      serve(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.push(server)
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const answering = (text: string) => start((socket) => socket.once('data', () => socket.end(text)))
  const status = (line: string) =>
    answering(`HTTP/1.1 ${line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  const rows: WrongProxy[] = [
    {
      name: 'wants a password',
      url: await status('407 Proxy Authentication Required'),
      code: 'denied',
      message: /^The proxy 127\.0\.0\.1:\d+ does not take the user and the password, or wants some\.$/,
    },
    {
      name: 'may not go there',
      url: await status('403 Forbidden'),
      code: 'denied',
      message: /^The proxy \S+ does not connect to \S+: its answer is 403\.$/,
      tunnel: true,
    },
    {
      name: 'cannot get there',
      url: await status('502 Bad Gateway'),
      code: 'unavailable',
      message: /^The proxy \S+ cannot reach \S+: its answer is 502\.$/,
      tunnel: true,
    },
    {
      name: 'is none',
      url: await answering('220 mail.example ESMTP\r\n\r\n'),
      code: 'unavailable',
      message: /^The proxy \S+ does not do what a proxy does\.$/,
      tunnel: true,
    },
    {
      name: 'ends the connection',
      url: await start((socket) => socket.destroy()),
      code: 'unavailable',
      message: /^The proxy \S+ does not do what a proxy does\.$/,
      tunnel: true,
    },
    {
      name: 'is silent',
      url: await start(() => {}),
      code: 'unavailable',
      message: /does not answer\.$/,
    },
    {
      name: 'is not there',
      url: `http://127.0.0.1:${await freePort()}`,
      code: 'unavailable',
      message: /^The proxy \S+ refuses the connection\.$/,
    },
    {
      name: 'is nobody',
      url: 'http://no-such-proxy.invalid:3128',
      code: 'not-found',
      message: /^There is no machine called no-such-proxy\.invalid, which is to be the proxy\.$/,
    },
  ]
  return {
    rows,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(
        servers.map(async (server) => {
          const closed = once(server, 'close')
          server.close()
          await closed
        }),
      )
    },
  }
}
