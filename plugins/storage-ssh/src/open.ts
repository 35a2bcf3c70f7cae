import { userInfo } from 'node:os'
import type { Context, Options, Storage } from '@freezer/sdk'
import { connect } from './connection.ts'
import { openContainer } from './container.ts'
import { credentials } from './credentials.ts'
import { hostKeyCheck } from './host-key.ts'
import type { sshOptions } from './options.ts'
import { Server } from './server.ts'

/**
 * Opens the container that `options` name.
 * @throws Failure `configuration`, `key`, `untrusted`, `not-found`, `denied`, `unavailable`, `no-space`
 */
export async function openStorage(
  options: Options<typeof sshOptions>,
  { signal, now }: Context,
  create: boolean,
): Promise<Storage> {
  const { sshHost: host, sshPort: port, sshTimeout, sshKnownHosts, sshTrustNewHost, container } = options
  const username = options.sshUsername ?? userInfo().username
  const ways = await credentials({
    username,
    key: options.sshKey,
    passphrase: options.sshKeyPassphrase,
    passphraseFile: options.sshKeyPassphraseFile,
    password: options.sshPassword,
    passwordFile: options.sshPasswordFile,
    agent: process.env['SSH_AUTH_SOCK'],
  })
  const account = { host, port, username, timeout: sshTimeout }
  const policy = { host, port, file: sshKnownHosts, trustNew: sshTrustNewHost }
  // Each connection reads the known hosts anew: the first may have written one down.
  const server = new Server(async (stop) => connect(account, await hostKeyCheck(policy), ways, stop))
  try {
    return await openContainer(server, container, { host, create, now: now() }, signal)
  } catch (error) {
    await server.close()
    throw error
  }
}
