/** A real Swift, its data in a directory of its own: it keeps its own users (tempauth), and trusts a Keystone if there is one. */
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Keystone } from './keystone.ts'
import { answers, freePort, installPackages, responds, type Service, startService } from './service.ts'

/** Of Swift itself. `keeper` may do everything in the account, `guest` nothing. */
export const keeper = { user: 'test:keeper', key: 'key-of-the-keeper' }
export const guest = { user: 'test:guest', key: 'key-of-the-guest' }

export interface Swift extends Service {
  /** Where its own users log in. */
  readonly authUrl: string
}

export interface SwiftOptions {
  /** Seconds that a token of its own users is good for. */
  readonly tokenLife?: number
  /** Objects of a page of a listing. */
  readonly pageSize?: number
  /** Bytes of the largest object in one piece. */
  readonly largest?: number
  /** Whether its own users may speak S3, at the same origin: the user is the access key, the key its secret. */
  readonly s3?: boolean
  /** Whose tokens it accepts too; it is put into the catalogue there. */
  readonly keystone?: Keystone
}

/** Starts one. @throws Error when it cannot be started */
export async function startSwift(options: SwiftOptions = {}): Promise<Swift> {
  const { tokenLife = 86_400, pageSize = 10_000, largest = 5 * 2 ** 30, s3 = false, keystone } = options
  installPackages(
    'python3-swift',
    'memcached',
    ...(keystone === undefined ? [] : ['python3-keystonemiddleware']),
  )
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-swift-'))
  const within = (name: string) => path.join(directory, name)
  const write = (name: string, lines: readonly string[]) =>
    fs.writeFileSync(within(name), `${lines.join('\n')}\n`)
  fs.mkdirSync(within('srv/d1'), { recursive: true })
  const cache = await freePort()
  const common = async (): Promise<{ readonly port: number; readonly lines: string[] }> => {
    const port = await freePort()
    const lines = [
      '[DEFAULT]',
      'bind_ip = 127.0.0.1',
      `bind_port = ${port}`,
      'user = root',
      `swift_dir = ${directory}`,
      `devices = ${within('srv')}`,
      'mount_check = false',
      'workers = 0',
      `log_address = ${within('no-such-socket')}`,
      'log_level = WARNING',
    ]
    return { port, lines }
  }
  write('swift.conf', [
    '[swift-hash]',
    'swift_hash_path_suffix = test',
    '[swift-constraints]',
    `max_file_size = ${largest}`,
    `container_listing_limit = ${pageSize}`,
  ])
  const backends: number[] = []
  for (const kind of ['account', 'container', 'object']) {
    const { lines, port } = await common()
    backends.push(port)
    const app = [
      '[pipeline:main]',
      `pipeline = ${kind}-server`,
      `[app:${kind}-server]`,
      `use = egg:swift#${kind}`,
    ]
    const chunks = ['disk_chunk_size = 1048576', 'network_chunk_size = 1048576', 'keep_cache_size = 5242880']
    write(`${kind}.conf`, [...lines, ...app, ...(kind === 'object' ? chunks : [])])
  }

  async function writeProxy(
    name: string,
    auth: readonly string[],
    filters: readonly string[],
  ): Promise<number> {
    const { port, lines } = await common()
    const before = ['catch_errors', 'gatekeeper', 'healthcheck', 'cache', 'listing_formats']
    const behind = ['container_quotas', 'slo', 'dlo']
    const filter = (section: string) => [
      `[filter:${section}]`,
      `use = egg:swift#${section}`,
      // Else one segment a second.
      ...(/^[sd]lo$/.test(section) ? ['rate_limit_after_segment = 1000'] : []),
    ]
    write(`proxy-${name}.conf`, [
      ...lines,
      '[pipeline:main]',
      `pipeline = ${[...before, ...auth, ...behind, 'proxy-server'].join(' ')}`,
      '[app:proxy-server]',
      'use = egg:swift#proxy',
      'account_autocreate = true',
      'object_chunk_size = 1048576',
      'client_chunk_size = 1048576',
      ...[...before.filter((section) => section !== 'cache'), ...behind].flatMap(filter),
      '[filter:cache]',
      'use = egg:swift#memcache',
      `memcache_servers = 127.0.0.1:${cache}`,
      ...filters,
    ])
    return port
  }
  const ports = [
    await writeProxy('own', s3 ? ['s3api', 'tempauth'] : ['tempauth'], [
      ...(s3 ? ['[filter:s3api]', 'use = egg:swift#s3api', 'location = us-east-1'] : []),
      '[filter:tempauth]',
      'use = egg:swift#tempauth',
      `token_life = ${tokenLife}`,
      `user_${keeper.user.replace(':', '_')} = ${keeper.key} .admin`,
      `user_${guest.user.replace(':', '_')} = ${guest.key}`,
    ]),
  ]
  if (keystone !== undefined) {
    const port = await writeProxy('keystone', ['authtoken', 'keystoneauth'], await trust(keystone))
    await keystone.addService('object-store', 'swift', `http://127.0.0.1:${port}/v1/AUTH_%(project_id)s`)
    ports.push(port)
  }
  write('start', [
    `memcached -l 127.0.0.1 -p ${cache} -U 0 -u root -m 64 &`,
    `exec /usr/bin/python3 ${path.join(import.meta.dirname, 'openstack/run_swift.py')} ${directory}`,
  ])
  const service = await startService({
    name: 'swift',
    directory,
    command: ['sh', within('start')],
    async ready() {
      const healthy = ports.map((port) => responds(`http://127.0.0.1:${port}/healthcheck`, true))
      return (await Promise.all([...backends.map((port) => answers(port)), ...healthy])).every((well) => well)
    },
  })
  return { ...service, authUrl: `http://127.0.0.1:${ports[0]}/auth/v1.0` }
}

/** What lets a proxy ask `keystone` who is who. */
async function trust(keystone: Keystone): Promise<readonly string[]> {
  const password = 'a password of the service'
  await keystone.addServiceUser('swift', password)
  return [
    '[filter:keystoneauth]',
    'use = egg:swift#keystoneauth',
    'operator_roles = admin, member',
    '[filter:authtoken]',
    'paste.filter_factory = keystonemiddleware.auth_token:filter_factory',
    `www_authenticate_uri = ${keystone.authUrl}`,
    `auth_url = ${keystone.authUrl}`,
    'auth_type = password',
    'username = swift',
    `password = ${password}`,
    'project_name = service',
    'user_domain_id = default',
    'project_domain_id = default',
    'delay_auth_decision = true',
    'cache = swift.cache',
    'include_service_catalog = false',
    'service_token_roles_required = false',
  ]
}

/** Puts an object as any client of Swift would, whatever its name; the container is made. */
export async function putObject(
  { authUrl }: Pick<Swift, 'authUrl'>,
  container: string,
  name: string,
  content: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const login = await fetch(authUrl, { headers: { 'x-auth-user': keeper.user, 'x-auth-key': keeper.key } })
  const token = login.headers.get('x-auth-token') ?? ''
  const base = `${login.headers.get('x-storage-url')}/${encodeURIComponent(container)}`
  const encoded = name.split('/').map(encodeURIComponent).join('/')
  for (const [url, body] of [
    [base, undefined],
    [`${base}/${encoded}`, Buffer.from(content)],
  ] as const) {
    const answer = await fetch(url, {
      method: 'PUT',
      headers: { 'x-auth-token': token, ...(body === undefined ? {} : headers) },
      ...(body === undefined ? {} : { body }),
    })
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
  }
}
