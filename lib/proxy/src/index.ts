/** Which proxy a request goes by, and why it does not. */
import { Failure } from '@freezer/sdk'
import type { ProxyOptions } from './options.ts'

export { type ProxyOptions, proxyOptions } from './options.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface Proxy {
  /** With user and password, where there are some: never to be shown. */
  readonly url: string
  /** Machine and port, for messages. */
  readonly place: string
}

/** Who is reached by which proxy. */
export interface Proxies {
  of(url: URL): Proxy | undefined
}

/**
 * What `options` say, else the environment as curl reads it: `https_proxy` and `http_proxy` by how an address begins,
 * `no_proxy` for machines that are reached without; each in small letters before capital ones.
 * @throws Failure `configuration`; the address is not shown, for it may hold a password
 */
export function readProxies({ proxy, proxyCredentials }: ProxyOptions, environment: Environment): Proxies {
  if (proxy === 'none') return { of: () => undefined }
  const credentials = proxyCredentials ?? ''
  const exempt = exemptions(variable(environment, 'no_proxy')?.value ?? '')
  const given = proxy === undefined ? undefined : parse(proxy, '--proxy', credentials, false)
  const fromEnvironment = (name: string): Proxy | undefined => {
    const found = variable(environment, name)
    return found === undefined ? undefined : parse(found.value, found.name, credentials, true)
  }
  const [http, https] =
    given === undefined ? ['http_proxy', 'https_proxy'].map(fromEnvironment) : [given, given]
  return {
    of: (url) => (exempt(url) ? undefined : url.protocol === 'https:' ? https : http),
  }
}

function variable(environment: Environment, name: string): { name: string; value: string } | undefined {
  for (const one of [name, name.toUpperCase()]) {
    const value = environment[one]
    if (value !== undefined && value !== '') return { name: one, value }
  }
  return undefined
}

function parse(text: string, origin: string, credentials: string, mayHoldThem: boolean): Proxy {
  const address = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.parse(address)
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '') {
    throw new Failure('configuration', `${origin} is not the address of an HTTP proxy.`, {
      remedy: 'It looks like http://proxy:3128.',
    })
  }
  if (!mayHoldThem && (url.username !== '' || url.password !== '')) {
    throw new Failure(
      'configuration',
      `${origin} holds a user or a password, which others on this machine can read.`,
      {
        remedy:
          'Write USER:PASSWORD as proxy_credentials into the file of --config, or into FREEZER_PROXY_CREDENTIALS.',
      },
    )
  }
  const colon = credentials.indexOf(':')
  if (credentials !== '') {
    url.username = encodeURIComponent(colon < 0 ? credentials : credentials.slice(0, colon))
    url.password = colon < 0 ? '' : encodeURIComponent(credentials.slice(colon + 1))
  }
  return { url: url.href, place: url.host }
}

/** Says whom `list` exempts: names with all below them, each perhaps with a port, divided by commas or spaces; `*` is all. */
function exemptions(list: string): (url: URL) => boolean {
  const entries = list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map((entry) => {
      const [, host = '', port] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? []
      return { host: host.replace(/^\[(.*)\]$/, '$1').replace(/^\*?\./, ''), port }
    })
  return (url) => {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
    const port = url.port === '' ? { 'http:': '80', 'https:': '443' }[url.protocol] : url.port
    return entries.some(
      (entry) =>
        (entry.port === undefined || entry.port === port) &&
        (entry.host === '*' || entry.host === host || host.endsWith(`.${entry.host}`)),
    )
  }
}

const check = 'Check --proxy, or HTTPS_PROXY and HTTP_PROXY.'

/** Why `proxy`, which answered `status`, does not let a request to `url` through. */
export function refusalOf({ place }: Proxy, status: number, { hostname }: URL): Failure {
  const facts = { proxy: place, status }
  // tinyproxy says 401 of a password that is wrong.
  if (status === 407 || status === 401) {
    return new Failure(
      'denied',
      `The proxy ${place} does not take the user and the password, or wants some.`,
      {
        remedy:
          'Write USER:PASSWORD as proxy_credentials into the file of --config, or into FREEZER_PROXY_CREDENTIALS.',
        facts,
      },
    )
  }
  if (status >= 500) {
    return new Failure(
      'unavailable',
      `The proxy ${place} cannot reach ${hostname}: its answer is ${status}.`,
      {
        remedy: 'Check the address of the service; try again later.',
        facts,
      },
    )
  }
  return new Failure(
    'denied',
    `The proxy ${place} does not connect to ${hostname}: its answer is ${status}.`,
    {
      remedy: `${check} Ask its operator whether it may go there; NO_PROXY names what needs none.`,
      facts,
    },
  )
}

/**
 * Why `proxy` cannot be used, by the code of the system's error.
 * @param code as in `ECONNREFUSED`; any other than those of a connection that did not come about says that the proxy is none
 */
export function lackOf({ place, url }: Proxy, code: string): Failure {
  const facts = { proxy: place, system: code }
  const unavailable = (why: string) =>
    new Failure('unavailable', `The proxy ${place} ${why}.`, { remedy: check, facts })
  if (code === 'ENOTFOUND') {
    const { hostname } = new URL(url)
    return new Failure('not-found', `There is no machine called ${hostname}, which is to be the proxy.`, {
      remedy: check,
      facts,
    })
  }
  if (code === 'EAI_AGAIN') return unavailable('cannot be looked up now')
  if (code === 'ECONNREFUSED') return unavailable('refuses the connection')
  if (/TIMEOUT|ETIMEDOUT/.test(code)) return unavailable('does not answer')
  if (/^E(?:HOST|NET)UNREACH$/.test(code)) return unavailable('cannot be reached')
  return unavailable('does not do what a proxy does')
}
