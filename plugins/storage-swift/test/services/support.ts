import { checkOptions, quietContext, type Storage } from '@freezer/sdk'
import { retrying } from '@freezer/sdk/storages'
import { keeper } from '../../../../test/services/swift.ts'
import { swift } from '../../src/index.ts'

// What the machine says of its own clouds is no business of these tests.
for (const name of Object.keys(process.env)) if (/^(?:OS|ST)_/.test(name)) delete process.env[name]

/** The options of `keeper`, as a person gives them. */
export function asKeeper(authUrl: string, container: string): Record<string, unknown> {
  return { container, osAuthUrl: authUrl, osUsername: keeper.user, osPassword: keeper.key, osTimeout: '20s' }
}

export async function open(values: Record<string, unknown>, create = true): Promise<Storage> {
  return swift.open(checkOptions(swift.options, values), quietContext(), { create })
}

/** `storage` with retries that take no time. */
export function patient(storage: Storage): Storage {
  return retrying(storage, quietContext(), { retries: 5, wait: 1, longest: 5 })
}

export const never: AbortSignal = new AbortController().signal

export async function read(storage: Storage, key: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(storage.get(key, undefined, never)))
}

/** `key size` of each blob, sorted. */
export async function listing(storage: Storage, prefix = ''): Promise<string[]> {
  const blobs = await Array.fromAsync(storage.list(prefix, never))
  return blobs.map(({ key, size }) => `${key} ${size}`).sort()
}
