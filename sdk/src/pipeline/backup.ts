/** A backup, from source to manifest. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Codec } from '../contracts/codec.ts'
import type { Context } from '../contracts/context.ts'
import {
  type Engine,
  expectTakes,
  type Source,
  type StreamSource,
  type TreeSource,
} from '../contracts/engine.ts'
import { displayPath } from '../contracts/entry.ts'
import { Failure, isFailure, throwIfAborted } from '../contracts/failures.ts'
import { checkOptions, type OptionDeclarations } from '../contracts/options.ts'
import { StoredChain } from '../repository/chain.ts'
import { Lease } from '../repository/leases.ts'
import { chooseParent, type LevelPolicy, newer } from '../repository/levels.ts'
import type { CodecUse, Manifest } from '../repository/manifest.ts'
import { type BackupName, manifestKey } from '../repository/names.ts'
import type { Repository } from '../repository/repository.ts'
import type { BlockAddress } from '../repository/root.ts'
import { BackupWriter } from './backup-writer.ts'
import { Coders, defaultWorkers } from './coders.ts'
import { commit, expectHeld } from './commit.ts'
import { EngineThread } from './engine-host.ts'
import type { TreeSize } from './engine-messages.ts'
import { Meter } from './meter.ts'
import { readPages } from './page-source.ts'
import { checkStreamName, StreamReader } from './stream-reader.ts'

export interface CodecChoice {
  readonly codec: Codec
  /** Checked by its declarations, and completed with their defaults. */
  readonly options?: Readonly<Record<string, unknown>> | undefined
}

export interface BackupRequest {
  /** A promise of it lets the threads start while the keys are still being unlocked. */
  readonly repository: Repository | Promise<Repository>
  readonly source: Source
  readonly engine: Engine
  readonly engineOptions?: Readonly<Record<string, unknown>>
  /** The name of this machine when not given. */
  readonly host?: string | undefined
  readonly name: string
  /** The mode that gave the source, and what it wants to know again when it restores. */
  readonly mode: { readonly name: string; readonly facts?: Readonly<Record<string, unknown>> | undefined }
  readonly compression?: CodecChoice | undefined
  readonly encryption?: CodecChoice | undefined
  /** Each backup builds on the one before when not given. */
  readonly levels?: LevelPolicy | undefined
  /** Bytes of a segment at most, one block always fits; what suits the storage, or 4 MiB, unless said. */
  readonly segmentSize?: number | undefined
  /** Blocks under way between engine and storage. */
  readonly queueSize?: number | undefined
  /** Segments on their way to the storage at a time; each is in memory. */
  readonly uploadStreams?: number | undefined
  /** Threads that compress and encrypt. */
  readonly workers?: number | undefined
  /** Does everything but storing. The repository must be on a storage that discards what is put. */
  readonly dryRun?: boolean | undefined
  /** Milliseconds since 1970: the moment that the source shows, where that is not now. */
  readonly moment?: number | undefined
  /** Paths that belong to the source and cannot be read from it; each is told of and counted as unread. */
  readonly omitted?: readonly string[] | undefined
  /**
   * Called once everything was read, before the backup is one: when it throws there is none. What it gives is kept in place of
   * the facts of `mode`.
   */
  readonly copied?: (() => Promise<Readonly<Record<string, unknown>>>) | undefined
}

export interface BackupResult {
  readonly id: string
  readonly host: string
  readonly name: string
  readonly level: number
  /** ISO 8601, UTC. */
  readonly time: string
  readonly engine: string
  readonly codecs: readonly string[]
  /** Entries of the tree, and bytes of their content. */
  readonly entries: number
  readonly bytes: number
  /** Bytes of the archive of this level, before encoding. */
  readonly archived: number
  /** Bytes that the backup added to the storage, without its manifest. */
  readonly stored: number
  /** Entries that could not be read, and that changed while they were. */
  readonly unread: number
  readonly changed: number
  readonly seconds: number
  readonly dryRun: boolean
}

/** Blocks under way between engine and storage unless said. */
export const defaultQueueSize = 5
/** Bytes of the archive that are compressed and encrypted as one. */
const blockSize = 2 ** 20

const notInSnapshot = 'It is a volume of its own, which the snapshot does not hold; it is not in this backup.'

