/** A stand-in between a client and a real TCP server: it hands bytes on, and cuts connections when they had enough. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Cutter extends AsyncDisposable {
  readonly port: number
  /** Bytes, of both directions, after which connections are cut, one after the other as they are used; then no more. */
  plan: number[]
  /** Connections that were cut. */
  readonly cuts: number
}

/** Stands in front of the server at `port` of this machine. */
export async function startCutter(port: number): Promise<Cutter> {
  const sockets = new Set<Socket>()
  let cuts = 0
  const server = createServer((client) => {
    const onward = connect(port, '127.0.0.1')
    onward.setNoDelay(true)
    client.setNoDelay(true)
    let left: number | undefined
    const pass = (from: Socket, to: Socket): void => {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.on('data', (bytes) => {
        left ??= cutter.plan.shift()
        if (left !== undefined) left -= bytes.length
        if (left !== undefined && left < 0) {
          cuts++
          client.resetAndDestroy()
          onward.destroy()
        } else if (!to.write(bytes)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
      })
    }
    pass(client, onward)
    pass(onward, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cutter: Cutter = {
    port: (server.address() as AddressInfo).port,
    plan: [],
    get cuts() {
      return cuts
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
  return cutter
}
