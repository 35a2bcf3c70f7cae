/**
 * What one does with a container. Each verb is loaded when it is first called, because plugins import this package
 * too, on every thread, and have no use for all that is behind the verbs.
 */
import type { CheckReport, CheckRequest } from './check/check.ts'
import { type GivenContext, wholeContext } from './contracts/context.ts'
import type { Entry } from './contracts/entry.ts'
import type { GivenOptions, OptionDeclarations } from './contracts/options.ts'
import type { ContainerReader } from './contracts/reader.ts'
import type { StorageDriver } from './contracts/storage.ts'
import type { CopyRequest, CopyResult } from './copy/copy.ts'
import type { ForeignRepository } from './foreign/foreign-repository.ts'
import type { ForeignRequest } from './foreign/open.ts'
import type { HealRequest, HealResult } from './heal/heal.ts'
import type { BackupRequest, BackupResult } from './pipeline/backup.ts'
import type { BackupResourcesRequest, ResourceBackup } from './pipeline/backup-resources.ts'
import type { Difference, DiffRequest } from './pipeline/diff-backups.ts'
import type { ExtractedEntry, ExtractRequest } from './pipeline/extract.ts'
import type { FindRequest, FoundEntry } from './pipeline/find-entries.ts'
import type { ListRequest } from './pipeline/list-entries.ts'
import type { OpenBackup } from './pipeline/open-backup.ts'
import type { PruneRequest, PruneResult } from './pipeline/prune.ts'
import type { PrunedStorage } from './pipeline/prune-each.ts'
import type { ReadFileRequest } from './pipeline/read-file.ts'
import type { RestoreRequest, RestoreResult } from './pipeline/restore.ts'
import type { VerifyRequest, VerifyResult } from './pipeline/verify.ts'
import type { BackupReference, ChosenBackup } from './repository/choose.ts'
import type {
  AddedKeys,
  AddedRecipient,
  NewRecipient,
  NewSecret,
  RemovedKey,
  RemoveKeyRequest,
} from './repository/key-changes.ts'
import type { KeyList } from './repository/key-listing.ts'
import type { RotatedKey, RotateKeyRequest } from './repository/key-rotation.ts'
import type { BackupFilter, BackupSummary, ContainerInfo, DamagedBackup } from './repository/listing.ts'
import type { Repository, RepositoryAccess } from './repository/repository.ts'
import type { ContainerStatus, StatusRequest } from './repository/status.ts'
import type { OpenStorage, StorageAccess } from './storages/open.ts'

/** What is never aborted. */
const never = (): AbortSignal => new AbortController().signal

/**
 * Opens a storage as the program does: its options checked, and patient. When the opening, or a call later on, fails for the moment, that
 * is tried again `retries` times, with pauses that grow; each time is told to `report`, and the signal ends the waiting. Within
 * `upload` and `download`, and with `verifyUploads` read back. Closed by `await using`, or by `close`.
 *
 * @throws Failure `usage` for an option that is unknown, wrong or missing; `not-found` when the container is missing and not
 *   to be made; `interrupted`; `denied`, `unavailable`, `key`
 */
export async function openStorage<const D extends OptionDeclarations>(
  driver: StorageDriver<D>,
  options: GivenOptions<D>,
  access: StorageAccess = {},
  context: GivenContext = {},
): Promise<OpenStorage> {
  return (await import('./storages/open.ts')).openStorage(driver, options, access, wholeContext(context))
}

/**
 * Opens a container. With `create`, an empty one is made ready, encrypted when there is a passphrase or a key file.
 *
 * @throws Failure `not-found` when there is no container and none is to be made; `key` when the passphrase or key file is
 *   missing, wrong, or given for a container that is not encrypted; `refused` rather than mix encrypted backups with others;
 *   `configuration` for two of several storages that are one place
 */
export async function openRepository(access: RepositoryAccess, create = false): Promise<Repository> {
  return (await import('./repository/repository.ts')).openRepository(access, create)
}

