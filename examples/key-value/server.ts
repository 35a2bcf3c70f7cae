/** A key-value store on 127.0.0.1, small enough for an example: what the mode beside it backs up. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface KeyValueServer extends AsyncDisposable {
  readonly url: string
  readonly values: Map<string, unknown>
  /** Whether somebody holds it still: writing waits then. */
  readonly held: boolean
}

/**
 * - `PUT /values/KEY`: sets a value. Waits while the store is held.
 * - `POST /hold`: holds the store still for as long as the connection lasts.
 * - `GET /dump`: a line of JSON for each value. `PUT /dump`: replaces all of them, when the whole of it has come.
 */
export async function startKeyValueServer(): Promise<KeyValueServer> {
  let values = new Map<string, unknown>()
  let holding: Promise<void> | undefined

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = `${request.method} ${request.url}`
    if (asked === 'POST /hold') {
      await holding
      const { promise, resolve } = Promise.withResolvers<void>()
      holding = promise
      response.on('close', () => {
        holding = undefined
        resolve()
      })
      response.write('held\n')
    } else if (asked === 'GET /dump') {
      for (const entry of values) response.write(`${JSON.stringify(entry)}\n`)
      response.end()
    } else if (asked === 'PUT /dump') {
      const lines = (await textOf(request)).split('\n').filter((line) => line !== '')
      values = new Map(lines.map((line) => JSON.parse(line) as [string, unknown]))
      response.end()
    } else if (asked.startsWith('PUT /values/')) {
      const value: unknown = JSON.parse(await textOf(request))
      await holding
      values.set(decodeURIComponent(asked.slice('PUT /values/'.length)), value)
      response.end()
    } else response.writeHead(404).end()
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get values() {
      return values
    },
    get held() {
      return holding !== undefined
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** @throws when the client went away before the end */
async function textOf(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await Array.fromAsync(request as AsyncIterable<Uint8Array>)).toString()
}
