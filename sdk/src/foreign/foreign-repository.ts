/**
 * A container of another program as a repository that can only be read: what a verb wants to know of a backup beyond the
 * listing is found out by reading it once, with all that it builds on. Nothing is written to the container.
 */
import type { Context, RunEvent } from '../contracts/context.ts'
import type { Engine } from '../contracts/engine.ts'
import { Failure } from '../contracts/failures.ts'
import type { ContainerReader, ForeignBackup, ForeignContainer } from '../contracts/reader.ts'
import type { Storage } from '../contracts/storage.ts'
import { Coders, defaultWorkers } from '../pipeline/coders.ts'
import { Meter } from '../pipeline/meter.ts'
import { openChainOf } from '../pipeline/open-backup.ts'
import type { ChosenBackup } from '../repository/choose.ts'
import type { Manifest } from '../repository/manifest.ts'
import { type BackupName, manifestKey, plainGroup } from '../repository/names.ts'
import { type Losses, Repository } from '../repository/repository.ts'
import { ArchiveCursors } from './cursors.ts'
import { importLevel } from './import.ts'
import { ScratchStorage, scratchSegment } from './scratch-storage.ts'

export interface ForeignAccess {
  /** As the reader opened it. */
  readonly container: ForeignContainer
  readonly reader: ContainerReader
  /** Where it lies. */
  readonly storage: Storage
  /** Every engine that is installed. */
  readonly engines: readonly Engine[]
  readonly signal: AbortSignal
}

/** What was found of a level that was read. */
interface Reading {
  readonly manifest: Manifest
  /** Why it is not whole. */
  readonly damage: Failure | undefined
  /** Paths that are lost, as text for people. */
  readonly lost: readonly string[]
}

export class ForeignRepository extends Repository implements AsyncDisposable {
  readonly container: ForeignContainer
  readonly reader: ContainerReader
  readonly engines: readonly Engine[]
  readonly #origin: Storage
  readonly #signal: AbortSignal
  readonly #scratch: ScratchStorage
  readonly #cursors = new Map<string, ArchiveCursors>()
  readonly #readings = new Map<string, Promise<Reading>>()
  /** The same when they are done. */
  readonly #read = new Map<string, Reading>()
  #backups: Promise<ReadonlyMap<string, ForeignBackup>> | undefined
  /** Backups are read one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor({ container, reader, storage, engines, signal }: ForeignAccess) {
    const scratch = new ScratchStorage((id, offset, length) => this.#archive(id, offset, length))
    super({ storage: scratch, codecs: [], signal }, undefined)
    this.#scratch = scratch
    this.container = container
    this.reader = reader
    this.#origin = storage
    this.engines = engines
    this.#signal = signal
  }

  /** Where the container lies. What `storage` gives is made of it. */
  override get origin(): Storage {
    return this.#origin
  }

