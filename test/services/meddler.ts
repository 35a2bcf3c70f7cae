/** A stand-in between a client and a real HTTP server: it hands everything on, except where it is told to meddle. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** What happens to one request. */
export type Meddling =
  /** The server never sees it; this is the answer. */
  | { readonly answer: number; readonly headers?: http.OutgoingHttpHeaders; readonly body?: string }
  /** The connection ends, `before` the server sees the request or `after` it did all its work. */
  | { readonly cut: 'before' | 'after' }
  /** So many bytes of the answer's body arrive; then the connection ends, or stays and is silent. */
  | { readonly bytes: number; readonly end: 'cut' | 'silence' }
  /** A header of the answer says something else; undefined takes it away. */
  | { readonly header: string; readonly value: string | undefined }
  /** The lowest bit of the first byte of the body is turned, on the way to the server or back. */
  | { readonly flip: 'request' | 'answer' }
  /** The request reaches the server so many milliseconds late. */
  | { readonly delay: number }

export interface Seen {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
}

export interface Meddler {
  /** `http://127.0.0.1:…`, which stands for that of the server. */
  readonly origin: string
  /** Every request since it was emptied last. */
  readonly seen: Seen[]
  /** Asked of each request. */
  meddle: (request: Seen) => Meddling | undefined
  /** With TLS: the file of its certificate, which it signed itself. */
  readonly certificate: string | undefined
  [Symbol.asyncDispose](): Promise<void>
}

/** Stands in front of the server at `target`, an origin. With `name` it speaks TLS, and its certificate is for that name. */
export async function startMeddler(target: string, name?: string): Promise<Meddler> {
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-meddler-'))
  const certificate = path.join(directory, 'certificate.pem')
  const agent = new http.Agent({ keepAlive: true })
  const seen: Seen[] = []
  const { port, hostname } = new URL(target)
  const handle: http.RequestListener = (request, response) => {
    serve(request, response).catch(() => response.destroy())
  }

  async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const one = { method, path: url, headers }
    seen.push(one)
    const meddling = meddler.meddle(one) ?? { delay: 0 }
    if ('answer' in meddling) {
      request.resume()
      await once(request, 'end')
      response.writeHead(meddling.answer, meddling.headers).end(meddling.body ?? 'words of the meddler')
      return
    }
    if ('cut' in meddling && meddling.cut === 'before') {
      request.socket.destroy()
      return
    }
    if ('delay' in meddling && meddling.delay > 0) await pause(meddling.delay)
    // Some servers send a body after HEAD, which would be taken for the next answer.
    const connection = method === 'HEAD' ? { agent: false as const } : { agent }
    const onward = http.request({ ...connection, hostname, port, method, path: url, headers })
    onward.on('error', () => {})
    // Whoever gives up here gives up there.
    response.on('close', () => onward.destroy())
    const answered = once(onward, 'response') as Promise<[http.IncomingMessage]>
    answered.catch(() => {})
    let first = true
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (first && 'flip' in meddling && meddling.flip === 'request') chunk[0] = (chunk[0] ?? 0) ^ 1
      first = false
      if (!onward.write(chunk)) await once(onward, 'drain')
    }
    onward.end()
    const [answer] = await answered
    if ('cut' in meddling) {
      answer.resume()
      await once(answer, 'end')
      request.socket.destroy()
      return
    }
    const fields = { ...answer.headers }
    if (name !== undefined && typeof fields['x-storage-url'] === 'string') {
      fields['x-storage-url'] = fields['x-storage-url'].replace('http:', 'https:')
    }
    if ('header' in meddling) {
      delete fields[meddling.header]
      if (meddling.value !== undefined) fields[meddling.header] = meddling.value
    }
    response.writeHead(answer.statusCode ?? 500, fields)
    response.flushHeaders()
    let left = 'bytes' in meddling ? meddling.bytes : Number.POSITIVE_INFINITY
    first = true
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (first && 'flip' in meddling && meddling.flip === 'answer') chunk[0] = (chunk[0] ?? 0) ^ 1
      first = false
      const part = chunk.subarray(0, left)
      left -= part.length
      if (part.length > 0 && !response.write(part)) await once(response, 'drain')
      if (left > 0) continue
      answer.destroy()
      if ('end' in meddling && meddling.end === 'silence') return
      // What was written is on its way first.
      await pause(50)
      request.socket.destroy()
      return
    }
    response.end()
  }

  if (name !== undefined) makeCertificate(directory, name)
  const server =
    name === undefined
      ? http.createServer(handle)
      : https.createServer(
          { key: fs.readFileSync(path.join(directory, 'key.pem')), cert: fs.readFileSync(certificate) },
          handle,
        )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const meddler: Meddler = {
    origin: `${name === undefined ? 'http' : 'https'}://${name ?? '127.0.0.1'}:${(server.address() as AddressInfo).port}`,
    seen,
    meddle: () => undefined,
    certificate: name === undefined ? undefined : certificate,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      const closed = once(server, 'close')
      server.close()
      await closed
      agent.destroy()
      fs.rmSync(directory, { recursive: true })
    },
  }
  return meddler
}

function makeCertificate(directory: string, name: string): void {
  const out = ['-keyout', path.join(directory, 'key.pem'), '-out', path.join(directory, 'certificate.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, ...out], { stdio: 'ignore' })
}
