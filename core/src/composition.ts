/**
 * Where the parts of a run are put together: the storage that was chosen, the codecs that are installed, the
 * secret that opens it, and the repository made of them. Each run has a container of its own; what it opened is closed with it.
 */
// tsyringe wants it, and wants it first.
import 'reflect-metadata/lite'
import type {
  Codec,
  Context,
  Failure,
  ForeignRepository,
  OptionDeclarations,
  Repository,
  RepositoryAccess,
  Storage,
} from '@freezer/sdk'
import { isFailure, openForeignRepository, openRepository } from '@freezer/sdk'
import { Bandwidth, retryDefaults, retrying, throttled } from '@freezer/sdk/storages'
import type { DependencyContainer, FactoryFunction, InjectionToken } from 'tsyringe'
import { instancePerContainerCachingFactory, container as root } from 'tsyringe'
import { openDiscarding } from './dry-run.ts'
import { foreignDamage, refuseForeign } from './foreign.ts'
import type { Invocation } from './invocation.ts'
import { type ContainerOptions, containerOptions } from './options.ts'
import { readPassphrase } from './passphrase.ts'
import { secondOf } from './second.ts'
import { readKeyFile, readRecipientFile } from './secret-files.ts'

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
}

type Secrets = Pick<RepositoryAccess, 'passphrase' | 'keyFile' | 'recipient'>

export interface Run extends AsyncDisposable {
  /** @throws Failure `not-found`, `key`, and whatever the storage throws */
  repository(): Promise<Repository>
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
  closing: token<AsyncDisposableStack>('closing'),
  secrets: token<Secrets>('secrets'),
  codecs: token<Promise<readonly Codec[]>>('codecs'),
  storage: token<Promise<Storage>>('storage'),
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

provide(tokens.storage, async (run) => {
  const { options, provider } = run.resolve(tokens.invocation)
  const { create, dryRun } = run.resolve(tokens.access)
  const driver = provider('storage', options.storage)
  const context = run.resolve(tokens.context)
  const open = (access: { create: boolean }) => driver.provider.open(driver.options, context, access)
  const storage = await (dryRun === true ? openDiscarding(open) : open({ create }))
  run.resolve(tokens.closing).defer(() => storage.close?.())
  return wrap(storage, options, context)
})

provide(tokens.repository, async (run) => {
  const secrets = run.resolve(tokens.secrets)
  const [storage, codecs] = await Promise.all([run.resolve(tokens.storage), run.resolve(tokens.codecs)])
  const context = run.resolve(tokens.context)
  const { create, reads = false } = run.resolve(tokens.access)
  const { registry } = run.resolve(tokens.invocation)
  const asked = { storage, readers: () => registry.all('reader') }
  // What would become a container of ours may be one of another program.
  const beforeMaking = () => refuseForeign(asked, context.signal)
  try {
    const access = { storage, codecs, ...secrets, beforeMaking, signal: context.signal }
    return await openRepository(access, create)
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
})

/** `storage`, within its bandwidth, and patient. */
function wrap(storage: Storage, options: AnyInvocation['options'], context: Context): Storage {
  const { uploadLimit, downloadLimit, retries } = options
  const paced =
    uploadLimit === undefined && downloadLimit === undefined
      ? storage
      : throttled(storage, new Bandwidth(uploadLimit), new Bandwidth(downloadLimit))
  return retries === 0 ? paced : retrying(paced, context, { ...retryDefaults, retries })
}

/** One instance of it a run, made when it is first asked for. */
function provide<T>(what: InjectionToken<T>, factory: FactoryFunction<T>): void {
  root.register(what, { useFactory: instancePerContainerCachingFactory(factory) })
}

/** How a command opens the container that its options name. */
export function runOpener(invocation: AnyInvocation, context: Context): RunOpener {
  const foreign: ForeignRepository[] = []
  const open: OpenRun = (access) => {
    const run: DependencyContainer = root.createChildContainer()
    const closing = new AsyncDisposableStack()
    const { prefix } = access
    const of = prefix === undefined ? invocation : secondOf(invocation, prefix, containerOptions)
    run.registerInstance(tokens.invocation, of)
    run.registerInstance(tokens.context, context)
    run.registerInstance(tokens.access, access)
    run.registerInstance(tokens.closing, closing)
    run.registerInstance(tokens.foreign, foreign)
    return {
      repository: () => run.resolve(tokens.repository),
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
