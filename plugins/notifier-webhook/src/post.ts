/** One POST, tried again where that can help. No message of it holds the address, the token, or what the server said. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '@freezer/sdk'

export interface Message {
  readonly url: string
  readonly token: string | undefined
  /** JSON. */
  readonly body: string
}

const attempts = 4
/** Milliseconds: for the answer to one attempt, and before the second attempt; each later wait is twice as long. */
const patience = 3000
const firstPause = 250
/** A server that wants more time than this is not waited for. */
const longestPause = 5000

/**
 * Returns when the server said that it has the message (2xx). Tries again when it is not reached, does not answer in
 * three seconds, or says 408, 425, 429 or 5xx; it waits as long as `Retry-After` says, where that is not too long.
 *
 * @throws Failure `configuration` for an address that cannot be posted to; `denied` when the server refuses the message,
 *   or its certificate is not to be trusted; `unavailable` when all attempts failed or `signal` aborted
 */
export async function post(message: Message, signal: AbortSignal): Promise<void> {
  const url = parseAddress(message.url)
  let last: Attempt = { failure: new Failure('unavailable', 'There was no time for it.') }
  for (let attempt = 0; attempt < attempts && !signal.aborted; attempt++) {
    last = await send(url, message, signal)
    if (last.failure === undefined) return
    if (last.wait === undefined || last.wait > longestPause) throw last.failure
    if (attempt + 1 < attempts) await pause(Math.max(last.wait, firstPause * 2 ** attempt), signal)
  }
  throw last.failure
}

interface Attempt {
  readonly failure?: Failure
  /** Milliseconds after which another attempt may succeed; undefined when none will. */
  readonly wait?: number
}

async function send(url: URL, { token, body }: Message, signal: AbortSignal): Promise<Attempt> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'freezer',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
  const limit = AbortSignal.timeout(patience)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, limit]),
    })
    // What it says is of no use, and may be without end.
    await response.body?.cancel()
    return judge(response)
  } catch (error) {
    return explain(error, limit.aborted || signal.aborted)
  }
}

function judge({ ok, status, headers }: Response): Attempt {
  if (ok) return {}
  if (status >= 500 || [408, 425, 429].includes(status)) {
    const failure = new Failure('unavailable', `The webhook answered ${status}.`)
    return { failure, wait: retryAfter(headers.get('retry-after')) }
  }
  const moved = status >= 300 && status < 400
  return {
    failure: new Failure('denied', `The webhook answered ${status}.`, {
      remedy: moved
        ? 'Set webhook_url to the address that it redirects to.'
        : 'Check webhook_url and its token.',
    }),
  }
}

/** Milliseconds that the header asks for (RFC 9110, 10.2.3), 0 where it says nothing that can be understood. */
function retryAfter(header: string | null): number {
  if (header === null) return 0
  const wait = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isFinite(wait) ? Math.max(0, wait) : 0
}

/** What fetch threw. Its own words may hold the address, so only the code of its cause is said. */
function explain(error: unknown, late: boolean): Attempt {
  if (late) return { failure: new Failure('unavailable', 'The webhook does not answer.'), wait: 0 }
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no connection'
  if (/CERT|SELF_SIGNED|VERIFY/.test(code)) {
    return {
      failure: new Failure('denied', `The certificate of the webhook is not to be trusted: ${code}.`, {
        remedy: 'Set NODE_EXTRA_CA_CERTS to a file with the certificate of the authority that signed it.',
      }),
    }
  }
  return { failure: new Failure('unavailable', `The webhook cannot be reached: ${code}.`), wait: 0 }
}

/** Waits `milliseconds`, or until `signal` aborts. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {})
}

function parseAddress(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new Failure('configuration', 'The value of webhook_url is no address of the web.', {
      remedy: 'Write it like https://hooks.example.org/….',
    })
  }
  if (url.username !== '' || url.password !== '') {
    throw new Failure('configuration', 'A webhook_url with user and password in it is not supported.', {
      remedy: 'Write a token into the file of --webhook-token-file.',
    })
  }
  return url
}
