/** Who logs in where, put together from the options and from one of: an openrc file, `clouds.yaml`, the environment. */
import { homedir } from 'node:os'
import { Failure, spell } from '@freezer/sdk'
import { readCloud } from './clouds.ts'
import { readNamed } from './files.ts'
import { parseOpenrc } from './openrc.ts'
import { type OpenstackOptions, openstackOptions } from './options.ts'

export interface Domain {
  readonly id?: string
  readonly name?: string
}

/** A user or a project as Keystone takes it: by id, or by name within a domain. */
export interface Named {
  readonly id?: string
  readonly name?: string
  readonly domain?: Domain
}

export type Method =
  | { readonly kind: 'password'; readonly user: Named; readonly password: string }
  | {
      readonly kind: 'application credential'
      readonly credential: { readonly id: string } | { readonly name: string; readonly user: Named }
      readonly secret: string
    }
  | { readonly kind: 'token'; readonly token: string }
  /** Swift's own users, `account:user`. */
  | { readonly kind: 'v1'; readonly user: string; readonly key: string }

export interface Identity {
  /** Without a slash at its end; of Keystone it ends with /v3. */
  readonly authUrl: string
  readonly method: Method
  readonly project: Named | undefined
  readonly region: string | undefined
  readonly interface: string
  readonly cacert: string | undefined
  readonly insecure: boolean
}

type Variables = ReadonlyMap<string, string>

/** Other names that clients of OpenStack know a variable by. */
const aliases: Readonly<Record<string, string>> = {
  OS_TENANT_NAME: 'OS_PROJECT_NAME',
  OS_TENANT_ID: 'OS_PROJECT_ID',
  OS_ENDPOINT_TYPE: 'OS_INTERFACE',
  OS_AUTH_TOKEN: 'OS_TOKEN',
}

/**
 * Values in the options win over those of the file, the cloud or the environment, of which only one is read: what belongs to
 * two clouds is never mixed.
 *
 * @param environment of the process
 * @throws Failure `configuration`, `not-found` for a cloud that is missing
 */
export async function readIdentity(
  options: OpenstackOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Identity> {
  const given = fromOptions(options)
  const secretFile = options.osPasswordFile
  if (secretFile !== undefined) {
    const secret = await firstLine(secretFile)
    given.set('OS_PASSWORD', secret)
    given.set('OS_APPLICATION_CREDENTIAL_SECRET', secret)
  }
  const { variables, source } = await base(options, environment, given)
  const isOfSwift = variables.has('ST_AUTH') && !variables.has('OS_AUTH_URL') && !given.has('OS_AUTH_URL')
  const all = new Map([...(isOfSwift ? ofSwiftAlone(variables) : renamed(variables)), ...given])
  const identity = identify(all, source)
  return options.insecure ? { ...identity, insecure: true } : identity
}

function fromOptions(options: OpenstackOptions): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of Object.keys(openstackOptions) as (keyof OpenstackOptions)[]) {
    const value = options[name]
    if (typeof value === 'string' && value !== '') found.set(spell(name, '_').toUpperCase(), value)
  }
  return found
}

async function base(
  { osrc, osCloud, osCloudsFile }: OpenstackOptions,
  environment: Readonly<Record<string, string | undefined>>,
  given: Variables,
): Promise<{ readonly variables: Variables; readonly source: string }> {
  if (osrc !== undefined && osCloud !== undefined) {
    throw new Failure('configuration', '--osrc and --os-cloud contradict each other.', {
      remedy: 'Give one of them.',
    })
  }
  if (osrc !== undefined) {
    const text = await readNamed(osrc, 'The openrc file')
    return { variables: parseOpenrc(text, osrc, new Set(given.keys())), source: osrc }
  }
  const cloud = osCloud ?? environment['OS_CLOUD']
  if (cloud !== undefined && cloud !== '') {
    return readCloud(cloud, osCloudsFile, environment['OS_CLIENT_CONFIG_FILE'])
  }
  const variables = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    if (/^(?:OS|ST)_/.test(name) && value !== undefined && value !== '') variables.set(name, value)
  }
  return { variables, source: 'the environment' }
}

/** The variables under the one name that is used here. */
function renamed(variables: Variables): Map<string, string> {
  const found = new Map<string, string>()
  for (const [name, value] of variables) {
    const own = aliases[name]
    if (own === undefined) found.set(name, value)
    else if (!variables.has(own)) found.set(own, value)
  }
  return found
}

/** What clients of Swift alone read: the address, the user and the key of a Swift that keeps its own users. */
function ofSwiftAlone(variables: Variables): Map<string, string> {
  const found = new Map([['OS_AUTH_TYPE', 'v1password']])
  const names = {
    ST_AUTH: 'OS_AUTH_URL',
    ST_USER: 'OS_USERNAME',
    ST_KEY: 'OS_PASSWORD',
    OS_CACERT: 'OS_CACERT',
  }
  for (const [name, own] of Object.entries(names)) {
    const value = variables.get(name)
    if (value !== undefined) found.set(own, value)
  }
  return found
}