/** @throws Failure; whatever was stored by then is no backup and disturbs none */
export async function backup(request: BackupRequest, context: Context): Promise<BackupResult> {
  const started = performance.now()
  const { source, engine, host = hostname(), name } = request
  const { signal } = context
  expectTakes(engine, source.kind)
  if (source.kind === 'stream') checkStreamName(source.name)
  const chosen = codecUses(request)
  await using thread = new EngineThread(engine)
  const repository = await request.repository
  const key = repository.writeKey()
  if ((request.encryption === undefined) === repository.encrypted) {
    throw new Failure('internal', 'A backup is encrypted when its repository has a key, and only then.')
  }
  const id = randomBytes(16).toString('hex')
  const group = repository.groups(host, name)[0]
  // Before the history is listed: what is seen there stays as long as the lease does.
  await using lease = request.dryRun
    ? undefined
    : await Lease.take(repository.storage, id, { kind: 'backup', group }, context)
  const codecs = await repository.codecUses(chosen, key, context)
  await using coders = new Coders(request.workers ?? defaultWorkers())
  const history = await repository.names({ host, name }, signal)
  // What only some of several storages have is nothing to build on, but its moment is taken.
  const common = await repository.everywhere(history, signal)
  const parent = await openParent(request, repository, common, coders, context)
  await using _older =
    lease === undefined || parent === undefined || isNewestChain(parent.name, history)
      ? undefined
      : await holdOlderChain(repository, request, group, parent.name, context)
  const time = Math.max(request.moment ?? context.now(), (history.at(-1)?.time ?? 0) + 1)
  const level = parent === undefined ? 0 : parent.name.level + 1
  const chain = parent?.name.chain ?? id

  const meter = new Meter(context, 'backup')
  const writer = new BackupWriter(
    repository.storage,
    coders.chain(repository.coderSetup(id, codecs, key)),
    {
      id,
      level,
      segmentSize: request.segmentSize,
      uploadStreams: request.uploadStreams,
      parent: parent?.stored,
    },
    signal,
    (bytes) => meter.transferred(bytes),
  )
  for (const path of request.omitted ?? []) meter.warn({ kind: 'unread', path, message: notInSnapshot })
  let tree: TreeSize
  let root: BlockAddress
  let facts = request.mode.facts ?? {}
  await using stream = source.kind === 'stream' ? new StreamReader(source, signal) : undefined
  try {
    tree = await thread.run(
      {
        options: request.engineOptions ?? {},
        job: { verb: 'backup', source: plainSource(source), level, previous: parent !== undefined },
        blockSize,
        blocks: request.queueSize ?? defaultQueueSize,
      },
      {
        block: (bytes) => writer.block(bytes),
        page: (page) => writer.page(page),
        fill: stream && ((bytes) => stream.fill(bytes)),
        unfilled: () => stream?.stop(notTaken(engine)),
        more: readPages(parent?.stored, (page) => {
          const path = displayPath(page.directory) || '.'
          meter.warn({
            kind: 'metadata',
            path,
            message: "Part of the parent's index is damaged; stored anew from here.",
          })
        }),
        warning: (warning) => meter.warn(warning),
        count: (entries, bytes) => meter.count(entries, bytes),
      },
      signal,
    )
    if (stream !== undefined && stream.size !== tree.bytes) throw notTaken(engine)
    facts = (await request.copied?.()) ?? facts
    root = await writer.end()
    throwIfAborted(signal)
    await expectHeld(repository, lease, signal)
  } catch (error) {
    await writer.discard()
    throw error
  }
  const manifest: Manifest = {
    format: 'freezer manifest',
    version: 1,
    id,
    host,
    name,
    level,
    chain,
    ...(parent === undefined ? {} : { parent: parent.name.id }),
    time: new Date(time).toISOString(),
    completed: new Date(context.now()).toISOString(),
    mode: { name: request.mode.name, facts },
    engine: { name: engine.name, options: withoutSecrets(engine.options, request.engineOptions ?? {}) },
    codecs,
    ...(key === undefined ? {} : { key: key.fingerprint }),
    tree,
    archive: writer.archive,
    stored: writer.stored,
    segments: writer.segments,
    unread: meter.warnings.unread,
    changed: meter.warnings.changed,
    root: { ...root, digest: Buffer.from(root.digest).toString('hex') },
  }
  const storedAs = manifestKey(group, { id, chain, level, time })
  const text = await repository.sealManifest(manifest, storedAs, key, signal)
  await commit(repository, lease, { id, chain, level, key: storedAs }, text, context)
  meter.end()
  return {
    id,
    host,
    name,
    level,
    time: manifest.time,
    engine: engine.name,
    codecs: codecs.map((codec) => codec.name),
    ...tree,
    archived: writer.archive.bytes,
    stored: writer.stored,
    unread: manifest.unread,
    changed: manifest.changed,
    seconds: (performance.now() - started) / 1000,
    dryRun: request.dryRun ?? false,
  }
}

