/**
 * Where the parts of a run are put together: the storage that was chosen, the codecs that are installed, the
 * secret that opens it, and the repository made of them. Each run has a container of its own; what it opened is closed with it.
 */
// tsyringe wants it, and wants it first.
import 'reflect-metadata/lite'
import type {
  Codec,
  Context,
  ForeignRepository,
  OptionDeclarations,
  Repository,
  RepositoryAccess,
  Storage,
} from '@freezer/sdk'
import {
  asFailure,
  Failure,
  isFailure,
  openForeignRepository,
  openRepository,
  openStorage,
} from '@freezer/sdk'
import { type LostMirror, MirroredStorage } from '@freezer/sdk/storages'
import type { DependencyContainer, FactoryFunction, InjectionToken } from 'tsyringe'
import { instancePerContainerCachingFactory, container as root } from 'tsyringe'
import { listenForLimits } from './control.ts'
import { discarding } from './dry-run.ts'
import { foreignDamage, refuseForeign } from './foreign.ts'
import type { Invocation } from './invocation.ts'
import { warnWhereLagging } from './lagging.ts'
import { Limits } from './limits.ts'
import { type ContainerOptions, containerOptions } from './options.ts'
import { readPassphrase } from './passphrase.ts'
import { secondOf } from './second.ts'
import { readKeyFile, readRecipientFile } from './secret-files.ts'
import { parseStoragePolicy } from './storage-policy.ts'
import type { ConfiguredStorage } from './storages.ts'

/** How the container of backups is opened. */
export interface Access {
  /** Make it when it is not there. */
  readonly create: boolean
  /** Keep everything in it as it is, whatever is written. */
  readonly dryRun?: boolean
  /** Nothing is written: a container of another program will do, if there is a reader for it. */
  readonly reads?: boolean
  /** A recipient file: open it for writing alone, with that. */
  readonly recipient?: string | undefined
  /** The second container of the command, whose options begin with this. */
  readonly prefix?: string
  /** Of several storages, use all: what is put or removed must reach each. Else the first that answers is read. */
  readonly everywhere?: boolean
  /** Of several storages, the one whose keys the others take over. */
  readonly keysFrom?: string | undefined
  /** Of several storages, put right where what opens the container is damaged. */
  readonly repairs?: boolean
}

type Secrets = Pick<RepositoryAccess, 'passphrase' | 'keyFile' | 'recipient'>

export interface Run extends AsyncDisposable {
  /** @throws Failure `not-found`, `key`, and whatever the storage throws */
  repository(): Promise<Repository>
  /** All storages as one, where there are several and all were opened. */
  readonly mirrored: MirroredStorage | undefined
  /** Each of several storages by itself, opened or why not. */
  storages(): Promise<readonly OpenedStorage[]>
  /** The one storage, with all that the options wrap it in. @throws Failure `usage` for several; what the storage throws */
  storage(): Promise<Storage>
}

/** One of several storages. */
export interface OpenedStorage {
  readonly name: string
  readonly opened: { readonly storage: Storage } | { readonly failure: Failure }
}

export type OpenRun = (access: Access) => Run

/** How a command opens containers, and what was found damaged in those of other programs meanwhile. */
export interface RunOpener {
  readonly open: OpenRun
  damage(): Failure | undefined
}

type AnyInvocation = Invocation<ContainerOptions, OptionDeclarations>

const tokens = {
  invocation: token<AnyInvocation>('invocation'),
  context: token<Context>('context'),
  access: token<Access>('access'),
  limits: token<Limits>('limits'),
  closing: token<AsyncDisposableStack>('closing'),
  onMirrored: token<(mirrored: MirroredStorage) => void>('onMirrored'),
  secrets: token<Secrets>('secrets'),
  codecs: token<Promise<readonly Codec[]>>('codecs'),
  storages: token<Promise<readonly OpenedStorage[]>>('storages'),
  repository: token<Promise<Repository>>('repository'),
  foreign: token<ForeignRepository[]>('foreign'),
}

function token<T>(name: string): InjectionToken<T> {
  return Symbol(name)
}