function identify(variables: Variables, source: string): Identity {
  const get = (name: string): string | undefined => variables.get(name)
  const need = (name: string, what: string): string => {
    const value = get(name)
    if (value !== undefined) return value
    throw new Failure('configuration', `There is no ${what}: ${source} has no ${name}.`, {
      remedy: /PASSWORD|SECRET|TOKEN/.test(name)
        ? `Give it with --os-password-file, or set ${name}.`
        : `Give --osrc, --os-cloud or ${`--${name.toLowerCase().replaceAll('_', '-')}`}, or set ${name}.`,
    })
  }
  const authUrl = checkAddress(need('OS_AUTH_URL', 'address to log in at'))
  const v1 = /\/v1(?:\.0)?$/.test(authUrl)
  const type = get('OS_AUTH_TYPE') ?? get('OS_AUTH_STRATEGY')
  const anInterface = (get('OS_INTERFACE') ?? 'public').replace(/URL$/, '')
  const common = {
    region: get('OS_REGION_NAME'),
    interface: anInterface,
    cacert: get('OS_CACERT')?.replace(/^~(?=\/)/, () => homedir()),
    insecure: /^(?:false|no|off|0)$/i.test(get('OS_VERIFY') ?? ''),
  }
  if (v1 || type === 'v1password' || type === 'rc_v1') {
    const method = {
      kind: 'v1',
      user: need('OS_USERNAME', 'user'),
      key: need('OS_PASSWORD', 'password'),
    } as const
    return { ...common, authUrl, method, project: undefined }
  }
  if (authUrl.endsWith('/v2.0')) {
    throw new Failure('configuration', `${authUrl} is version 2 of Keystone, which no longer exists.`, {
      remedy: 'Set OS_AUTH_URL to the address that ends with /v3.',
    })
  }
  const user = (): Named => {
    const id = get('OS_USER_ID')
    if (id !== undefined) return { id }
    return { name: need('OS_USERNAME', 'user'), domain: domainOf(variables, 'USER') }
  }
  return {
    ...common,
    authUrl: authUrl.endsWith('/v3') ? authUrl : `${authUrl}/v3`,
    method: keystoneMethod(type, get, need, user, source),
    project: projectOf(variables),
  }
}

function keystoneMethod(
  type: string | undefined,
  get: (name: string) => string | undefined,
  need: (name: string, what: string) => string,
  user: () => Named,
  source: string,
): Method {
  const id = get('OS_APPLICATION_CREDENTIAL_ID')
  const name = get('OS_APPLICATION_CREDENTIAL_NAME')
  const inferred =
    id !== undefined || name !== undefined
      ? 'v3applicationcredential'
      : get('OS_TOKEN') !== undefined && get('OS_PASSWORD') === undefined
        ? 'token'
        : 'password'
  switch (type ?? inferred) {
    case 'v3applicationcredential': {
      const secret = need('OS_APPLICATION_CREDENTIAL_SECRET', 'secret of the application credential')
      const credential =
        id === undefined && name !== undefined
          ? { name, user: user() }
          : { id: id ?? need('OS_APPLICATION_CREDENTIAL_ID', 'application credential') }
      return { kind: 'application credential', credential, secret }
    }
    case 'token':
    case 'v3token':
      return { kind: 'token', token: need('OS_TOKEN', 'token') }
    case 'password':
    case 'v3password':
    // "keystone" is what OS_AUTH_STRATEGY says.
    case 'keystone':
      return { kind: 'password', user: user(), password: need('OS_PASSWORD', 'password') }
    default:
      throw new Failure(
        'configuration',
        `The way to log in "${type}", which ${source} names, is not known.`,
        {
          remedy: 'Use a password, an application credential or a token.',
        },
      )
  }
}

function domainOf(variables: Variables, of: 'USER' | 'PROJECT'): Domain {
  const id = variables.get(`OS_${of}_DOMAIN_ID`) ?? variables.get('OS_DOMAIN_ID')
  const name = variables.get(`OS_${of}_DOMAIN_NAME`) ?? variables.get('OS_DOMAIN_NAME')
  if (id !== undefined) return { id }
  if (name !== undefined) return { name }
  // Where nothing is said, the domain that every Keystone begins with.
  return { id: variables.get('OS_DEFAULT_DOMAIN') ?? 'default' }
}

function projectOf(variables: Variables): Named | undefined {
  const id = variables.get('OS_PROJECT_ID')
  const name = variables.get('OS_PROJECT_NAME')
  if (id !== undefined) return { id }
  return name === undefined ? undefined : { name, domain: domainOf(variables, 'PROJECT') }
}

function checkAddress(text: string): string {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new Failure('configuration', 'The value of OS_AUTH_URL is no address of the web.', {
      remedy: 'Write it like https://keystone.example.org:5000/v3.',
    })
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new Failure('configuration', 'OS_AUTH_URL may have no user, password or query in it.', {
      remedy: 'Take them out, and give user and password in OS_USERNAME and OS_PASSWORD.',
    })
  }
  return url.href.replace(/\/+$/, '')
}

async function firstLine(file: string): Promise<string> {
  const text = await readNamed(file, 'The password file')
  const line = text.split(/\r?\n/, 1)[0] ?? ''
  if (line !== '') return line
  throw new Failure('configuration', `The password file ${file} has no password in its first line.`, {
    remedy: 'Write it there.',
  })
}
