/** A storage as a script opens it: its options checked, temporary failures tried again, closed by `await using`. */
import type { Context } from '../contracts/context.ts'
import { checkOptions, type GivenOptions, type OptionDeclarations } from '../contracts/options.ts'
import type { Storage, StorageDriver } from '../contracts/storage.ts'
import { retryDefaults, retrying } from './retry.ts'

export interface StorageAccess {
  /** Make the container when it is missing. */
  readonly create?: boolean | undefined
  /** How often a call that failed for the moment is tried again; 7 when not given. */
  readonly retries?: number | undefined
}

/** Disposing it closes it. */
export type OpenStorage = Storage & AsyncDisposable

/** @throws Failure `usage` for an option that is unknown, wrong or missing; whatever the driver throws */
export async function openStorage<const D extends OptionDeclarations>(
  driver: StorageDriver<D>,
  options: GivenOptions<D>,
  { create = false, retries = retryDefaults.retries }: StorageAccess,
  context: Context,
): Promise<OpenStorage> {
  const checked = checkOptions(driver.options, options, (name) => `"${name}" of the storage ${driver.name}`)
  const storage = retrying(await driver.open(checked, context, { create }), context, {
    ...retryDefaults,
    retries,
  })
  return { ...storage, [Symbol.asyncDispose]: async () => storage.close?.() }
}