/**
 * The reader that knows a container which is not Freezer's own; undefined where there is one of Freezer's own, whatever
 * else lies there, and where nobody knows what it is.
 * @throws Failure of the storage
 */
export async function recogniseContainer(
  request: Pick<ForeignRequest, 'storage' | 'readers'>,
  signal: AbortSignal,
): Promise<ContainerReader | undefined> {
  return (await import('./foreign/open.ts')).recogniseContainer(request, signal)
}

/**
 * Opens a container of another program, to list, look into, restore, check and copy what is in it; undefined where that is
 * none. What is found out about it is put aside, encrypted, in the directory for temporary files until it is disposed.
 * @throws Failure of the storage
 */
export async function openForeignRepository(
  request: ForeignRequest,
  context?: GivenContext,
): Promise<ForeignRepository | undefined> {
  return (await import('./foreign/open.ts')).openForeignRepository(request, wholeContext(context))
}

/**
 * Backs up a source.
 * @throws Failure; whatever was stored by then is no backup and disturbs none
 */
export async function backup(request: BackupRequest, context: GivenContext = {}): Promise<BackupResult> {
  return (await import('./pipeline/backup.ts')).backup(request, wholeContext(context))
}

/**
 * Backs up everything that a mode finds, each resource held still until it is frozen in a snapshot or, without one, copied;
 * gives the result of each as it comes. Leaving the loop ends the mode.
 * @throws Failure of the first resource that cannot be backed up; those before it stand
 */
export async function* backupResources(
  request: BackupResourcesRequest,
  context: GivenContext = {},
): AsyncGenerator<ResourceBackup> {
  const { backupResources: all } = await import('./pipeline/backup-resources.ts')
  yield* all(request, wholeContext(context))
}

/**
 * Restores a backup or a part of it: by default the newest of a host and name.
 * @throws Failure `not-found` when no backup fits, `damaged` when the backup cannot be opened at all; damage met on
 *   the way is in the result
 */
export async function restore(request: RestoreRequest, context: GivenContext = {}): Promise<RestoreResult> {
  return (await import('./pipeline/restore.ts')).restore(request, wholeContext(context))
}

/**
 * Compares a backup, or a part of it, with a tree: content byte by byte, and all metadata that a backup keeps. What differs
 * is reported as findings.
 * @throws Failure `not-found`, `damaged` when the backup cannot be opened at all
 */
export async function verify(request: VerifyRequest, context: GivenContext = {}): Promise<VerifyResult> {
  return (await import('./pipeline/verify.ts')).verify(request, wholeContext(context))
}

/**
 * What is selected of a backup, in walk order, with content. Asking for the next entry leaves what was not read of the one
 * before; leaving the loop ends threads and reads.
 * @throws Failure `not-found`, `damaged` when the backup cannot be opened at all, `hostile`
 */
export async function* extract(
  request: ExtractRequest,
  context: GivenContext = {},
): AsyncGenerator<ExtractedEntry> {
  yield* (await import('./pipeline/extract.ts')).extract(request, wholeContext(context))
}

/** Every backup, oldest first; one that cannot be read is given as such and does not hide the others. */
export async function* listBackups(
  repository: Repository,
  filter: BackupFilter = {},
  signal: AbortSignal = never(),
): AsyncGenerator<BackupSummary | DamagedBackup> {
  yield* (await import('./repository/listing.ts')).listBackups(repository, filter, signal)
}

/** Sums up a container. */
export async function describeContainer(
  repository: Repository,
  signal: AbortSignal = never(),
): Promise<ContainerInfo> {
  return (await import('./repository/listing.ts')).describeContainer(repository, signal)
}

/**
 * The backup that `reference` names among those of `filter`.
 * @throws Failure `not-found`, `usage` for an id that several backups begin with, `damaged`
 */
