/**
 * The passphrases of codecs that encrypt with the person's passphrase itself. Each is kept in the container, sealed under
 * the repository key, and named by the backups that use it: otherwise whoever opens the container with another
 * passphrase could not read them.
 */
import type { Context } from '../contracts/context.ts'
import { Failure, isFailure } from '../contracts/failures.ts'
import { newId } from './key-records.ts'
import { type Keyring, putRecord, sealRecord } from './keyring.ts'
import type { RepositoryKey } from './keys.ts'
import type { CodecUse } from './manifest.ts'
import type { Repository } from './repository.ts'

/**
 * Keeps the passphrase that the container was opened with, if it is not kept yet; returns the id of its file.
 * @throws Failure `usage` when it was opened with something else
 */
export async function keepPassphrase(
  repository: Repository,
  codec: string,
  key: RepositoryKey | undefined,
  context: Context,
): Promise<string> {
  const { keyring } = repository
  if (keyring === undefined || key === undefined || keyring.secret.kind !== 'passphrase') {
    throw new Failure('usage', `The encryption ${codec} needs a passphrase; there is none here.`, {
      remedy: 'Choose another encryption, or open the container with --encrypt-pass-file.',
    })
  }
  const passphrase = keyring.secret.bytes
  const kept = keyring.passphrases.find(
    (one) => one.under === key.fingerprint && Buffer.compare(one.passphrase, passphrase) === 0,
  )
  return kept?.id ?? store(repository, keyring, key, passphrase, false, context)
}

/**
 * Keeps the only passphrase that a container from before there were kinds of keys has, if a backup was encrypted with
 * it and names none. To be called before anything else can open the container.
 */
export async function keepOnlyPassphrase(
  repository: Repository,
  keyring: Keyring,
  context: Context,
): Promise<void> {
  const passphrase = keyring.onlyPassphrase
  if (passphrase === undefined) return
  for (const name of await repository.names(undefined, context.signal)) {
    const manifest = await repository.manifest(name, context.signal).catch(unlessLost)
    const key = keyring.key(manifest?.key)
    if (manifest === undefined || key === undefined || !repository.namesNoPassphrase(manifest)) continue
    if (keyring.passphrases.some((one) => one.unnamed && one.under === key.fingerprint)) continue
    await store(repository, keyring, key, passphrase, true, context)
  }
}

/** A backup that cannot be read, or was removed since it was listed, names no passphrase. */
function unlessLost(error: unknown): undefined {
  if (!isFailure(error) || !['damaged', 'not-found'].includes(error.code)) throw error
}

/** The passphrase of a codec of a backup under `key`. @throws Failure `damaged` when it is not there */
export function passphraseOf(
  keyring: Keyring | undefined,
  use: CodecUse,
  key: RepositoryKey | undefined,
): Uint8Array {
  const kept = keyring?.passphrases.find((one) =>
    use.passphrase === undefined ? one.unnamed && one.under === key?.fingerprint : one.id === use.passphrase,
  )
  const passphrase = kept?.passphrase ?? (use.passphrase === undefined ? keyring?.onlyPassphrase : undefined)
  if (passphrase !== undefined) return passphrase
  throw new Failure(
    'damaged',
    `The passphrase of blocks encrypted with ${use.name} is not in this container.`,
    {
      remedy: 'Bring back the files under keys/ from another copy of the container.',
      facts: { passphrase: use.passphrase },
    },
  )
}

async function store(
  repository: Repository,
  keyring: Keyring,
  key: RepositoryKey,
  passphrase: Uint8Array,
  unnamed: boolean,
  { now, signal }: Context,
): Promise<string> {
  const head = {
    id: newId(),
    kind: 'codec-passphrase',
    created: new Date(now()).toISOString(),
    label: undefined,
    under: key.fingerprint,
    about: unnamed ? 'yes' : 'no',
  } as const
  await putRecord(repository.storage, sealRecord(key, head, passphrase), signal)
  keyring.keep({ id: head.id, passphrase, under: key.fingerprint, unnamed })
  return head.id
}
