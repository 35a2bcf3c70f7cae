import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { notifierContract } from '@freezer/sdk/testing'
import { webhook as notifier } from '../src/index.ts'

let arrived = 0
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.url === '/silent') return
    arrived++
    response.end()
  })
})
const options: Record<string, unknown> = {}
const silent: Record<string, unknown> = {}
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  options['webhookUrl'] = `http://127.0.0.1:${port}/secret`
  silent['webhookUrl'] = `http://127.0.0.1:${port}/silent`
})
after(() => {
  server.closeAllConnections()
  server.close()
})

/** A server keeps its end of a connection for a while: those of the notifier are counted without it. */
async function openHandles(): Promise<number> {
  server.closeAllConnections()
  await new Promise((resolve) => setTimeout(resolve, 50))
  return fs.readdirSync('/proc/self/fd').length
}

for (const check of notifierContract({
  notifier,
  options,
  arrived: () => arrived,
  unreachable: { webhookUrl: 'http://127.0.0.1:9/secret' },
  silent,
  openHandles,
})) {
  test(check.name, check.run)
}
