/** What the program says when a storage is described wrongly: a table of mistakes for each. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { freezer } from '../support/program.ts'

/** Exit status of a code, as the README lists them. */
const statuses = {
  configuration: 2,
  'not-found': 4,
  key: 8,
  unavailable: 9,
  denied: 10,
  untrusted: 17,
} as const

/** Options without their dashes; undefined leaves one out. */
export type Words = Readonly<Record<string, string | undefined>>

export interface Mistake {
  readonly what: string
  /** What differs from a description that is right. */
  readonly given: Words
  /** The same for the environment. */
  readonly environment?: Words
  readonly code: keyof typeof statuses
  readonly says: RegExp
}

/**
 * That the description `right` works, and that each mistake gives one sentence, what to do next, the exit status of its code, and
 * none of `secrets`.
 */
export function testMistakes(right: Words, mistakes: readonly Mistake[], secrets: readonly string[]): void {
  const words = (given: Words) =>
    Object.entries({ ...right, ...given }).flatMap(([name, value]) =>
      value === undefined ? [] : value === '' ? [`--${name}`] : [`--${name}`, value],
    )
  test('without a mistake it works', async () => {
    const { status, stderr } = await freezer(
      'storage',
      'test',
      ...words({}),
      '--create',
      '--test-objects=5',
      '--test-bytes=1',
    )
    assert.equal(status, 0, stderr)
  })
  for (const { what, given, environment = {}, code, says } of mistakes) {
    test(`wrong: ${what}`, async () => {
      const before = { ...process.env }
      for (const [name, value] of Object.entries(environment)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
      try {
        const shown = await freezer('list', ...words(given), '--retries', '0')
        assert.equal(shown.status, statuses[code], shown.stderr)
        assert.match(shown.stderr, /^freezer: [^\n]+\.\n$/)
        assert.match(shown.stderr, says)
        const asJson = await freezer('list', ...words(given), '--retries', '0', '--json', '--debug')
        const { failure } = JSON.parse(asJson.stdout) as {
          failure: { code: string; message: string; remedy?: string }
        }
        assert.equal(failure.code, code)
        assert.match(failure.message, /^[^\n]+\.$/)
        assert.ok((failure.remedy ?? '').length > 10, `${failure.message} has no remedy`)
        const all = shown.stdout + shown.stderr + asJson.stdout + asJson.stderr
        for (const secret of secrets) {
          assert.ok(!all.includes(secret), all)
          assert.ok(!all.includes(Buffer.from(secret).toString('base64')), all)
        }
      } finally {
        for (const name of Object.keys(environment)) {
          const value = before[name]
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      }
    })
  }
}

/** Ports that are of no use: nobody, somebody who says something else, somebody who says nothing. */
export async function strangePorts(): Promise<{ readonly mail: number; readonly silent: number }> {
  const listen = async (serve: (socket: Socket) => void): Promise<number> => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      serve(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return (server.address() as AddressInfo).port
  }
  return {
    mail: await listen((socket) => socket.end('554 mail.example does not talk to you\r\n')),
    silent: await listen(() => {}),
  }
}
