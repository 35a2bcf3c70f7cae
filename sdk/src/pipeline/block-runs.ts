/** Stored blocks of an archive, read in their order, several with one call of the storage. */
import { type Failure, isFailure } from '../contracts/failures.ts'
import type { StoredLevel } from '../repository/chain.ts'
import type { ArchiveBlock } from '../repository/root.ts'

/** Stored bytes that one read brings at most. */
const readLimit = 4 * 2 ** 20

/** A block as it is stored, not yet compared with its digest; or why it cannot be had. */
export type StoredBlock =
  | { readonly block: ArchiveBlock; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly block: ArchiveBlock; readonly failure: Failure }

/**
 * The stored bytes of `blocks`, in their order.
 * @throws Failure of the storage; a block that is missing is given as such
 */
export async function* storedBlocks(
  stored: StoredLevel,
  blocks: AsyncIterable<ArchiveBlock>,
): AsyncGenerator<StoredBlock> {
  for await (const run of runs(blocks)) {
    let at = 0
    try {
      for await (const bytes of stored.fetch('data', run)) {
        const block = run[at++]
        if (block !== undefined) yield { block, bytes }
      }
    } catch (error) {
      yield* alone(stored, run.slice(at), error)
    }
  }
}

/** What is left of a read that failed: each may still be had on its own. */
async function* alone(
  stored: StoredLevel,
  blocks: readonly ArchiveBlock[],
  error: unknown,
): AsyncGenerator<StoredBlock> {
  if (!isDamage(error)) throw error
  for (const block of blocks) {
    try {
      for await (const bytes of stored.fetch('data', [block])) yield { block, bytes }
    } catch (failure) {
      if (!isDamage(failure)) throw failure
      yield { block, failure }
    }
  }
}

/** Whether a failure says something of what is stored, and not of the way there. */
export function isDamage(error: unknown): error is Failure {
  return isFailure(error) && (error.code === 'damaged' || error.code === 'hostile')
}

/** Blocks that lie behind one another in one segment, as many as one read may bring. */
async function* runs(blocks: AsyncIterable<ArchiveBlock>): AsyncGenerator<ArchiveBlock[]> {
  let run: ArchiveBlock[] = []
  let length = 0
  for await (const block of blocks) {
    const before = run.at(-1)
    const follows =
      before !== undefined &&
      block.segment === before.segment &&
      block.offset === before.offset + before.stored &&
      length + block.stored <= readLimit
    if (!follows && before !== undefined) {
      yield run
      run = []
      length = 0
    }
    run.push(block)
    length += block.stored
  }
  if (run.length > 0) yield run
}