provide(tokens.secrets, (run) => {
  const { encryptPassFile, keyFile } = run.resolve(tokens.invocation).options
  const { recipient } = run.resolve(tokens.access)
  return {
    passphrase: encryptPassFile === undefined ? undefined : readPassphrase(encryptPassFile),
    keyFile: keyFile === undefined ? undefined : readKeyFile(keyFile),
    recipient: recipient === undefined ? undefined : readRecipientFile(recipient),
  }
})

provide(tokens.codecs, (run) => run.resolve(tokens.invocation).registry.all('codec'))

provide(tokens.storages, (run) => {
  const { storages } = run.resolve(tokens.invocation)
  return Promise.all(
    storages().map(async (one): Promise<OpenedStorage> => {
      try {
        return { name: one.name, opened: { storage: await openConfigured(run, one) } }
      } catch (error) {
        const failure = asFailure(error)
        const mistaken = ['internal', 'usage', 'configuration', 'plugin'].includes(failure.code)
        if (mistaken || run.resolve(tokens.context).signal.aborted) throw error
        return { name: one.name, opened: { failure } }
      }
    }),
  )
})

provide(tokens.repository, async (run) => {
  const { create, everywhere = false } = run.resolve(tokens.access)
  const { options, storages } = run.resolve(tokens.invocation)
  const configured = storages()
  const [only] = configured
  const open = (storage: Storage | Promise<Storage>) => openContainer(run, storage)
  if (only !== undefined && configured.length === 1) return open(openConfigured(run, only))
  if (everywhere) {
    const { least } = parseStoragePolicy(options.storagePolicy, configured.length)
    const opened = await run.resolve(tokens.storages)
    const mirrored = mirror(opened, least, run.resolve(tokens.context))
    run.resolve(tokens.onMirrored)(mirrored)
    return open(mirrored)
  }
  if (create) throw oneDestination()
  return firstOf(configured, (one) => open(openConfigured(run, one)), run.resolve(tokens.context))
})

/** The container on `storage`: ours or, for a command that only reads, one of another program. */
async function openContainer(
  run: DependencyContainer,
  opening: Storage | Promise<Storage>,
): Promise<Repository> {
  const secrets = run.resolve(tokens.secrets)
  const [storage, codecs] = await Promise.all([opening, run.resolve(tokens.codecs)])
  const context = run.resolve(tokens.context)
  const { create, reads = false, keysFrom, repairs = false } = run.resolve(tokens.access)
  const { registry } = run.resolve(tokens.invocation)
  const asked = { storage, readers: () => registry.all('reader') }
  // What would become a container of ours may be one of another program.
  const beforeMaking = (one: Storage) => refuseForeign({ ...asked, storage: one }, context.signal)
  const onRepaired = (name: string, key: string) =>
    context.report({
      type: 'log',
      level: 'warn',
      message: `${key} was damaged on ${name}, and is put right.`,
    })
  try {
    const access = { storage, codecs, ...secrets, keysFrom, beforeMaking, signal: context.signal }
    return await openRepository(repairs ? { ...access, onRepaired } : access, create)
  } catch (error) {
    if (create || !isFailure(error) || error.code !== 'not-found') throw error
    if (!reads) await refuseForeign(asked, context.signal)
    const engines = await registry.all('engine')
    const foreign = await openForeignRepository(
      { ...asked, engines, passphrase: secrets.passphrase },
      context,
    )
    if (foreign === undefined) throw error
    run.resolve(tokens.closing).use(foreign)
    run.resolve(tokens.foreign).push(foreign)
    return foreign
  }
}

/** Opens one storage; it is closed with the run. */
async function openConfigured(
  run: DependencyContainer,
  { driver, options, connection }: ConfiguredStorage,
): Promise<Storage> {
  const { create, dryRun = false, prefix } = run.resolve(tokens.access)
  const limits = run.resolve(tokens.limits)
  const { retries, uploadLimit, downloadLimit, verifyUploads } = connection
  const access = {
    create,
    retries,
    upload: limits.bandwidth('uploadLimit', prefix, uploadLimit),
    download: limits.bandwidth('downloadLimit', prefix, downloadLimit),
    // What a dry run stores is nowhere.
    verifyUploads: verifyUploads && !dryRun,
  }
  const used = dryRun ? discarding(driver) : driver
  return run
    .resolve(tokens.closing)
    .use(await openStorage(used, options, access, run.resolve(tokens.context)))
}

