/** Manifests that a host sealed for a recipient: `docs/format.md` has the layout. */
import { Failure, type FailureDetails } from '../contracts/failures.ts'
import { RepositoryKey } from './keys.ts'
import { type Manifest, manifestDetails, readManifest } from './manifest.ts'
import { type BackupName, recipientOf } from './names.ts'
import { type Recipient, type RecipientOwner, wrappedLength } from './recipient.ts'
import { keyLength } from './sealing.ts'

const head = 'freezer manifest 1 received\n'
const macLength = 32

/**
 * The bytes to store under `storedAs`: the head, the secret of the backup wrapped for the recipient, the manifest sealed
 * with that secret, and what proves that the host of the recipient wrote all of it.
 *
 * @param secret of this backup alone; its blocks are encrypted under it
 */
export function encodeReceived(
  manifest: Manifest,
  storedAs: string,
  secret: RepositoryKey,
  recipient: Recipient,
): Buffer {
  const context = head + storedAs
  const text = Buffer.from(JSON.stringify(manifest))
  const body = Buffer.concat([
    Buffer.from(head),
    recipient.wrap(secret.bytes, context),
    secret.sealManifest(manifest.id, text, context),
  ])
  return Buffer.concat([body, recipient.vouch(manifest.id, storedAs, body)])
}

/**
 * The manifest, and the secret that its blocks are encrypted under.
 * @throws Failure `damaged` for anything but what the host of one of `owners` made for this very key
 */
export function decodeReceived(
  bytes: Uint8Array,
  backup: BackupName,
  owners: readonly RecipientOwner[],
): { manifest: Manifest; secret: RepositoryKey } {
  const details = manifestDetails(backup)
  const owner = owners.find(({ recipient }) => recipient.id === recipientOf(backup.key))
  if (owner === undefined) {
    throw new Failure('damaged', 'A backup is for a recipient whose key is not in this container.', details)
  }
  const { recipient } = owner
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const body = file.subarray(0, -macLength)
  const ours = body.subarray(0, head.length).toString('latin1') === head
  if (!ours || !recipient.vouchesFor(backup.id, backup.key, body, file.subarray(-macLength))) {
    throw new Failure('damaged', 'A manifest is not what the host of its recipient stored.', details)
  }
  const context = head + backup.key
  const end = head.length + wrappedLength
  const key = owner.unwrap(body.subarray(head.length, end), context)
  if (key?.length !== keyLength) throw notOpened(details)
  const secret = new RepositoryKey(key)
  const text = secret.openManifest(backup.id, body.subarray(end), context)
  const manifest = readManifest(text, backup)
  // A host vouches for its own backups, and builds on nothing, because it can read nothing.
  if (manifest.host !== recipient.host || manifest.level !== 0 || manifest.chain !== manifest.id) {
    throw new Failure('damaged', 'A host stored a manifest that is not one of its own backups.', details)
  }
  return { manifest, secret }
}

function notOpened(details: FailureDetails): Failure {
  return new Failure('damaged', 'A manifest was not sealed for the recipient that it is kept under.', details)
}