export async function chooseBackup(
  repository: Repository,
  reference: BackupReference,
  filter: BackupFilter = {},
  signal: AbortSignal = never(),
): Promise<ChosenBackup> {
  return (await import('./repository/choose.ts')).chooseBackup(repository, reference, filter, signal)
}

/**
 * Opens a backup to look inside: reading its index costs the pages that are asked for, not the backup. It is held until it
 * is disposed: a prune beside it leaves what it needs.
 */
export async function openBackup(
  repository: Repository,
  reference: BackupReference = 'latest',
  filter: BackupFilter = {},
  context: GivenContext = {},
): Promise<OpenBackup> {
  return (await import('./pipeline/open-backup.ts')).openBackup(
    repository,
    reference,
    filter,
    wholeContext(context),
  )
}

/**
 * The newest backup of every name and host, and whether it is young enough and complete. It costs a listing of the
 * manifests and reads one manifest of each.
 */
export async function containerStatus(
  request: StatusRequest,
  context: GivenContext = {},
): Promise<ContainerStatus> {
  const { containerStatus: status } = await import('./repository/status.ts')
  const { now, signal } = wholeContext(context)
  return status(request, now(), signal)
}

/**
 * What is in the directory at a path, without itself, in walk order; anything but a directory gives itself.
 * @throws Failure `not-found` when the backup has no such path, `damaged`
 */
export async function* listEntries(opened: OpenBackup, request: ListRequest = {}): AsyncGenerator<Entry> {
  yield* (await import('./pipeline/list-entries.ts')).listEntries(opened, request)
}

/**
 * Paths by a pattern over all backups of a filter, with the versions of each. What of the index many backups share
 * is read once.
 * @throws Failure `damaged`
 */
export async function* findEntries(
  repository: Repository,
  request: FindRequest,
  context: GivenContext = {},
): AsyncGenerator<FoundEntry> {
  yield* (await import('./pipeline/find-entries.ts')).findEntries(repository, request, wholeContext(context))
}

/**
 * What differs between two backups, of any chains, in walk order, from their indexes alone.
 * @throws Failure `damaged`
 */
export async function* diffBackups(request: DiffRequest): AsyncGenerator<Difference> {
  yield* (await import('./pipeline/diff-backups.ts')).diffBackups(request)
}

/**
 * The content of one file in chunks. Every byte that is given was verified: where stored data is damaged, it ends with
 * that failure.
 * @throws Failure `not-found`; `usage` for anything but a file; `damaged`
 */
export async function* readFile(
  request: ReadFileRequest,
  context: GivenContext = {},
): AsyncGenerator<Uint8Array> {
  yield* (await import('./pipeline/read-file.ts')).readFile(request, wholeContext(context))
}

/**
 * Removes the backups that the rules of retention ask to remove, then what no backup needs. Other runs may go on
 * beside it.
 * @throws Failure; a prune that failed leaves nothing broken, and the next one goes on where it ended
 */
export async function prune(request: PruneRequest, context: GivenContext = {}): Promise<PruneResult> {
  return (await import('./pipeline/prune.ts')).prune(request, wholeContext(context))
}

/**
 * The same on each of several storages (`MirroredStorage`) by itself. What is pinned on any stays on all.
 * @throws Failure `interrupted`; what failed on one storage is in the result
 */
export async function pruneEach(
  request: PruneRequest,
  context: GivenContext = {},
): Promise<readonly PrunedStorage[]> {
  return (await import('./pipeline/prune-each.ts')).pruneEach(request, wholeContext(context))
}

/**
 * Brings each of several storages (`MirroredStorage`) what others have and it lacks, and puts right what is missing or
 * damaged on it. Run again, it goes on with what is left.
 * @throws Failure `interrupted`; that of a storage when too few are left. What could not be healed is in the result
 */
export async function healStorages(request: HealRequest, context: GivenContext = {}): Promise<HealResult> {
  return (await import('./heal/heal.ts')).healStorages(request, wholeContext(context))
}