/** @throws Failure `usage` for several */
async function onlyStorage(run: DependencyContainer): Promise<Storage> {
  const [only, ...others] = run.resolve(tokens.invocation).storages()
  if (only !== undefined && others.length === 0) return openConfigured(run, only)
  throw new Failure('usage', 'This is for one storage at a time.', { remedy: 'Name one with --storage.' })
}

function oneDestination(): Failure {
  return new Failure('usage', 'This goes to one storage.', {
    remedy: 'Name one; "freezer heal" brings what it holds to the others.',
  })
}

/** All that could be opened, as one. @throws Failure of the first that could not be when these are fewer than `least` */
function mirror(opened: readonly OpenedStorage[], least: number, { report }: Context): MirroredStorage {
  const onLost = ({ name, failure }: LostMirror): void =>
    report({ type: 'log', level: 'warn', message: `The storage ${name} failed: ${failure.message}` })
  const lost = opened.flatMap(({ name, opened: one }) =>
    'failure' in one ? [{ name, failure: one.failure }] : [],
  )
  for (const one of lost) onLost(one)
  const mirrors = opened.flatMap(({ name, opened: one }) =>
    'storage' in one ? [{ name, storage: one.storage }] : [],
  )
  return new MirroredStorage(mirrors, { least, lost, onLost })
}

/** The container on the first storage that answers; warns where it lags. @throws Failure of the first when none does */
async function firstOf(
  configured: readonly ConfiguredStorage[],
  open: (one: ConfiguredStorage) => Promise<Repository>,
  context: Context,
): Promise<Repository> {
  const { report, signal } = context
  let first: unknown
  for (const [at, one] of configured.entries()) {
    try {
      const repository = await open(one)
      report({ type: 'log', level: 'info', message: `Reading from the storage ${one.name}.` })
      await warnWhereLagging({ name: one.name, repository }, configured.slice(at + 1), context)
      return repository
    } catch (error) {
      if (signal.aborted || !isFailure(error) || error.code === 'internal') throw error
      first ??= error
      const message = `The storage ${one.name} is passed over: ${error.message}`
      report({ type: 'log', level: 'warn', message })
    }
  }
  throw first
}

/** One instance of it a run, made when it is first asked for. */
function provide<T>(what: InjectionToken<T>, factory: FactoryFunction<T>): void {
  root.register(what, { useFactory: instancePerContainerCachingFactory(factory) })
}

/**
 * How the command `name` opens the container that its options name.
 * @param onMirrored told of several storages that were opened as one
 */
export function runOpener(
  invocation: AnyInvocation,
  context: Context,
  name: string,
  onMirrored: (mirrored: MirroredStorage) => void = () => {},
): RunOpener {
  const limits = new Limits()
  const foreign: ForeignRepository[] = []
  let listening: Disposable | undefined
  const open: OpenRun = (access) => {
    const run: DependencyContainer = root.createChildContainer()
    const closing = new AsyncDisposableStack()
    const { prefix } = access
    const of = prefix === undefined ? invocation : secondOf(invocation, prefix, containerOptions)
    run.registerInstance(tokens.invocation, of)
    run.registerInstance(tokens.context, context)
    run.registerInstance(tokens.access, access)
    run.registerInstance(tokens.closing, closing)
    let mirrored: MirroredStorage | undefined
    run.registerInstance(tokens.onMirrored, (opened) => {
      mirrored = opened
      onMirrored(opened)
    })
    run.registerInstance(tokens.limits, limits)
    if (listening === undefined) {
      listening = listenForLimits(limits, name, context)
      closing.use(listening)
    }
    run.registerInstance(tokens.foreign, foreign)
    return {
      get mirrored() {
        return mirrored
      },
      repository: () => run.resolve(tokens.repository),
      storages: () => run.resolve(tokens.storages),
      storage: () => onlyStorage(run),
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  }
  return {
    open,
    damage() {
      for (const one of foreign) {
        const failure = foreignDamage(one)
        if (failure !== undefined) return failure
      }
      return undefined
    },
  }
}
