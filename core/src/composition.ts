/**
 * Where the parts of a run are put together: the storage that was chosen, the codecs that are installed, the
 * secret that opens it, and the repository made of them. Each run has a container of its own; what it opened is closed with it.
 */
// tsyringe wants it, and wants it first.
import 'reflect-metadata/lite'
import type { Codec, Context, OptionDeclarations, Repository, RepositoryAccess, Storage } from '@freezer/sdk'
import { openRepository } from '@freezer/sdk'
import { retryDefaults, retrying, retryingOpen, throttled, verifying } from '@freezer/sdk/storages'
import type { DependencyContainer, FactoryFunction, InjectionToken } from 'tsyringe'
import { instancePerContainerCachingFactory, container as root } from 'tsyringe'
import { listenForLimits } from './control.ts'
import { openDiscarding } from './dry-run.ts'
import type { Invocation } from './invocation.ts'
import { Limits } from './limits.ts'
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
  /** A recipient file: open it for writing alone, with that. */
  readonly recipient?: string | undefined
  /** The second container of the command, whose options begin with this. */
  readonly prefix?: string
}

type Secrets = Pick<RepositoryAccess, 'passphrase' | 'keyFile' | 'recipient'>

export interface Run extends AsyncDisposable {
  /** @throws Failure `not-found`, `key`, and whatever the storage throws */
  repository(): Promise<Repository>
  /** The storage behind it, with all that the options wrap it in. @throws what the storage throws */
  storage(): Promise<Storage>
}

export type OpenRun = (access: Access) => Run

type AnyInvocation = Invocation<ContainerOptions, OptionDeclarations>

const tokens = {
  invocation: token<AnyInvocation>('invocation'),
  context: token<Context>('context'),
  access: token<Access>('access'),
  limits: token<Limits>('limits'),
  closing: token<AsyncDisposableStack>('closing'),
  secrets: token<Secrets>('secrets'),
  codecs: token<Promise<readonly Codec[]>>('codecs'),
  storage: token<Promise<Storage>>('storage'),
  repository: token<Promise<Repository>>('repository'),
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
  const policy = { ...retryDefaults, retries: options.retries }
  const open = (access: { create: boolean }) =>
    retryingOpen(() => driver.provider.open(driver.options, context, access), context, policy)
  const storage = await (dryRun === true ? openDiscarding(open) : open({ create }))
  run.resolve(tokens.closing).defer(() => storage.close?.())
  return wrap(storage, run)
})

provide(tokens.repository, async (run) => {
  const secrets = run.resolve(tokens.secrets)
  const [storage, codecs] = await Promise.all([run.resolve(tokens.storage), run.resolve(tokens.codecs)])
  const { signal } = run.resolve(tokens.context)
  return openRepository({ storage, codecs, ...secrets, signal }, run.resolve(tokens.access).create)
})

/** `storage`, within its bandwidth, patient, and read back where that is asked for. */
function wrap(storage: Storage, run: DependencyContainer): Storage {
  const { uploadLimit, downloadLimit, retries, verifyUploads } = run.resolve(tokens.invocation).options
  const { prefix, dryRun } = run.resolve(tokens.access)
  const context = run.resolve(tokens.context)
  const limits = run.resolve(tokens.limits)
  const paced = throttled(
    storage,
    limits.bandwidth('uploadLimit', prefix, uploadLimit),
    limits.bandwidth('downloadLimit', prefix, downloadLimit),
  )
  const patient = retries === 0 ? paced : retrying(paced, context, { ...retryDefaults, retries })
  // What a dry run stores is nowhere.
  return verifyUploads && dryRun !== true ? verifying(patient, context) : patient
}

/** One instance of it a run, made when it is first asked for. */
function provide<T>(what: InjectionToken<T>, factory: FactoryFunction<T>): void {
  root.register(what, { useFactory: instancePerContainerCachingFactory(factory) })
}

/** How the command `name` opens the container that its options name. */
export function runOpener(invocation: AnyInvocation, context: Context, name: string): OpenRun {
  const limits = new Limits()
  let listening: Disposable | undefined
  return (access) => {
    const run: DependencyContainer = root.createChildContainer()
    const closing = new AsyncDisposableStack()
    const { prefix } = access
    const of = prefix === undefined ? invocation : secondOf(invocation, prefix, containerOptions)
    run.registerInstance(tokens.invocation, of)
    run.registerInstance(tokens.context, context)
    run.registerInstance(tokens.access, access)
    run.registerInstance(tokens.closing, closing)
    run.registerInstance(tokens.limits, limits)
    if (listening === undefined) {
      listening = listenForLimits(limits, name, context)
      closing.use(listening)
    }
    return {
      repository: () => run.resolve(tokens.repository),
      storage: () => run.resolve(tokens.storage),
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    }
  }
}
