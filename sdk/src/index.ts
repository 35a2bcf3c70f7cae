export * from './contracts/codec.ts'
export * from './contracts/context.ts'
export * from './contracts/engine.ts'
export * from './contracts/entry.ts'
export * from './contracts/failures.ts'
export { release } from './contracts/memory.ts'
export * from './contracts/mode.ts'
export * from './contracts/options.ts'
export * from './contracts/plugin.ts'
export * from './contracts/snapshot.ts'
export * from './contracts/storage.ts'
export {
  type BackupRequest,
  type BackupResult,
  backup,
  backupDefaults,
  type CodecChoice,
} from './pipeline/backup.ts'
export { type RestoreRequest, type RestoreResult, restore } from './pipeline/restore.ts'
export { checkPolicy, type LevelPolicy } from './repository/levels.ts'
export {
  type BackupFilter,
  type BackupSummary,
  type ContainerInfo,
  type DamagedBackup,
  describeContainer,
  listBackups,
} from './repository/listing.ts'
export type { Manifest } from './repository/manifest.ts'
export { openRepository, type Repository, type RepositoryAccess } from './repository/repository.ts'
