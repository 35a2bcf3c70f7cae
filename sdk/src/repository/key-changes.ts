/** Adding and removing what opens a container, and who writes to it. No data is written again. */
import type { Context } from '../contracts/context.ts'
import { Failure } from '../contracts/failures.ts'
import { keepOnlyPassphrase } from './codec-passphrase.ts'
import { currentFiles, describeKey, type KeyEntry, keyringOf } from './key-listing.ts'
import { isLabel, isWrapped, type KeyRecord, labelLimit, newId } from './key-records.ts'
import { type Keyring, putRecord, sealRecord } from './keyring.ts'
import { keysPrefix, recipientPrefix } from './names.ts'
import { RecipientOwner } from './recipient.ts'
import type { Repository } from './repository.ts'
import { type Secret, wrap } from './wrapping.ts'

/** Milliseconds that putting a key back may take. */
const putBackLimit = 10_000

export interface NewSecret extends Secret {
  /** For people; everybody who can read the storage can read it. */
  readonly label?: string | undefined
}

export interface AddedKeys {
  /** One; several where the container has several repository keys in use. */
  readonly added: readonly KeyEntry[]
}

/**
 * Lets another passphrase or key file open the container.
 * @throws Failure `key` for a secret that cannot be one; `usage` for a label that is none
 */
export async function addKey(
  repository: Repository,
  secret: NewSecret,
  context: Context,
): Promise<AddedKeys> {
  const keyring = keyringOf(repository)
  const { label } = secret
  checkLabel(label)
  await keepOnlyPassphrase(repository, keyring, context)
  await renewWrappings(repository, keyring, context)
  const added: KeyEntry[] = []
  for (const key of keyring.current) {
    const created = new Date(context.now()).toISOString()
    const record = await wrap(key, secret, { id: newId(), created, label })
    await putRecord(repository.storage, record, context.signal)
    added.push(describeKey(keyring, record))
  }
  return { added }
}

/**
 * Replaces the wrapping of a container from before there were kinds of keys: nothing vouches for it towards whoever opens
 * the container by other means.
 */
async function renewWrappings({ storage }: Repository, keyring: Keyring, context: Context): Promise<void> {
  for (const record of keyring.files.records) {
    const key = isWrapped(record) && record.created === undefined ? keyring.opened(record) : undefined
    if (key === undefined) continue
    const created = new Date(context.now()).toISOString()
    const renewed = await wrap(key, keyring.secret, { id: newId(), created, label: undefined })
    await putRecord(storage, renewed, context.signal)
    await storage.remove(keysPrefix + record.id, context.signal)
  }
}

export interface NewRecipient {
  /** The machine that will back up; its backups are listed and restored under this name. */
  readonly host: string
  readonly label?: string | undefined
}

export interface AddedRecipient {
  readonly id: string
  readonly host: string
  readonly label?: string | undefined
  /** What the host needs, a line of text. Secret: whoever has it can write backups of that host. */
  readonly file: Uint8Array
}

/**
 * Adds a recipient: its host can back up into the container, and read nothing there.
 * @throws Failure `usage` for a host or a label that is none
 */
export async function addRecipient(
  repository: Repository,
  { host, label }: NewRecipient,
  { now, signal }: Context,
): Promise<AddedRecipient> {
  const [key] = keyringOf(repository).current
  checkLabel(label)
  if (key === undefined || host === '' || host.includes('\0') || host.length > 255) {
    throw new Failure('usage', 'A recipient needs the name of its host, of 255 characters at most.')
  }
  const owner = RecipientOwner.generate(newId(), host)
  const head = {
    id: owner.recipient.id,
    kind: 'recipient',
    created: new Date(now()).toISOString(),
    label,
    under: key.fingerprint,
    about: Buffer.from(owner.recipient.publicKey).toString('base64url'),
  } as const
  await putRecord(repository.storage, sealRecord(key, head, owner.toSecret()), signal)
  return { id: head.id, host, label, file: Buffer.from(owner.recipient.toText()) }
}

export interface RemoveKeyRequest {
  /** The id of a key, or the beginning of one. */
  readonly id: string
  /** Remove also what older backups need, or what nobody here can judge. Never what opens the container last. */
  readonly force?: boolean | undefined
}

export interface RemovedKey {
  readonly removed: KeyEntry
}

/**
 * Removes a key.
 * @throws Failure `not-found` for an id that is none, `usage` for one that is several, `refused` for what would make the
 *   container or backups in it unreadable
 */
export async function removeKey(
  repository: Repository,
  { id, force = false }: RemoveKeyRequest,
  { signal }: Context,
): Promise<RemovedKey> {
  const keyring = keyringOf(repository)
  const record = await findRecord(repository, id, signal)
  const entry = describeKey(keyring, record)
  if (entry.state === 'unknown') {
    if (!force) throw refused(entry, 'cannot be judged with the passphrase or key file given', true)
  } else if (isWrapped(record)) {
    if (entry.state === 'current') await expectAnother(repository, keyring, record, signal)
  } else if (record.kind === 'recipient') {
    const backups = await countBackups(repository, record.id, signal)
    if (backups > 0 && !force) throw refused(entry, `is needed to read ${backups} backups`, true)
  } else if (!force) throw refused(entry, 'may be needed to read older backups', true)

  await repository.storage.remove(keysPrefix + record.id, signal)
  if (isWrapped(record) && entry.state === 'current') {
    try {
      // Somebody else may have removed the other one at the same time.
      await expectAnother(repository, keyring, record, signal)
    } catch (error) {
      await putRecord(repository.storage, record, AbortSignal.timeout(putBackLimit))
      throw error
    }
  }
  return { removed: entry }
}

/** @throws Failure `refused` unless something else than `record` opens its repository key, as far as can be proven */
async function expectAnother(
  repository: Repository,
  keyring: Keyring,
  record: KeyRecord,
  signal: AbortSignal,
): Promise<void> {
  const key = keyring.proven(record)
  const { records } = await currentFiles(repository, signal)
  const others = records.filter(
    (one) => isWrapped(one) && one.id !== record.id && keyring.proven(one) === key,
  )
  if (others.length > 0) return
  throw new Failure('refused', `The key ${record.id} is the last one that opens this container.`, {
    remedy: 'Add another one first, with "freezer key add".',
  })
}

async function findRecord(repository: Repository, id: string, signal: AbortSignal): Promise<KeyRecord> {
  const { records } = await currentFiles(repository, signal)
  const [found, second] = id === '' ? [] : records.filter((record) => record.id.startsWith(id))
  if (found === undefined) {
    throw new Failure('not-found', `There is no key "${id}" in this container.`, {
      remedy: 'See which there are with "freezer key list".',
    })
  }
  if (second !== undefined) {
    throw new Failure('usage', `Several keys begin with "${id}".`, { remedy: 'Give more of the id.' })
  }
  return found
}

async function countBackups({ storage }: Repository, id: string, signal: AbortSignal): Promise<number> {
  let backups = 0
  for await (const _ of storage.list(recipientPrefix(id), signal)) backups++
  return backups
}

function refused({ id }: KeyEntry, why: string, forcible: boolean): Failure {
  return new Failure('refused', `The key ${id} ${why}.`, {
    remedy: forcible ? 'Give --force to remove it all the same.' : undefined,
  })
}

function checkLabel(label: string | undefined): void {
  if (label === undefined || isLabel(label)) return
  throw new Failure('usage', `A label is one line of ${labelLimit} characters at most.`)
}