/** What the thread of an engine is told of a source: a stream is read here. */
function plainSource(source: Source): TreeSource | Omit<StreamSource, 'open'> {
  if (source.kind === 'tree') return source
  const { kind, name, size } = source
  return { kind, name, size }
}

function notTaken({ name }: Engine): Failure {
  return new Failure('plugin', `The engine "${name}" did not take the whole stream.`)
}

/** The codecs in the order of encoding, as the manifest keeps them: checked, and without what is secret. */
function codecUses(request: BackupRequest): CodecUse[] {
  return [request.compression, request.encryption]
    .filter((choice) => choice !== undefined)
    .map(({ codec, options = {} }) => ({ name: codec.name, options: withoutSecrets(codec.options, options) }))
}

/** Checked options as a manifest keeps them. */
export function withoutSecrets(
  declarations: OptionDeclarations,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const checked = Object.entries(checkOptions(declarations, options))
  return Object.fromEntries(checked.filter(([name]) => declarations[name]?.secret !== true))
}

/** The backup that this one builds on, with its index open; undefined for a new chain. */
async function openParent(
  { engine, levels = {} }: BackupRequest,
  repository: Repository,
  history: readonly BackupName[],
  coders: Coders,
  context: Context,
): Promise<{ name: BackupName; stored: StoredChain } | undefined> {
  // Who writes for a recipient can read no parent.
  if (repository.recipient !== undefined || engine.incremental === false) return undefined
  const key = repository.writeKey()
  const name = chooseParent(history, levels, context.now())
  if (name === undefined) return undefined
  try {
    const manifest = await repository.manifest(name, context.signal)
    if (manifest.engine.name !== engine.name || manifest.key !== key?.fingerprint) return undefined
    const codecs = (id: string, uses: readonly CodecUse[]) =>
      coders.chain(repository.coderSetup(id, uses, key))
    return { name, stored: await StoredChain.open(repository.storage, manifest, codecs, context.signal) }
  } catch (error) {
    if (!isFailure(error) || !['damaged', 'hostile', 'not-found'].includes(error.code)) throw error
    const message = `The backup to build on is damaged, so a new chain begins: ${error.message}`
    context.report({ type: 'log', level: 'warn', message })
    return undefined
  }
}

/** Whether `name` is of the chain that a lease of its group holds: the newest. */
function isNewestChain({ chain }: BackupName, history: readonly BackupName[]): boolean {
  const start = history.filter(({ level }) => level === 0).reduce<BackupName | undefined>(newer, undefined)
  return start === undefined || start.chain === chain
}

/**
 * Holds the chain of `parent`, which is not the newest on each of several storages: some were written to without the others.
 * @throws Failure `unavailable` when a prune removed the parent before it was held
 */
async function holdOlderChain(
  repository: Repository,
  { host = hostname(), name }: BackupRequest,
  group: string,
  { id, chain }: BackupName,
  context: Context,
): Promise<Lease> {
  const claim = { kind: 'backup', group, chain } as const
  const lease = await Lease.take(repository.storage, randomBytes(16).toString('hex'), claim, context)
  try {
    const names = await repository.names({ host, name }, context.signal)
    const listed = await repository.everywhere(names, context.signal)
    if (listed.some((one) => one.id === id)) return lease
    throw new Failure('unavailable', 'A prune removed the backup that this one was to build on.', {
      remedy: 'Run it again.',
    })
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}
