/** The segments of a backup as its manifest vouches for them: each whole, with the digest of every block in it. */
import { createHash } from 'node:crypto'
import { Failure, isFailure, throwIfAborted } from '../contracts/failures.ts'
import type { Storage } from '../contracts/storage.ts'
import { isDamage } from '../pipeline/block-runs.ts'
import type { StoredChain, StoredLevel } from '../repository/chain.ts'
import { pageLimit } from '../repository/entries.ts'
import { type StreamName, segmentKey } from '../repository/names.ts'
import { type BlockAddress, decodeTablePage } from '../repository/root.ts'

/** A segment, and the blocks that make it up without a gap. */
export interface SegmentPlan {
  readonly key: string
  /** Bytes. */
  readonly size: number
  readonly blocks: readonly Pick<BlockAddress, 'offset' | 'stored' | 'digest'>[]
}

/** Bytes of a segment that are taken for more than any writer makes of one. */
const segmentLimit = 8 * 2 ** 30

/**
 * The segments that a backup itself stored, in their order: those of its archive, then those of its index.
 * @param chain of the backup; what is read of its index is verified
 * @throws Failure `damaged`
 */
export async function* planSegments(chain: StoredChain, level: number): AsyncGenerator<SegmentPlan> {
  const own = chain.level(level)
  const { table, pages } = await own.root()
  yield* grouped(own, 'data', archiveBlocks(own))
  const index = [own.rootAddress, ...table, ...pages.filter((page) => page.level === level)]
  index.sort((a, b) => a.segment - b.segment || a.offset - b.offset)
  yield* grouped(own, 'index', index)
}

async function* archiveBlocks(own: StoredLevel): AsyncGenerator<BlockAddress> {
  for (const page of (await own.root()).table) {
    yield* decodeTablePage(await own.readBlock('index', page, pageLimit))
  }
}

async function* grouped(
  { id }: StoredLevel,
  stream: StreamName,
  addresses: AsyncIterable<BlockAddress> | Iterable<BlockAddress>,
): AsyncGenerator<SegmentPlan> {
  let blocks: BlockAddress[] = []
  let segment = 0
  let size = 0
  const made = (): SegmentPlan => ({ key: segmentKey(id, stream, segment), size, blocks })
  for await (const address of addresses) {
    if (address.segment !== segment) {
      if (blocks.length > 0) yield made()
      // Segments are numbered without a gap, so one that nothing lies in is none that a writer made.
      if (address.segment !== (blocks.length > 0 ? segment + 1 : 0)) throw contradiction(id, stream)
      segment = address.segment
      blocks = []
      size = 0
    }
    if (address.offset !== size || size + address.stored > segmentLimit) throw contradiction(id, stream)
    blocks.push(address)
    size += address.stored
  }
  if (blocks.length > 0) yield made()
}

function contradiction(backup: string, stream: StreamName): Failure {
  return new Failure('damaged', 'The blocks of a backup do not make up its segments.', {
    facts: { backup, stream },
  })
}

/** Where a segment may be had from. */
export interface Source {
  readonly storage: Storage
  /** Told of a failure that says nothing of what is stored. */
  readonly onFailure: (error: unknown) => void
}

/**
 * A segment as it was stored, put together from whatever is sound on `sources`; `unread` is why it cannot be had from one that
 * may have it.
 * @throws Failure `damaged` when some block is sound on none of them
 */
export async function readSegment(
  plan: SegmentPlan,
  sources: readonly Source[],
  signal: AbortSignal,
  onRead: (bytes: number) => void,
): Promise<{ readonly bytes: Uint8Array } | { readonly unread: Failure }> {
  let unread: Failure | undefined
  const whole = Buffer.allocUnsafeSlow(plan.size)
  let missing: readonly number[] = plan.blocks.map((_, at) => at)
  for (const { storage, onFailure } of sources) {
    if (missing.length === 0) break
    const part = missing.length === plan.blocks.length ? undefined : missing
    try {
      for (const { offset, length } of part === undefined
        ? [{ offset: 0, length: plan.size }]
        : part.map((at) => rangeOf(plan, at))) {
        let at = offset
        for await (const chunk of storage.get(plan.key, { offset, length }, signal)) {
          whole.set(chunk.subarray(0, offset + length - at), at)
          at += chunk.length
          onRead(chunk.length)
        }
      }
    } catch (error) {
      throwIfAborted(signal)
      if (!isFailure(error)) throw error
      if (!isDamage(error)) {
        onFailure(error)
        unread ??= error
      }
    }
    missing = missing.filter((at) => !isSound(plan, at, whole))
  }
  if (missing.length === 0) return { bytes: whole }
  if (unread !== undefined) return { unread }
  throw new Failure('damaged', 'No storage has a segment whole.', {
    facts: { segment: plan.key, block: missing[0] },
  })
}

/** Whether a storage has a segment as it was stored. @throws Failure of the storage */
export async function holdsSegment(
  plan: SegmentPlan,
  storage: Storage,
  signal: AbortSignal,
  onRead: (bytes: number) => void,
): Promise<boolean> {
  let block = 0
  let left = plan.blocks[0]?.stored ?? 0
  let hash = createHash('sha256')
  try {
    for await (const chunk of storage.get(plan.key, undefined, signal)) {
      onRead(chunk.length)
      for (let used = 0; used < chunk.length; ) {
        const of = plan.blocks[block]
        if (of === undefined) return false
        const part = chunk.subarray(used, used + left)
        hash.update(part)
        used += part.length
        left -= part.length
        if (left > 0) continue
        if (!hash.digest().equals(of.digest)) return false
        left = plan.blocks[++block]?.stored ?? 0
        hash = createHash('sha256')
      }
    }
  } catch (error) {
    if (isFailure(error) && (error.code === 'not-found' || error.code === 'damaged')) return false
    throw error
  }
  return block === plan.blocks.length
}

function rangeOf({ blocks }: SegmentPlan, at: number): { offset: number; length: number } {
  const { offset = 0, stored = 0 } = blocks[at] ?? {}
  return { offset, length: stored }
}

function isSound(plan: SegmentPlan, at: number, whole: Uint8Array): boolean {
  const { offset, length } = rangeOf(plan, at)
  const digest = createHash('sha256')
    .update(whole.subarray(offset, offset + length))
    .digest()
  return digest.equals(plan.blocks[at]?.digest ?? new Uint8Array())
}
