/** What the codecs of this package share: how a damaged block is refused, and who owns an answer's memory. */
import { type BlockFacts, Failure, release } from '@freezer/sdk'

/** The failure for a block that `codec` cannot unpack; `reason` completes "A block of … data is damaged: ". */
export function damaged(codec: string, facts: BlockFacts, reason: string, cause?: unknown): Failure {
  return new Failure('damaged', `A block of ${codec} data is damaged: ${reason}.`, {
    facts: { codec, stream: facts.stream, block: facts.number },
    cause,
  })
}

/**
 * `bytes` in memory of about their own size. Node's zlib answers with part of a buffer that was made for the worst
 * case, or with part of a pool that others use too; kept in flight, or moved to another thread, that would cost
 * several times the answer.
 */
export function owned(bytes: Uint8Array): Uint8Array {
  if (bytes.length >= bytes.buffer.byteLength * 0.875) return bytes
  const copy = new Uint8Array(bytes)
  release(bytes)
  return copy
}
