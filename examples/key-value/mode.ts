/** A mode of one's own: backs up a key-value store (server.ts) as the stream that it dumps, held still meanwhile. */
import { declareMode, Failure, type Plugin } from '@freezer/sdk'

export const keyValueMode = declareMode({
  name: 'key-value',
  description: 'The values of a key-value store',
  sources: ['stream'],
  options: {
    keyValueUrl: { type: 'string', value: 'URL', required: true, help: 'Address of the store' },
  },

  async open({ keyValueUrl: url }) {
    // The store is held for as long as this connection lasts: when this process is killed, it goes on by itself.
    let connection: AbortController | undefined
    return {
      async *resources() {
        yield { name: '', facts: { url } }
      },
      async quiesce(_, signal) {
        connection = new AbortController()
        const { body } = await call(url, 'hold', 'POST', AbortSignal.any([connection.signal, signal]))
        // Only what it says first tells that it is held.
        await body?.getReader().read()
      },
      async release() {
        connection?.abort()
      },
      source: async () => ({
        kind: 'stream',
        name: 'dump.jsonl',
        // A connection that breaks off is an error of the iteration, and so no backup.
        open: async function* (signal) {
          const { body } = await call(url, 'dump', 'GET', signal)
          if (body !== null) yield* body
        },
      }),
      [Symbol.asyncDispose]: async () => connection?.abort(),
    }
  },

  async target({ destination, overwrite, purpose }, _facts, { signal }) {
    if (purpose === 'verify') throw new Failure('usage', 'A store cannot be compared with a backup.')
    if (overwrite !== 'always' && (await (await call(destination, 'dump', 'GET', signal)).text()) !== '') {
      throw new Failure('refused', `The store ${destination} is not empty.`, {
        remedy: 'Restore into an empty one, or overwrite it.',
      })
    }
    return {
      kind: 'stream',
      // Of a dry run, which writes nothing.
      purpose,
      // The store takes the whole of it or nothing.
      write: async (chunks, _name, stop) => {
        await call(destination, 'dump', 'PUT', stop, ReadableStream.from(chunks))
      },
    }
  },
})

/** @throws Failure `unavailable`, `interrupted` */
async function call(
  url: string,
  path: string,
  method: string,
  signal: AbortSignal,
  body?: ReadableStream<Uint8Array>,
): Promise<Response> {
  const sent = body === undefined ? {} : { body, duplex: 'half' as const }
  const response = await fetch(`${url}/${path}`, { method, signal, ...sent }).catch((cause: unknown) => {
    const code = signal.aborted ? 'interrupted' : 'unavailable'
    throw new Failure(code, `The store ${url} cannot be reached.`, { cause })
  })
  if (response.ok) return response
  throw new Failure('unavailable', `The store ${url} answers with ${response.status}.`)
}

export default { modes: [keyValueMode] } satisfies Plugin
