import { type Answer, fromStatus, type HttpRequest } from '@freezer/openstack'
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

/**
 * The answer to a request for an object of the container. One answer 404 is not believed: while Swift cannot ask for the
 * container, it knows neither whether there is one nor which policy says where its objects are, and says 404. So the container is
 * asked for, and then the object again.
 * @throws Failure `not-found` when there is no such container, `unavailable` when it cannot be asked for now
 */
export async function sendForObject(
  account: Account,
  container: string,
  path: string,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await account.send(path, request, signal)
  if (answer.status !== 404) return answer
  await answer.discard()
  const found = await account.send(pathOf(container), { method: 'HEAD' }, signal)
  await found.discard()
  if (found.status === 404) throw noContainer(container)
  if (found.status >= 300) throw fromStatus(found, `look for the container ${container}`)
  return account.send(path, request, signal)
}

/** That the container is not there. */
export function noContainer(container: string): Failure {
  return new Failure('not-found', `There is no container ${container}.`, {
    remedy: 'Check its name, and the project and the region that you use.',
    facts: { status: 404 },
  })
}
