/** Logging in: Keystone v3, and the way of Swift alone that is called v1. */
import { Failure } from '@freezer/sdk'
import { fromStatus } from './answers.ts'
import { type CatalogueService, chooseEndpoint } from './catalogue.ts'
import type { Answer, Http } from './http.ts'
import type { Identity, Method, Named } from './identity.ts'

/** What logging in gave. */
export interface Grant {
  readonly token: string
  /** Milliseconds, as `performance.now`, after which it is better to log in anew; undefined when that is not known, or not possible. */
  readonly renewAt: number | undefined
  /** The address of a service, without a slash at its end. @throws Failure `not-found`, `configuration` */
  endpoint(types: readonly string[]): string
}

/** A catalogue of hundreds of services and regions is still far smaller. */
const longestAnswer = 16 * 1024 * 1024

/** Of the life of a token, after which it is renewed. */
const renewAfter = 0.9

/** @throws Failure `denied`, `not-found`, `configuration`, `unavailable`, `untrusted` */
export function logIn(http: Http, identity: Identity, signal: AbortSignal): Promise<Grant> {
  return identity.method.kind === 'v1'
    ? logInToSwift(http, identity, identity.method, signal)
    : logInToKeystone(http, identity, identity.method, signal)
}

async function logInToKeystone(
  http: Http,
  identity: Identity,
  method: Exclude<Method, { kind: 'v1' }>,
  signal: AbortSignal,
): Promise<Grant> {
  const { authUrl, project } = identity
  const begun = performance.now()
  const url = `${authUrl}/auth/tokens`
  // A token that is for a project already is taken as it is.
  const asIs = method.kind === 'token' && project === undefined
  const answer = asIs
    ? await http.send(
        url,
        { method: 'GET', headers: { 'x-auth-token': method.token, 'x-subject-token': method.token } },
        signal,
      )
    : await http.send(
        url,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: [Buffer.from(JSON.stringify({ auth: credentials(method, project) }))],
        },
        signal,
      )
  const wanted = asIs ? 200 : 201
  if (answer.status !== wanted) {
    await answer.discard()
    throw refusal(answer, identity, url)
  }
  const text = await answer.text(longestAnswer)
  const token = asIs ? method.token : answer.header('x-subject-token')
  const granted = parseToken(text)
  if (token === undefined || granted === undefined) throw notKeystone(authUrl)
  const { life, catalogue } = granted
  return {
    token,
    renewAt: method.kind === 'token' || life === undefined ? undefined : begun + life * renewAfter,
    endpoint(types) {
      if (catalogue === undefined) {
        throw new Failure('configuration', 'Keystone gave a token that is not for a project.', {
          remedy: 'Give --os-project-name or --os-project-id, or set OS_PROJECT_NAME.',
        })
      }
      return chooseEndpoint(catalogue, { types, interface: identity.interface, region: identity.region })
    },
  }
}

/** `auth` of the request for a token (Identity API v3, POST /v3/auth/tokens). */
function credentials(method: Exclude<Method, { kind: 'v1' }>, project: Named | undefined): object {
  const scope = project === undefined ? {} : { scope: { project } }
  switch (method.kind) {
    case 'password': {
      const user = { ...method.user, password: method.password }
      return { identity: { methods: ['password'], password: { user } }, ...scope }
    }
    case 'application credential': {
      // The credential is for a project of its own; Keystone refuses a scope.
      const credential = { ...method.credential, secret: method.secret }
      return { identity: { methods: ['application_credential'], application_credential: credential } }
    }
    case 'token':
      return { identity: { methods: ['token'], token: { id: method.token } }, ...scope }
  }
}

