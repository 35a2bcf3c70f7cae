// A session with a server that says what it is told to: when a token is renewed, and how often.
import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { checkOptions } from '@freezer/sdk'
import { openstackOptions } from '../src/options.ts'
import { Session } from '../src/session.ts'

interface Cloud extends AsyncDisposable {
  readonly url: string
  /** Logins so far. */
  logins: number
  /** The status of a login. */
  login: number
  /** Milliseconds that a token is said to live. */
  life: number
  /** Tokens that are refused. */
  readonly refused: Set<string>
  open(): Promise<Session>
}

async function cloud(): Promise<Cloud> {
  const server = http.createServer((request, response) => {
    request.resume()
    if (request.url === '/v3/auth/tokens') {
      here.logins++
      if (here.login !== 201) return response.writeHead(here.login).end()
      const issued = 1_700_000_000_000
      const token = {
        issued_at: new Date(issued).toISOString(),
        expires_at: new Date(issued + here.life).toISOString(),
        catalog: [],
      }
      return response
        .writeHead(201, { 'x-subject-token': `token${here.logins}` })
        .end(JSON.stringify({ token }))
    }
    const token = String(request.headers['x-auth-token'])
    return response.writeHead(here.refused.has(token) ? 401 : 200).end(token)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const here: Cloud = {
    url,
    logins: 0,
    login: 201,
    life: 3_600_000,
    refused: new Set(),
    open: () =>
      Session.open(
        checkOptions(openstackOptions, {
          osAuthUrl: url,
          osUsername: 'u',
          osPassword: 'p',
          osProjectName: 'n',
        }),
        {},
        never,
      ),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return here
}

const never = new AbortController().signal

/** The token that a request went out with; the status when it failed. */
async function ask(session: Session, at: Cloud, signal = never): Promise<string> {
  const answer = await session.send(`${at.url}/x`, { method: 'GET' }, signal)
  return answer.status === 200 ? answer.text(100) : String(answer.status)
}

test('a token is used as long as it is good', async () => {
  await using at = await cloud()
  const session = await at.open()
  for (let count = 0; count < 5; count++) assert.equal(await ask(session, at), 'token1')
  assert.equal(at.logins, 1)
  await session.close()
})

test('a token is renewed before it expires, by the clock of Keystone', async () => {
  await using at = await cloud()
  at.life = 500
  const session = await at.open()
  assert.equal(await ask(session, at), 'token1')
  at.life = 3_600_000
  await pause(460)
  assert.deepEqual(
    await Promise.all(Array.from({ length: 20 }, () => ask(session, at))),
    Array(20).fill('token2'),
  )
  assert.equal(at.logins, 2)
  await session.close()
})

test('a token that is about to expire serves on while nobody can log in', async () => {
  await using at = await cloud()
  at.life = 100
  const session = await at.open()
  at.login = 503
  await pause(100)
  assert.equal(await ask(session, at), 'token1')
  at.refused.add('token1')
  await assert.rejects(ask(session, at), { code: 'unavailable' })
  at.login = 401
  await assert.rejects(ask(session, at), { code: 'denied' })
  at.login = 201
  at.life = 3_600_000
  assert.match(await ask(session, at), /^token[2-9]$/)
  await session.close()
})

test('one login for all whose token is refused, and one more request each', async () => {
  await using at = await cloud()
  const session = await at.open()
  at.refused.add('token1')
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(session, at)))
  assert.deepEqual(answers, Array(20).fill('token2'))
  assert.equal(at.logins, 2)
  at.refused.add('token2').add('token3')
  assert.equal(await ask(session, at), '401')
  assert.equal(at.logins, 3)
  await session.close()
})

test('who is interrupted while all wait for a login stops, the others do not', async () => {
  await using at = await cloud()
  const session = await at.open()
  at.refused.add('token1')
  const controller = new AbortController()
  const stopped = ask(session, at, controller.signal)
  const other = ask(session, at)
  setTimeout(() => controller.abort(), 1)
  const [first, second] = await Promise.allSettled([stopped, other])
  assert.equal(second.status === 'fulfilled' && second.value, 'token2')
  assert.ok(first.status === 'fulfilled' || first.reason.code === 'interrupted')
  await session.close()
})

test('what is no Keystone is none, whatever it answers', async () => {
  for (const body of ['', 'hello', '{}', '{"token":1}', '[]']) {
    const server = http.createServer((request, response) => {
      request.resume()
      response.writeHead(201, { 'x-subject-token': 't' }).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const osAuthUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const options = checkOptions(openstackOptions, { osAuthUrl, osUsername: 'u', osPassword: 'p' })
    await assert.rejects(
      Session.open(options, {}, never),
      { code: 'not-found', message: /no Keystone/ },
      body,
    )
    server.closeAllConnections()
    server.close()
  }
})

test('a secret that no header can carry is refused, and not shown', async () => {
  for (const secret of ['hunter2\nx', 'hunter2\r\nX-More: 1', 'hunter2\0']) {
    for (const given of [
      { osToken: secret },
      { osAuthUrl: 'http://127.0.0.1:1/v1.0', osUsername: 'a:u', osPassword: secret },
    ]) {
      const options = checkOptions(openstackOptions, { osAuthUrl: 'http://127.0.0.1:1', ...given })
      await assert.rejects(Session.open(options, {}, never), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'configuration')
        assert.doesNotMatch(`${error.message} ${error.stack} ${String(error.cause)}`, /hunter2/)
        return true
      })
    }
  }
})
