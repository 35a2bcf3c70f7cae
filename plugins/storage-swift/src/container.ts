import { fromStatus } from '@freezer/openstack'
import { Failure } from '@freezer/sdk'
import type { Account } from './account.ts'
import { pathOf } from './place.ts'

/**
 * Sees to it that the container is there.
 * @throws Failure `not-found` when it is not, and is not to be made
 */
export async function openContainer(
  account: Account,
  container: string,
  create: boolean,
  signal: AbortSignal,
): Promise<void> {
  const path = pathOf(container)
  const found = await account.send(path, { method: 'HEAD' }, signal)
  await found.discard()
  if (found.status < 300) return
  if (found.status !== 404) throw fromStatus(found, `open the container ${container}`)
  if (!create) throw noContainer(container)
  // One that somebody else makes meanwhile is fine too.
  const made = await account.send(path, { method: 'PUT' }, signal)
  await made.discard()
  if (made.status >= 300) throw fromStatus(made, `make the container ${container}`)
}

/** That the container is not there. */
export function noContainer(container: string): Failure {
  return new Failure('not-found', `There is no container ${container}.`, {
    remedy: 'Check its name, and the project and the region that you use.',
    facts: { status: 404 },
  })
}