/**
 * Pins a backup: no rule of retention removes it, or what it builds on.
 * @param id 32 hexadecimal digits
 * @param now milliseconds since 1970
 * @throws Failure `not-found` when it was removed before the pin was there
 */
export async function pinBackup(
  repository: Repository,
  id: string,
  now: number = Date.now(),
  signal: AbortSignal = never(),
): Promise<void> {
  return (await import('./repository/pins.ts')).pinBackup(repository, id, now, signal)
}

/** Takes a pin away; one that is not there is already away. */
export async function unpinBackup(
  repository: Repository,
  id: string,
  signal: AbortSignal = never(),
): Promise<void> {
  return (await import('./repository/pins.ts')).unpinBackup(repository, id, signal)
}

/** Ids of all backups that are pinned. */
export async function listPins(
  { storage }: Repository,
  signal: AbortSignal = never(),
): Promise<ReadonlySet<string>> {
  return (await import('./repository/pins.ts')).readPins(storage, signal)
}

/**
 * What opens an encrypted container, who writes to it, and with which key.
 * @throws Failure `not-found` for a container that is not encrypted
 */
export async function listKeys(repository: Repository, signal: AbortSignal = never()): Promise<KeyList> {
  return (await import('./repository/key-listing.ts')).listKeys(repository, signal)
}

/**
 * Lets another passphrase or key file open the container.
 * @throws Failure `key` for a secret that cannot be one; `usage` for a label that is none
 */
export async function addKey(
  repository: Repository,
  secret: NewSecret,
  context: GivenContext = {},
): Promise<AddedKeys> {
  return (await import('./repository/key-changes.ts')).addKey(repository, secret, wholeContext(context))
}

/**
 * Adds a recipient: its host can back up into the container, and read nothing there.
 * @throws Failure `usage` for a host or a label that is none
 */
export async function addRecipient(
  repository: Repository,
  recipient: NewRecipient,
  context: GivenContext = {},
): Promise<AddedRecipient> {
  return (await import('./repository/key-changes.ts')).addRecipient(
    repository,
    recipient,
    wholeContext(context),
  )
}

/**
 * Removes a key.
 * @throws Failure `not-found` for an id that is none, `usage` for one that is several, `refused` for what would make the
 *   container or backups in it unreadable
 */
export async function removeKey(
  repository: Repository,
  request: RemoveKeyRequest,
  context: GivenContext = {},
): Promise<RemovedKey> {
  return (await import('./repository/key-changes.ts')).removeKey(repository, request, wholeContext(context))
}

/**
 * Makes a new repository key, for the secret that opened the container alone; earlier backups stay readable.
 * @throws Failure `refused` when others would have to be added again, and nobody consented
 */
export async function rotateKey(
  repository: Repository,
  request: RotateKeyRequest,
  context: GivenContext = {},
): Promise<RotatedKey> {
  return (await import('./repository/key-rotation.ts')).rotateKey(repository, request, wholeContext(context))
}

/**
 * Whose recipient a recipient file is.
 * @throws Failure `key` for anything but a whole recipient file
 */
export async function readRecipient(
  file: Uint8Array,
): Promise<{ readonly id: string; readonly host: string }> {
  const { id, host } = (await import('./repository/recipient.ts')).Recipient.parse(file)
  return { id, host }
}

/**
 * Checks that every backup has what a restore of it would need and, with `data`, that it is what was stored.
 * @throws Failure of the storage, `interrupted`; where damage was found before, that is reported instead
 */
export async function checkContainer(
  request: CheckRequest,
  context: GivenContext = {},
): Promise<CheckReport> {
  return (await import('./check/check.ts')).checkContainer(request, wholeContext(context))
}

/**
 * Copies backups, with all that they build on, to another container. One that cannot be copied is in the result.
 * @throws Failure of a storage, `not-found` when nothing fits, `interrupted`
 */
export async function copyBackups(request: CopyRequest, context: GivenContext = {}): Promise<CopyResult> {
  return (await import('./copy/copy.ts')).copyBackups(request, wholeContext(context))
}
