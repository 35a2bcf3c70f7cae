/**
 * A new repository key. No data is written again: what was written under the earlier keys stays readable, because those
 * are sealed under the new one.
 *
 * In this order, so that a run that is killed leaves a container that the same secret opens: the earlier keys sealed under
 * the new one, which means nothing yet; the new one wrapped for the secret, from then on it is the one; the wrappings
 * of the earlier ones removed. The next rotation removes what a killed one left.
 */
import type { Context } from '../contracts/context.ts'
import { Failure } from '../contracts/failures.ts'
import { keepOnlyPassphrase } from './codec-passphrase.ts'
import { currentFiles, describeKey, type KeyEntry, keyringOf } from './key-listing.ts'
import { isWrapped, newId, type WrappedRecord } from './key-records.ts'
import { type Keyring, listKeyFiles, openKeyring, putRecord, sealRecord } from './keyring.ts'
import { RepositoryKey } from './keys.ts'
import { keysPrefix } from './names.ts'
import type { Repository } from './repository.ts'
import { wrap } from './wrapping.ts'

export interface RotateKeyRequest {
  /** Consents that every passphrase and key file but the one given must be added again. */
  readonly removeOthers?: boolean | undefined
}

export interface RotatedKey {
  /** Fingerprint of the new repository key. */
  readonly writing: string
  /** Fingerprints of those that only read from now on. */
  readonly retired: readonly string[]
  /** The wrapping of the new key for the secret that was given. */
  readonly added: KeyEntry
  /** Passphrases and key files that no longer open the container: whoever used them must be added again. */
  readonly removed: readonly KeyEntry[]
  /**
   * Recipients from before: whoever knew an earlier repository key can read what their hosts write, and write in their
   * name, until they are replaced.
   */
  readonly recipients: readonly KeyEntry[]
}

/**
 * Makes a new repository key, for the secret that opened the container alone.
 * @throws Failure `refused` when others would have to be added again, and nobody consented
 */
export async function rotateKey(
  repository: Repository,
  { removeOthers = false }: RotateKeyRequest,
  context: Context,
): Promise<RotatedKey> {
  const { now, signal } = context
  const { storage } = repository
  const before = keyringOf(repository)
  const others = (await wrappings(repository, before, signal)).filter((one) => !isOwn(before, one))
  if (others.length > 0 && !removeOthers) throw unconsented(others.map((one) => describeKey(before, one)))

  await keepOnlyPassphrase(repository, before, context)
  const created = new Date(now()).toISOString()
  const next = RepositoryKey.generate()
  for (const key of before.current) {
    const head = {
      id: newId(),
      kind: 'retired',
      created,
      label: undefined,
      under: next.fingerprint,
      about: key.fingerprint,
    } as const
    await putRecord(storage, sealRecord(next, head, key.bytes), signal)
  }
  const label = before.files.records.find((record) => isWrapped(record) && isOwn(before, record))?.label
  const record = await wrap(next, before.secret, { id: newId(), created, label })
  await putRecord(storage, record, signal)

  // What follows cannot be undone: so it is seen first that the new key opens, and leads to all that the old ones did.
  const after = await openKeyring(storage, await listKeyFiles(storage, signal), before.secret, signal)
  const lost = [next, ...before.keys].some((key) => after.key(key.fingerprint) === undefined)
  if (lost || !after.current.some((key) => key.fingerprint === next.fingerprint)) {
    throw new Failure(
      'damaged',
      'The storage does not give back the new key as it was stored; nothing was removed.',
    )
  }
  const removed: KeyEntry[] = []
  for (const one of await wrappings(repository, before, signal)) {
    await storage.remove(keysPrefix + one.id, signal)
    if (!isOwn(before, one)) removed.push(describeKey(before, one))
  }
  return {
    writing: next.fingerprint,
    retired: before.keys.map((key) => key.fingerprint),
    added: describeKey(after, record),
    removed,
    recipients: after.files.records
      .map((one) => describeKey(after, one))
      .filter(({ kind, state }) => kind === 'recipient' && state !== 'unknown'),
  }
}

/** The wrappings of all keys of a keyring, for whomever. */
async function wrappings(
  repository: Repository,
  keyring: Keyring,
  signal: AbortSignal,
): Promise<readonly WrappedRecord[]> {
  const { records } = await currentFiles(repository, signal)
  return records.filter(isWrapped).filter((record) => keyring.proven(record) !== undefined)
}

function isOwn(keyring: Keyring, record: WrappedRecord): boolean {
  return keyring.opened(record) !== undefined
}

function unconsented(entries: readonly KeyEntry[]): Failure {
  const named = entries.map(
    ({ id, kind, label }) => `${kind} ${id}${label === undefined ? '' : ` (${label})`}`,
  )
  return new Failure('refused', `These would no longer open the container: ${named.join(', ')}.`, {
    remedy: 'Give --remove-others, and add those again that shall stay.',
    facts: { others: entries.length },
  })
}
