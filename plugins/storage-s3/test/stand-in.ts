/** A bucket in memory that speaks of S3 what Freezer does: uploads in parts, versions and locks. It looks at no signature. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import { s3 } from '../src/index.ts'

export interface Version {
  /** Undefined for a delete marker. */
  readonly content: Buffer | undefined
  readonly mode: string | undefined
  readonly until: string | undefined
}

interface Upload {
  readonly object: string
  readonly initiated: string
  readonly headers: http.IncomingHttpHeaders
  readonly parts: Map<number, Buffer>
}

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => boolean

export interface StandIn {
  readonly endpoint: string
  /** Whether the bucket was made with object lock; undefined when there is no bucket. */
  locks: boolean | undefined
  /** By the name of an object, the newest last. */
  readonly versions: Map<string, Version[]>
  readonly uploads: Map<string, Upload>
  readonly seen: string[]
  /** Answers in its place when it gives true. */
  meddle: Handler
  /** The most requests with a body that were under way at once. */
  busiest: number
  open(given?: Record<string, unknown>, create?: boolean): Promise<Storage>
  close(): void
}

const error = (response: http.ServerResponse, status: number, code: string) =>
  response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`)
const md5 = (content: Buffer) => createHash('md5').update(content).digest()

export async function startStandIn(): Promise<StandIn> {
  let count = 0
  let busy = 0
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    standIn.seen.push(`${request.method} ${request.url}`)
    standIn.busiest = Math.max(standIn.busiest, ++busy)
    response.on('close', () => busy--)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (!standIn.meddle(request, response)) answer(request, response, Buffer.concat(chunks))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const values = {
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    accessKey: 'KEY',
    secretKey: 'S',
  }

  function store(object: string, content: Buffer | undefined, headers: http.IncomingHttpHeaders): void {
    const mode = headers['x-amz-object-lock-mode'] as string | undefined
    const until = headers['x-amz-object-lock-retain-until-date'] as string | undefined
    standIn.versions.set(object, [...(standIn.versions.get(object) ?? []), { content, mode, until }])
  }

  function answer(request: http.IncomingMessage, response: http.ServerResponse, body: Buffer): void {
    const { method, headers } = request
    const url = new URL(request.url ?? '', 'http://x')
    const object = decodeURIComponent(url.pathname.split('/').slice(2).join('/'))
    const has = (name: string) => url.searchParams.has(name)
    const id = url.searchParams.get('uploadId') ?? ''
    const upload = standIn.uploads.get(id)
    const sent = headers['content-md5']
    if (standIn.locks === undefined && !(method === 'PUT' && object === ''))
      error(response, 404, 'NoSuchBucket')
    else if (sent !== undefined && sent !== md5(body).toString('base64')) error(response, 400, 'BadDigest')
    else if (object === '') bucket(method, headers, has, response)
    else if (headers['x-amz-object-lock-mode'] !== undefined && !standIn.locks) {
      error(response, 400, 'InvalidRequest')
    } else if (method === 'POST' && has('uploads')) {
      const made = `upload ${++count}&`
      const initiated = new Date().toISOString()
      standIn.uploads.set(made, { object, initiated, headers, parts: new Map() })
      const escaped = made.replace('&', '&amp;')
      response.end(
        `<InitiateMultipartUploadResult><UploadId>${escaped}</UploadId></InitiateMultipartUploadResult>`,
      )
    } else if (has('uploadId') && upload?.object !== object) error(response, 404, 'NoSuchUpload')
    else if (has('partNumber')) {
      upload?.parts.set(Number(url.searchParams.get('partNumber')), body)
      response.writeHead(200, { etag: `"${md5(body).toString('hex')}"` }).end()
    } else if (method === 'POST' && upload !== undefined) complete(id, upload, body, response)
    else if (method === 'DELETE' && upload !== undefined) {
      standIn.uploads.delete(id)
      response.writeHead(204).end()
    } else if (method === 'DELETE') {
      store(object, undefined, {})
      response.writeHead(204).end()
    } else if (method === 'PUT' && headers['x-amz-object-lock-mode'] !== undefined && sent === undefined) {
      error(response, 400, 'InvalidRequest')
    } else if (method === 'PUT') {
      store(object, body, headers)
      response.end()
    } else {
      const content = standIn.versions.get(object)?.at(-1)?.content
      if (content === undefined) error(response, 404, 'NoSuchKey')
      else response.end(method === 'HEAD' ? undefined : content)
    }
  }

  function bucket(
    method: string | undefined,
    headers: http.IncomingHttpHeaders,
    has: (name: string) => boolean,
    response: http.ServerResponse,
  ): void {
    if (method === 'PUT') {
      standIn.locks = headers['x-amz-bucket-object-lock-enabled'] === 'true'
      response.end()
    } else if (has('object-lock')) {
      if (standIn.locks !== true) error(response, 404, 'ObjectLockConfigurationNotFoundError')
      else {
        response.end(
          '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
        )
      }
    } else if (has('uploads')) {
      const listed = [...standIn.uploads].map(
        ([id, { object, initiated }]) =>
          `<Upload><Key>${encodeURIComponent(object)}</Key><UploadId>${id.replace('&', '&amp;')}</UploadId><Initiated>${initiated}</Initiated></Upload>`,
      )
      response.end(
        `<ListMultipartUploadsResult><EncodingType>url</EncodingType>${listed.join('')}</ListMultipartUploadsResult>`,
      )
    } else {
      const listed = [...standIn.versions].flatMap(([object, versions]) => {
        const content = versions.at(-1)?.content
        return content === undefined
          ? []
          : [`<Contents><Key>${object}</Key><Size>${content.length}</Size></Contents>`]
      })
      response.end(`<ListBucketResult>${listed.join('')}<IsTruncated>false</IsTruncated></ListBucketResult>`)
    }
  }

  function complete(id: string, upload: Upload, body: Buffer, response: http.ServerResponse): void {
    const named = [
      ...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>&quot;(\w+)&quot;<\/ETag>/g),
    ]
    const parts = named.map(([, number, etag]) => {
      const part = upload.parts.get(Number(number))
      return part !== undefined && md5(part).toString('hex') === etag ? part : undefined
    })
    if (parts.includes(undefined) || parts.length === 0) {
      error(response, 400, 'InvalidPart')
      return
    }
    standIn.uploads.delete(id)
    store(upload.object, Buffer.concat(parts as Buffer[]), upload.headers)
    response.end('<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>')
  }

  const standIn: StandIn = {
    endpoint: values.endpoint,
    locks: false,
    versions: new Map(),
    uploads: new Map(),
    seen: [],
    meddle: () => false,
    busiest: 0,
    open: async (given = {}, create = false) =>
      s3.open(checkOptions(s3.options, { container: 'bucket/p', ...values, ...given }), quietContext(), {
        create,
      }),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return standIn
}
