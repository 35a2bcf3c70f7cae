/** A backup opened for reading: its manifest, its chain, its index. */
import type { Context } from '../contracts/context.ts'
import { StoredChain } from '../repository/chain.ts'
import { type BackupReference, type ChosenBackup, chooseBackup } from '../repository/choose.ts'
import { holdBackup } from '../repository/hold.ts'
import type { BackupFilter } from '../repository/listing.ts'
import type { CodecUse, Manifest } from '../repository/manifest.ts'
import type { Repository } from '../repository/repository.ts'
import { TreeIndex } from '../repository/tree-index.ts'
import { Coders, defaultWorkers } from './coders.ts'

export interface OpenBackup extends ChosenBackup, AsyncDisposable {
  readonly chain: StoredChain
  readonly index: TreeIndex
}

/** Whether it is a backup that is open already. */
export function isOpen(backup: BackupReference | OpenBackup): backup is OpenBackup {
  return typeof backup === 'object' && 'chain' in backup
}

/**
 * A backup that is held until it is disposed: a prune beside it leaves what it needs.
 * @throws Failure `not-found`, `usage`, `damaged` when it cannot be opened at all
 */
export async function openBackup(
  repository: Repository,
  reference: BackupReference,
  filter: BackupFilter,
  context: Context,
): Promise<OpenBackup> {
  const { signal } = context
  const choose = () => chooseBackup(repository, reference, filter, signal)
  await using stack = new AsyncDisposableStack()
  const { name, manifest } = stack.use(await holdBackup(repository, choose, context))
  const coders = stack.use(new Coders(defaultWorkers()))
  const chain = await openChainOf(repository, manifest, coders, signal)
  const opened = stack.move()
  return {
    name,
    manifest,
    chain,
    index: new TreeIndex(chain),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** A backup that somebody else holds, and goes on holding. */
export function openAlready({ name, manifest }: ChosenBackup, chain: StoredChain): OpenBackup {
  return { name, manifest, chain, index: new TreeIndex(chain), [Symbol.asyncDispose]: async () => {} }
}

/** The chain of a backup, decoded by `coders`. @throws Failure `damaged` */
export function openChainOf(
  repository: Repository,
  manifest: Manifest,
  coders: Coders,
  signal: AbortSignal,
): Promise<StoredChain> {
  const key = repository.keyOf(manifest)
  const codecs = (id: string, uses: readonly CodecUse[]) => coders.chain(repository.coderSetup(id, uses, key))
  return StoredChain.open(repository.storage, manifest, codecs, signal)
}
