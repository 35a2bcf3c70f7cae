/** A real Keystone, its data in a directory of its own. */
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort, installPackages, responds, startService } from './service.ts'

const adminPassword = 'a password of the administrator'

export interface Keystone extends AsyncDisposable {
  /** Ends with /v3. */
  readonly authUrl: string
  readonly region: string
  /** A user with the role `member` in the project of the same name, which is made. */
  addUser(name: string, password: string): Promise<void>
  /** A user with the role `admin` in the project `service`, whom services use. */
  addServiceUser(name: string, password: string): Promise<void>
  /** A service of the catalogue, with the same address for every interface. */
  addService(type: string, name: string, url: string, region?: string): Promise<void>
  /** One of a user with the rights that they have. */
  addApplicationCredential(
    user: string,
    password: string,
  ): Promise<{ readonly id: string; readonly secret: string }>
  /** A token of a user, for the project of the same name. */
  token(user: string, password: string): Promise<string>
}

export interface KeystoneOptions {
  /** Seconds that a token is good for. */
  readonly tokenLife?: number
}

/** Starts one. @throws Error when it cannot be started */
export async function startKeystone({ tokenLife = 3600 }: KeystoneOptions = {}): Promise<Keystone> {
  installPackages('python3-keystone', 'python3-waitress')
  const directory = fs.mkdtempSync(path.join(tmpdir(), 'freezer-keystone-'))
  const within = (name: string) => path.join(directory, name)
  const port = await freePort()
  const authUrl = `http://127.0.0.1:${port}/v3`
  fs.writeFileSync(
    within('keystone.conf'),
    [
      '[DEFAULT]',
      `log_file = ${within('keystone.log')}`,
      `public_endpoint = http://127.0.0.1:${port}`,
      '[database]',
      `connection = sqlite:///${within('keystone.db')}?timeout=30&check_same_thread=false`,
      '[token]',
      `expiration = ${tokenLife}`,
      '[fernet_tokens]',
      `key_repository = ${within('fernet')}`,
      '[credential]',
      `key_repository = ${within('credential')}`,
      '[identity]',
      // The cheapest there is: these passwords are known to everybody.
      'password_hash_rounds = 4',
      '[oslo_policy]',
      'enforce_scope = false',
      '',
    ].join('\n'),
  )
  for (const name of ['fernet', 'credential']) fs.mkdirSync(within(name), { mode: 0o700 })
  const service = await startService({
    name: 'keystone',
    directory,
    command: [
      '/usr/bin/python3',
      path.join(import.meta.dirname, 'openstack/run_keystone.py'),
      within('keystone.conf'),
      String(port),
      adminPassword,
    ],
    ready: () => responds(authUrl, true),
  })

  async function call(method: string, what: string, body?: object, token?: string): Promise<Response> {
    const response = await fetch(`${authUrl}/${what}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { 'x-auth-token': token }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (response.ok || response.status === 409) return response
    throw new Error(`${method} ${what}: ${response.status} ${await response.text()}`)
  }
  async function logIn(user: string, password: string): Promise<{ token: string; userId: string }> {
    const domain = { id: 'default' }
    const response = await call('POST', 'auth/tokens', {
      auth: {
        identity: { methods: ['password'], password: { user: { name: user, domain, password } } },
        scope: { project: { name: user, domain } },
      },
    })
    const body = (await response.json()) as { token: { user: { id: string } } }
    return { token: response.headers.get('x-subject-token') ?? '', userId: body.token.user.id }
  }
  async function admin(method: string, what: string, body?: object): Promise<Record<string, { id: string }>> {
    const { token } = await logIn('admin', adminPassword)
    const response = await call(method, what, body, token)
    return response.status === 204 ? {} : ((await response.json()) as Record<string, { id: string }>)
  }
  /** The id of the one of this name, which is made when it is not there. */
  async function ensure(kind: string, body: object & { name: string }): Promise<string> {
    const found = (await admin('GET', `${kind}s?name=${body.name}`)) as unknown as Record<
      string,
      { id: string }[]
    >
    const id = found[`${kind}s`]?.[0]?.id
    return id ?? (await admin('POST', `${kind}s`, { [kind]: body }))[kind]?.id ?? ''
  }
  async function addUser(
    name: string,
    password: string,
    projectName: string,
    roleName: string,
  ): Promise<void> {
    const project = await ensure('project', { name: projectName })
    const user = await ensure('user', { name, password } as { name: string })
    const role = await ensure('role', { name: roleName })
    await admin('PUT', `projects/${project}/users/${user}/roles/${role}`)
  }

  return {
    ...service,
    authUrl,
    region: 'North',
    addUser: (name, password) => addUser(name, password, name, 'member'),
    addServiceUser: (name, password) => addUser(name, password, 'service', 'admin'),
    async addService(type, name, url, region = 'North') {
      const id = await ensure('service', { name, type } as { name: string })
      await admin('POST', 'regions', { region: { id: region } })
      for (const kind of ['public', 'internal']) {
        await admin('POST', 'endpoints', {
          endpoint: { service_id: id, interface: kind, url, region_id: region },
        })
      }
    },
    async addApplicationCredential(user, password) {
      const { token, userId } = await logIn(user, password)
      const body = { application_credential: { name: 'backups', secret: 'a secret of the credential' } }
      const response = await call('POST', `users/${userId}/application_credentials`, body, token)
      const made = (await response.json()) as { application_credential: { id: string; secret: string } }
      return made.application_credential
    },
    token: async (user, password) => (await logIn(user, password)).token,
  }
}
