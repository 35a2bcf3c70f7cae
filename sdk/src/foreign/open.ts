/** Asks the readers that are installed whose container this is. */
import type { Context } from '../contracts/context.ts'
import type { Engine } from '../contracts/engine.ts'
import type { ContainerReader } from '../contracts/reader.ts'
import type { Storage } from '../contracts/storage.ts'
import { hasMarker } from '../repository/repository.ts'
import { ForeignRepository } from './foreign-repository.ts'

export interface ForeignRequest {
  readonly storage: Storage
  /** Those that are asked, in their order; they are only loaded for a container that is not Freezer's own. */
  readonly readers: () => Promise<readonly ContainerReader[]>
  /** Every engine that is installed. */
  readonly engines: readonly Engine[]
  /** Of the backups there; bytes without a line end. */
  readonly passphrase?: Uint8Array | undefined
}

/**
 * The reader that knows the container at `storage`; undefined where there is a container of Freezer's own, whatever else
 * lies there, and where nobody knows what it is.
 * @throws Failure of the storage
 */
export async function recogniseContainer(
  { storage, readers }: Pick<ForeignRequest, 'storage' | 'readers'>,
  signal: AbortSignal,
): Promise<ContainerReader | undefined> {
  if (await hasMarker(storage, signal)) return undefined
  for (const reader of await readers()) if (await reader.recognises(storage, signal)) return reader
  return undefined
}

/**
 * The container of another program at `storage`; undefined as above. Its storage stays the caller's.
 * @throws Failure of the storage
 */
export async function openForeignRepository(
  request: ForeignRequest,
  context: Context,
): Promise<ForeignRepository | undefined> {
  const { storage, engines, passphrase } = request
  const { signal } = context
  const reader = await recogniseContainer(request, signal)
  if (reader === undefined) return undefined
  const container = await reader.open(storage, { passphrase }, context)
  return new ForeignRepository({ container, reader, storage, engines, signal })
}