  /** Every backup by its id, oldest first. */
  backups(): Promise<ReadonlyMap<string, ForeignBackup>> {
    this.#backups ??= this.container
      .backups(this.#signal)
      .then((found) => new Map(found.map((backup) => [backup.id, backup])))
    return this.#backups
  }

  override async manifestNames(of: { host: string; name: string } | undefined): Promise<BackupName[]> {
    const names: BackupName[] = []
    for (const backup of (await this.backups()).values()) {
      const { id, host, name, chain, level, time } = backup
      if (of !== undefined && (host !== of.host || name !== of.name)) continue
      const key = manifestKey(plainGroup(host, name), { id, chain, level, time })
      names.push({ key, id, chain, level, time })
    }
    return names
  }

  override names(of: { host: string; name: string } | undefined): Promise<BackupName[]> {
    return this.manifestNames(of)
  }

  /** Nothing: no other storage is known to hold the same. */
  override async lacking(): Promise<readonly BackupName[]> {
    return []
  }

  /** What the listing tells; of sizes nothing, unless it was read. */
  override async manifest({ id }: BackupName): Promise<Manifest> {
    const read = this.#read.get(id)
    if (read !== undefined) return read.manifest
    const backup = await this.#backup(id)
    if (backup.failure !== undefined) throw backup.failure
    return manifestOf(backup, this.reader)
  }

  override async ready(chosen: ChosenBackup, context: Context): Promise<ChosenBackup> {
    const { manifest } = await this.read(await this.#backup(chosen.name.id), context)
    return { ...chosen, manifest }
  }

  /** Levels that were read and are not whole, with the reason. */
  get damage(): readonly Failure[] {
    return [...this.#read.values()].flatMap(({ damage }) => damage ?? [])
  }

  /** Readings of a backup and of what it builds on, from level 0 on, as far as they were made. */
  readingsOf(id: string): readonly Reading[] {
    const read = this.#read.get(id)
    return read === undefined ? [] : [...this.readingsOf(read.manifest.parent ?? ''), read]
  }

  override lossesOf({ id }: Manifest): Losses {
    const readings = this.readingsOf(id)
    return {
      damaged: readings.some(({ damage }) => damage !== undefined),
      paths: readings.at(-1)?.lost.length ?? 0,
    }
  }

  /**
   * Reads a backup with what it builds on, once.
   * @throws Failure `damaged` when nothing of it can be had, `hostile`, `key`, `plugin` for what cannot be restored yet
   */
  read(backup: ForeignBackup, context: Context): Promise<Reading> {
    let reading = this.#readings.get(backup.id)
    if (reading === undefined) {
      reading = this.#readLevel(backup, context)
      this.#readings.set(backup.id, reading)
      reading.catch(() => {})
    }
    return reading
  }

  async #readLevel(backup: ForeignBackup, context: Context): Promise<Reading> {
    if (backup.failure !== undefined) throw backup.failure
    const engine = engineFor(backup, this.engines)
    const below = backup.level === 0 ? undefined : (await this.#parentOf(backup, context)).manifest
    const isSalvaged = this.readingsOf(below?.id ?? '').some(({ damage }) => damage !== undefined)
    const lost: string[] = []
    const meter = new Meter({ ...context, report: (event) => context.report(heard(event)) }, 'read')
    /** What is missing where a level below is damaged was lost with that. */
    function heard(event: RunEvent): RunEvent {
      if (event.type !== 'warning') return event
      const { warning } = event
      const isLost = warning.kind === 'unrestored' || (isSalvaged && warning.kind === 'unread')
      if (!isLost) return event
      lost.push(warning.path)
      return { type: 'warning', warning: { ...warning, kind: 'unrestored' } }
    }
    const turn = this.#turn.then(async () => {
      await using coders = new Coders(defaultWorkers())
      const parent = below && {
        manifest: below,
        chain: await openChainOf(this, below, coders, context.signal),
      }
      const imported = await importLevel(
        {
          from: this.container,
          backup,
          engine,
          to: this,
          id: backup.id,
          key: undefined,
          codecs: [],
          segmentSize: scratchSegment,
          parent,
          salvage: true,
          now: context.now,
        },
        coders,
        meter,
        context.signal,
      )
      meter.end()
      const { damage } = imported
      if (damage !== undefined) {
        const message = `Level ${backup.level} of ${new Date(backup.time).toISOString()} is damaged: ${damage.message}`
        context.report({ type: 'log', level: 'warn', message })
      }
      const reading = { manifest: { ...imported.manifest, stored: backup.stored }, damage, lost }
      this.#read.set(backup.id, reading)
      return reading
    })
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #parentOf(backup: ForeignBackup, context: Context): Promise<Reading> {
    const parent = (await this.backups()).get(backup.parent ?? '')
    if (parent !== undefined) return this.read(parent, context)
    throw new Failure('damaged', `Level ${backup.level - 1}, which this backup builds on, is not there.`, {
      remedy: 'Restore another backup; "freezer list" shows them.',
    })
  }

  async #backup(id: string): Promise<ForeignBackup> {
    const backup = (await this.backups()).get(id)
    if (backup !== undefined) return backup
    throw new Failure('not-found', `There is no backup with the id ${id}.`)
  }

  async #archive(id: string, offset: number, length: number): Promise<Uint8Array> {
    let cursors = this.#cursors.get(id)
    if (cursors === undefined) {
      const backup = await this.#backup(id)
      cursors =
        this.#cursors.get(id) ??
        new ArchiveCursors((signal) => this.container.read(backup, signal), this.#signal)
      this.#cursors.set(id, cursors)
    }
    return cursors.read(offset, length)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cursors of this.#cursors.values()) await cursors[Symbol.asyncDispose]()
    await this.#scratch[Symbol.asyncDispose]()
  }
}

/** @throws Failure `plugin` for what cannot be restored yet */
export function engineFor(backup: ForeignBackup, engines: readonly Engine[]): Engine {
  if (backup.archive === undefined) {
    throw new Failure('plugin', `This backup is of another kind than files: ${backup.content}.`, {
      remedy: 'This version of Freezer lists it; use the program that wrote it to restore it.',
    })
  }
  const engine = engines.find(({ name }) => name === backup.archive)
  if (engine !== undefined) return engine
  throw new Failure('plugin', `This backup needs the engine "${backup.archive}", which is not installed.`, {
    remedy: 'Install the plugin that provides it.',
  })
}

function manifestOf(backup: ForeignBackup, { program }: ContainerReader): Manifest {
  const { id, host, name, level, chain, parent, content, encrypted, facts } = backup
  const time = new Date(backup.time).toISOString()
  return {
    format: 'freezer manifest',
    version: 1,
    id,
    host,
    name,
    level,
    chain,
    ...(parent === undefined ? {} : { parent }),
    time,
    completed: time,
    mode: { name: 'fs', facts: {} },
    engine: { name: backup.engine, options: {} },
    codecs: backup.codecs.map((codec) => ({ name: codec, options: {} })),
    tree: { entries: 0, bytes: 0 },
    archive: { bytes: 0, blocks: 0 },
    stored: backup.stored,
    segments: { data: 0, index: 0 },
    unread: 0,
    changed: 0,
    root: { number: 0, segment: 0, offset: 0, stored: 0, size: 0, digest: '0'.repeat(64) },
    foreign: { program, content, readable: backup.archive !== undefined, encrypted, facts },
  }
}
