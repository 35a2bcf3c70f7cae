export type { LostEntries } from './check/chain.ts'
export type { CheckedDamage, CheckReport, CheckRequest } from './check/check.ts'
export type { DataPart } from './check/selection.ts'
export * from './contracts/codec.ts'
export { splitCommand, splitPipeline } from './contracts/command-words.ts'
export * from './contracts/context.ts'
export * from './contracts/engine.ts'
export * from './contracts/entry.ts'
export * from './contracts/failures.ts'
export { release } from './contracts/memory.ts'
export * from './contracts/mode.ts'
export * from './contracts/notifier.ts'
export * from './contracts/options.ts'
export { type Matches, matcher, searcher } from './contracts/patterns.ts'
export * from './contracts/plugin.ts'
export * from './contracts/reader.ts'
export * from './contracts/selection.ts'
export * from './contracts/snapshot.ts'
export * from './contracts/storage.ts'
export type { CopiedBackup, CopyRequest, CopyResult } from './copy/copy.ts'
export type { ForeignRepository } from './foreign/foreign-repository.ts'
export type { ForeignRequest } from './foreign/open.ts'
export type { HealedBackup, HealRequest, HealResult } from './heal/heal.ts'
export type { BackupRequest, BackupResult, CodecChoice } from './pipeline/backup.ts'
export type { BackupResourcesRequest, EngineChoice, ResourceBackup } from './pipeline/backup-resources.ts'
export type { Aspect, Difference, DiffRequest } from './pipeline/diff-backups.ts'
export type { ExtractedEntry, ExtractRequest } from './pipeline/extract.ts'
export type { FindRequest, FoundEntry, FoundIn, FoundVersion, Loss } from './pipeline/find-entries.ts'
export type { SnapshotChoice, SnapshotPolicy } from './pipeline/freeze.ts'
export type { ListRequest } from './pipeline/list-entries.ts'
export type { OpenBackup } from './pipeline/open-backup.ts'
export type { PruneRequest, PruneResult } from './pipeline/prune.ts'
export type { PrunedStorage } from './pipeline/prune-each.ts'
export type { ReadFileRequest } from './pipeline/read-file.ts'
export type { ReadRequest, ReadResult, RestoreRequest, RestoreResult } from './pipeline/restore.ts'
export type { Swept } from './pipeline/sweep.ts'
export type { VerifyRequest, VerifyResult } from './pipeline/verify.ts'
export type { BackupReference, ChosenBackup } from './repository/choose.ts'
export type {
  AddedKeys,
  AddedRecipient,
  NewRecipient,
  NewSecret,
  RemovedKey,
  RemoveKeyRequest,
} from './repository/key-changes.ts'
export type { KeyEntry, KeyList } from './repository/key-listing.ts'
export type { KeyKind } from './repository/key-records.ts'
export type { RotatedKey, RotateKeyRequest } from './repository/key-rotation.ts'
export { checkPolicy, type LevelPolicy } from './repository/levels.ts'
export type { BackupFilter, BackupSummary, ContainerInfo, DamagedBackup } from './repository/listing.ts'
export type { CodecUse, ForeignFacts, Manifest } from './repository/manifest.ts'
export type { BackupName } from './repository/names.ts'
export type { Repository, RepositoryAccess } from './repository/repository.ts'
export {
  type BackupFacts,
  type Decision,
  hasRules,
  type KeepRule,
  parseSpan,
  type RemoveRule,
  type RetentionPolicy,
  type Span,
} from './repository/retention.ts'
export type { PageAddress } from './repository/root.ts'
export type { ContainerStatus, NameStatus, StatusRequest } from './repository/status.ts'
export type { LostPage, TreeIndex } from './repository/tree-index.ts'
export type { OpenStorage, StorageAccess } from './storages/open.ts'
export * from './verbs.ts'
