/** Containers of small trees for tests of what goes from one to another. */
import fs from 'node:fs'
import path from 'node:path'
import { gzip, zstd } from '@freezer/codec-compress'
import { aes256Cfb, aes256Gcm, xchacha20Poly1305 } from '@freezer/codec-encrypt'
import { tar } from '@freezer/engine-tar'
import {
  type BackupResult,
  type BackupSummary,
  backup,
  type Context,
  type Engine,
  type ForeignRepository,
  listBackups,
  openRepository,
  quietContext,
  type Repository,
  restore,
  type Storage,
} from '@freezer/sdk'
import { local } from '@freezer/storage-local'
import { describeTree, removeTree, type Tree } from './tree.ts'

export const codecs = [zstd, gzip, aes256Gcm, aes256Cfb, xchacha20Poly1305]

/**
 * @param secret a passphrase, or what is in a key file
 * @param wrap puts something between the repository and the directory
 * @param create whether what is missing of the container is made
 */
export async function openContainer(
  directory: string,
  secret?: string | Uint8Array,
  wrap: (storage: Storage) => Storage = (storage) => storage,
  create = true,
): Promise<Repository> {
  const context = quietContext()
  const storage = wrap(await local.open({ container: directory }, context, { create }))
  const given = typeof secret === 'string' ? { passphrase: Buffer.from(secret) } : { keyFile: secret }
  return openRepository({ storage, codecs, ...given, signal: context.signal }, create)
}

/** Opens a container that is there, as what only reads does; a key file is given by its bytes. */
export function openExisting(directory: string, secret?: string | Uint8Array): Promise<Repository> {
  return openContainer(directory, secret, undefined, false)
}

/** Every backup in a container, oldest first. @throws when one of them cannot be read */
export async function listAll(repository: Repository): Promise<BackupSummary[]> {
  return (await Array.fromAsync(listBackups(repository))).map((one) => {
    if ('failure' in one) throw new Error(`${one.manifest} cannot be listed: ${one.failure.message}`)
    return one
  })
}

/** Backs a tree up as the next level of `n` of host `h`. */
export function backUp(
  repository: Repository,
  source: string,
  more: { context?: Context; engine?: Engine; name?: string; incremental?: boolean } = {},
): Promise<BackupResult> {
  const { context = quietContext(), engine = tar, name = 'n', incremental = true } = more
  return backup(
    {
      repository,
      engine,
      source: { kind: 'tree', path: source, exclude: [], oneFileSystem: false, dereference: 'none' },
      host: 'h',
      name,
      mode: { name: 'fs', facts: {} },
      compression: { codec: zstd, options: {} },
      encryption: repository.encrypted ? { codec: aes256Gcm, options: {} } : undefined,
      levels: { incremental },
      segmentSize: 1_200_000,
    },
    context,
  )
}

/** The tree that a restore of a moment brings back. @throws when anything is missing */
export async function treeAt(
  repository: Repository | ForeignRepository,
  scratch: string,
  time: string,
  name = 'n',
  host = 'h',
): Promise<Tree> {
  const target = fs.mkdtempSync(path.join(scratch, 'tree-'))
  try {
    const result = await restore(
      {
        repository,
        engines: [tar],
        target: () => ({ kind: 'tree', path: target, overwrite: false, remove: false }),
        host,
        name,
        backup: { before: new Date(time) },
        workers: 1,
      },
      quietContext(),
    )
    if (result.time !== time || result.damaged || result.unrestored > 0) {
      throw new Error(`The backup of ${time} did not come back whole.`)
    }
    return describeTree(target)
  } finally {
    removeTree(target)
  }
}
