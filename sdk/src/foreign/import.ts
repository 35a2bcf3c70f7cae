/** One level of a backup of another program, taken into a repository: its archive as it is, its index made from that. */
import type { Engine } from '../contracts/engine.ts'
import { displayPath } from '../contracts/entry.ts'
import { asFailure, Failure, throwIfAborted } from '../contracts/failures.ts'
import type { ForeignBackup, ForeignContainer } from '../contracts/reader.ts'
import { BackupWriter } from '../pipeline/backup-writer.ts'
import type { Coders } from '../pipeline/coders.ts'
import { EngineThread } from '../pipeline/engine-host.ts'
import type { TreeSize } from '../pipeline/engine-messages.ts'
import type { Meter } from '../pipeline/meter.ts'
import { readPages } from '../pipeline/page-source.ts'
import type { StoredChain } from '../repository/chain.ts'
import type { RepositoryKey } from '../repository/keys.ts'
import type { CodecUse, Manifest } from '../repository/manifest.ts'
import type { Repository } from '../repository/repository.ts'
import type { BlockAddress } from '../repository/root.ts'
import { ArchiveIntake } from './intake.ts'

/** Bytes of the archive that are compressed and encrypted as one. */
export const importedBlock = 2 ** 20

/** The mode of a backup whose program did not say where its tree lay. */
const mode = { name: 'fs', facts: {} } as const

export interface Import {
  readonly from: ForeignContainer
  readonly backup: ForeignBackup
  readonly engine: Engine
  readonly to: Repository
  /** Id that it gets, and the key that it is encrypted under there. */
  readonly id: string
  readonly key: RepositoryKey | undefined
  readonly codecs: readonly CodecUse[]
  readonly segmentSize: number | undefined
  /** The level below, which must be in the same repository. */
  readonly parent: { readonly manifest: Manifest; readonly chain: StoredChain } | undefined
  /** What of it is damaged is left out, and told by warnings. Without it, damage ends the import. */
  readonly salvage: boolean
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface Imported {
  /** Not stored yet. */
  readonly manifest: Manifest
  /** Why it is not whole. */
  readonly damage: Failure | undefined
  /** Removes what was stored, for a backup that is not going to be. */
  readonly discard: () => Promise<void>
}

/**
 * Stores archive and index of a backup; its manifest is the caller's to commit.
 * @throws Failure `damaged`, `hostile`, `key`, `plugin`; of either storage. What was stored by then is removed.
 */
export async function importLevel(
  job: Import,
  coders: Coders,
  meter: Meter,
  signal: AbortSignal,
): Promise<Imported> {
  const { from, backup, engine, to, id, codecs, key, parent, segmentSize } = job
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  const { level } = backup
  const writer = new BackupWriter(
    to.storage,
    coders.chain(to.coderSetup(id, codecs, key)),
    { id, level, segmentSize, parent: parent?.chain },
    signal,
    (bytes) => meter.transferred(bytes),
  )
  await using thread = new EngineThread(engine)
  await using intake = new ArchiveIntake(from.read(backup, either), importedBlock, (block) => {
    meter.count(0, block.length)
    return writer.block(block)
  })
  const unreadBefore = meter.warnings.unread
  let cut: Failure | undefined
  let tree: TreeSize
  let root: BlockAddress
  try {
    tree = await thread.run(
      {
        options: {},
        job: { verb: 'list', level, previous: parent !== undefined },
        blockSize: importedBlock,
        blocks: 1,
      },
      {
        page: (page) => writer.page(page),
        more: readPages(parent?.chain, ({ directory, name }) => {
          throw new Failure(
            'damaged',
            `The index of the level below is damaged from ${displayPath(directory + name)} on.`,
          )
        }),
        need: (_level, offset, _seen, send) => intake.need(level, offset, send),
        warning: (warning) => meter.warn(warning),
        cut: (failure) => {
          cut = failure
          if (!job.salvage) throw failure
        },
        count: (entries) => meter.count(entries, 0),
      },
      signal,
    )
    await intake.drain()
    const damage = intake.failure ?? cut
    if (damage !== undefined && !job.salvage) throw damage
    root = await writer.end()
    throwIfAborted(signal)
  } catch (error) {
    stop.abort()
    await writer.discard()
    // The engine was told what the archive could not be read for.
    throw intake.failure ?? asFailure(error)
  }
  const damage = intake.failure ?? cut
  const manifest: Manifest = {
    format: 'freezer manifest',
    version: 1,
    id,
    host: backup.host,
    name: backup.name,
    level,
    chain: parent?.manifest.chain ?? id,
    ...(parent === undefined ? {} : { parent: parent.manifest.id }),
    time: new Date(backup.time).toISOString(),
    completed: new Date(job.now()).toISOString(),
    mode,
    engine: { name: engine.name, options: {} },
    codecs,
    ...(key === undefined ? {} : { key: key.fingerprint }),
    tree,
    archive: writer.archive,
    stored: writer.stored,
    segments: writer.segments,
    unread: meter.warnings.unread - unreadBefore,
    changed: 0,
    root: { ...root, digest: Buffer.from(root.digest).toString('hex') },
    origin: { id: backup.id },
  }
  return { manifest, damage, discard: () => writer.discard() }
}