function refusal(answer: Answer, { method, project, authUrl }: Identity, url: string): Failure {
  const { host } = new URL(url)
  if (answer.status === 404 && method.kind !== 'token') return notKeystone(authUrl)
  if (answer.status !== 401 && !(method.kind === 'token' && answer.status === 404)) {
    return fromStatus(answer, `log in at ${host}`)
  }
  const details = { facts: { status: answer.status } }
  switch (method.kind) {
    case 'password': {
      const where = project === undefined ? '' : ` in the project ${project.name ?? project.id}`
      return new Failure(
        'denied',
        `${host} refuses the user ${method.user.name ?? method.user.id}${where}.`,
        {
          ...details,
          remedy: 'Check user, password and project, and the domains of both.',
        },
      )
    }
    case 'application credential': {
      const { credential } = method
      const which = 'id' in credential ? credential.id : credential.name
      return new Failure('denied', `${host} refuses the application credential ${which}.`, {
        ...details,
        remedy: 'Check it and its secret, and whether it has expired.',
      })
    }
    case 'token':
      return new Failure('denied', `${host} refuses the token.`, {
        ...details,
        remedy: 'Get a new one, or give a password or an application credential, which lasts longer.',
      })
    case 'v1':
      return new Failure('denied', `${host} refuses the user ${method.user}.`, {
        ...details,
        remedy: 'Check the user, which is written account:user, and the key.',
      })
  }
}

function notKeystone(authUrl: string): Failure {
  return new Failure('not-found', `There is no Keystone at ${authUrl}.`, {
    remedy: 'Check OS_AUTH_URL or --os-auth-url.',
  })
}

interface Granted {
  /** Milliseconds. */
  readonly life: number | undefined
  /** Undefined for a token that is not for a project. */
  readonly catalogue: readonly CatalogueService[] | undefined
}

/** Undefined for what no Keystone says. */
function parseToken(text: string): Granted | undefined {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  const token = member(read, 'token')
  if (typeof token !== 'object' || token === null) return undefined
  const catalogue = member(token, 'catalog')
  // By the clock of Keystone alone: ours may be wrong.
  const life =
    Date.parse(String(member(token, 'expires_at'))) - Date.parse(String(member(token, 'issued_at')))
  return {
    life: Number.isFinite(life) && life > 0 ? life : undefined,
    catalogue: Array.isArray(catalogue) ? catalogue.flatMap(serviceOf) : undefined,
  }
}

function serviceOf(value: unknown): CatalogueService[] {
  const type = member(value, 'type')
  const endpoints = member(value, 'endpoints')
  if (typeof type !== 'string' || !Array.isArray(endpoints)) return []
  return [
    {
      type,
      endpoints: endpoints.flatMap((endpoint) => {
        const url = member(endpoint, 'url')
        const region = member(endpoint, 'region_id') ?? member(endpoint, 'region')
        if (typeof url !== 'string' || URL.parse(url) === null) return []
        return [
          {
            interface: String(member(endpoint, 'interface')),
            region: typeof region === 'string' ? region : undefined,
            url,
          },
        ]
      }),
    },
  ]
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/** The auth of Swift alone: one request with user and key, which gives a token and the one address there is. */
async function logInToSwift(
  http: Http,
  identity: Identity,
  { user, key }: Extract<Method, { kind: 'v1' }>,
  signal: AbortSignal,
): Promise<Grant> {
  const { authUrl } = identity
  const begun = performance.now()
  const headers = { 'x-auth-user': user, 'x-auth-key': key }
  const answer = await http.send(authUrl, { method: 'GET', headers }, signal)
  await answer.discard()
  const token = answer.header('x-auth-token')
  const url = answer.header('x-storage-url')
  if (answer.status === 404 || (answer.status < 300 && (token === undefined || url === undefined))) {
    throw new Failure('not-found', `There is no Swift that keeps its own users at ${authUrl}.`, {
      remedy: 'Check OS_AUTH_URL or --os-auth-url.',
    })
  }
  if (answer.status >= 300 || token === undefined || url === undefined)
    throw refusal(answer, identity, authUrl)
  const life = Number(answer.header('x-auth-token-expires')) * 1000
  return {
    token,
    renewAt: Number.isFinite(life) && life > 0 ? begun + life * renewAfter : undefined,
    endpoint(types) {
      if (types.includes('object-store')) return url.replace(/\/+$/, '')
      throw new Failure('not-found', `There is nothing but Swift at ${authUrl}.`, {
        remedy: 'Log in to the Keystone of the cloud.',
      })
    },
  }
}
