/** The archive of a backup: fetched, decrypted, decompressed, and as a tar archive whatever it was. */
import { Failure, type Storage, throwIfAborted } from '@freezer/sdk'
import { decompressed } from './decompress.ts'
import { decrypted } from './decrypt.ts'
import type { Metadata } from './metadata.ts'
import { rsyncAsTar } from './rsync.ts'

/** Bytes asked for at once: readings that rest for long keep no connection open. */
const rangeLength = 16 * 2 ** 20

export interface StoredArchive {
  readonly metadata: Metadata
  readonly key: string
  /** Bytes. */
  readonly size: number
  readonly passphrase: Uint8Array | undefined
}

/** @throws Failure `damaged` after what could be read, `key`, `plugin`; of the storage */
export async function* readArchive(
  storage: Storage,
  { metadata, key, size, passphrase }: StoredArchive,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { engine, compression, encrypted } = metadata
  const stored = readWhole(storage, key, size, signal)
  const isRsync = engine === 'rsync'
  const plain = encrypted ? decrypted(stored, passphrase, compression) : stored
  // The engine rsync writes what zlib makes, without the frame of gzip.
  const archive = decompressed(plain, isRsync && compression === 'gzip' ? 'zlib' : compression, signal)
  yield* isRsync ? rsyncAsTar(archive) : archive
}

async function* readWhole(
  storage: Storage,
  key: string,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    throwIfAborted(signal)
    const before = at
    for await (const chunk of storage.get(
      key,
      { offset: at, length: Math.min(rangeLength, size - at) },
      signal,
    )) {
      at += chunk.length
      yield chunk
    }
    if (at === before) throw new Failure('damaged', `${key} is shorter than it was listed.`)
  }
}
