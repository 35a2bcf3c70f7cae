import type { Storage } from '@freezer/sdk'
import { Failure, isFailure } from '@freezer/sdk'

/** The storage that `open` opens, or an empty one when it is not there yet; nothing that is written reaches it. */
export async function openDiscarding(
  open: (access: { create: boolean }) => Promise<Storage>,
): Promise<Storage> {
  const storage = await open({ create: false }).catch((error) => {
    if (isFailure(error) && error.code === 'not-found') return nothing
    throw error
  })
  return {
    put: async () => {},
    remove: async () => {},
    get: (key, range, signal) => storage.get(key, range, signal),
    list: (prefix, signal) => storage.list(prefix, signal),
    close: async () => storage.close?.(),
  }
}

const nothing: Pick<Storage, 'get' | 'list' | 'close'> = {
  get: (key) => ({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new Failure('not-found', `There is no ${key}.`)),
    }),
  }),
  async *list() {},
}
