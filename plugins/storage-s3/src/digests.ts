import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { throwIfAborted } from '@freezer/sdk'

/** Bytes that are hashed before others have their turn. */
const hashedAtOnce = 4 * 1024 * 1024

/** SHA-256 is part of the signature; MD5 is what services compare that do not read the former, and what locks demand. */
export async function digests(
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly md5: string }> {
  const sha256 = createHash('sha256')
  const md5 = createHash('md5')
  let hashed = 0
  for (const chunk of chunks) {
    sha256.update(chunk)
    md5.update(chunk)
    hashed += chunk.length
    if (hashed < hashedAtOnce) continue
    hashed = 0
    await turn()
    throwIfAborted(signal)
  }
  return { sha256: sha256.digest('hex'), md5: md5.digest('base64') }
}
