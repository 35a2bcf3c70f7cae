import type { Storage, StorageDriver } from '@freezer/sdk'
import { Failure, isFailure } from '@freezer/sdk'

/** What `driver` opens, or an empty storage when it is not there yet; nothing that is written reaches it. */
export function discarding(driver: StorageDriver): StorageDriver {
  const { name, description, options } = driver
  return {
    name,
    description,
    options,
    async open(given, context) {
      const storage = await driver.open(given, context, { create: false }).catch((error) => {
        if (isFailure(error) && error.code === 'not-found') return nothing
        throw error
      })
      return {
        settle: storage.settle,
        segmentSize: storage.segmentSize,
        put: async () => {},
        remove: async () => {},
        get: (key, range, signal) => storage.get(key, range, signal),
        list: (prefix, signal) => storage.list(prefix, signal),
        close: async () => storage.close?.(),
      }
    },
  }
}

const nothing: Omit<Storage, 'put' | 'remove'> = {
  get: (key) => ({
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new Failure('not-found', `There is no ${key}.`)),
    }),
  }),
  async *list() {},
}
