/** A storage as it is used: its options checked, and around it all that every storage needs. */
import type { Context } from '../contracts/context.ts'
import { checkOptions, type GivenOptions, type OptionDeclarations } from '../contracts/options.ts'
import type { Storage, StorageDriver } from '../contracts/storage.ts'
import { retryDefaults, retrying, retryingOpen } from './retry.ts'
import { Bandwidth, throttled } from './throttle.ts'
import { verifying } from './verify.ts'

export interface StorageAccess {
  /** Make the container when it is missing. */
  readonly create?: boolean | undefined
  /** How often the opening, and each call, that failed for the moment is tried again; 7 when not given. */
  readonly retries?: number | undefined
  /** What is sent and fetched stays within these, also together with whatever else was given the same. */
  readonly upload?: Bandwidth | undefined
  readonly download?: Bandwidth | undefined
  /** Read back whatever is put, and put it again where it differs. */
  readonly verifyUploads?: boolean | undefined
}

/** Disposing it closes it. */
export type OpenStorage = Storage & AsyncDisposable

/**
 * Bandwidth is innermost, so that what is tried again is counted again; reading back outermost, so that a reading that fails for
 * the moment is no difference.
 *
 * @throws Failure `usage` for an option that is unknown, wrong or missing; `interrupted`, also while it waits to try again;
 *   whatever the driver throws
 */
export async function openStorage<const D extends OptionDeclarations>(
  driver: StorageDriver<D>,
  options: GivenOptions<D>,
  { create = false, retries = retryDefaults.retries, upload, download, verifyUploads = false }: StorageAccess,
  context: Context,
): Promise<OpenStorage> {
  const checked = checkOptions(driver.options, options, (name) => `"${name}" of the storage ${driver.name}`)
  const policy = { ...retryDefaults, retries }
  const opened = await retryingOpen(() => driver.open(checked, context, { create }), context, policy)
  const unlimited = new Bandwidth(undefined)
  const paced =
    upload === undefined && download === undefined
      ? opened
      : throttled(opened, upload ?? unlimited, download ?? unlimited)
  const patient = retrying(paced, context, policy)
  const storage = verifyUploads ? verifying(patient, context) : patient
  return { ...storage, [Symbol.asyncDispose]: async () => storage.close?.() }
}
