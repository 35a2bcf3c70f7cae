import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import type { Sshd } from '../../../../test/services/sshd.ts'
import { ssh } from '../../src/index.ts'

/** The options of `keeper` with a key, as a person gives them. */
export function keeper(server: Sshd, container: string): Record<string, unknown> {
  return {
    container,
    sshHost: '127.0.0.1',
    sshPort: server.port,
    sshUsername: 'keeper',
    sshKey: server.key,
    sshKnownHosts: server.knownHosts,
  }
}

export async function open(values: Record<string, unknown>, create = true): Promise<Storage> {
  return ssh.open(checkOptions(ssh.options, values), quietContext(), { create })
}
