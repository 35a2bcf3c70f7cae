import { type OpenstackOptions, Session } from '@freezer/openstack'
import type { Context, Storage } from '@freezer/sdk'
import { accountOf } from './account.ts'
import { openContainer } from './container.ts'
import { list } from './listing.ts'
import { get, put, remove } from './objects.ts'
import { parsePlace } from './place.ts'

/** Bytes of a segment: every blob costs each service of Swift that it passes a request. */
const segmentSize = 16 * 2 ** 20

/**
 * Opens the container that `options` name.
 * @throws Failure `configuration`, `not-found`, `denied`, `untrusted`, `unavailable`
 */
export async function openStorage(
  options: OpenstackOptions & { readonly container: string; readonly swiftSettle: number },
  { signal }: Context,
  create: boolean,
): Promise<Storage> {
  const place = parsePlace(options.container)
  const session = await Session.open(options, process.env, signal)
  try {
    const account = accountOf(session)
    await openContainer(account, place.container, create, signal)
    return {
      settle: options.swiftSettle,
      segmentSize,
      put: (key, chunks, stop, pace) => put(account, place, key, chunks, stop, pace),
      get: (key, range, stop) => get(account, place, key, range, stop),
      list: (prefix, stop) => list(account, place, prefix, stop),
      remove: (key, stop) => remove(account, place, key, stop),
      close: () => session.close(),
    }
  } catch (error) {
    await session.close()
    throw error
  }
}
