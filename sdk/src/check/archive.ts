/** The archive of one level: that its root, its block table and its segments are there, without reading a block. */
import { Failure, type FailureRecord, toRecord } from '../contracts/failures.ts'
import { ahead } from '../pipeline/ahead.ts'
import { isDamage } from '../pipeline/block-runs.ts'
import type { StoredLevel } from '../repository/chain.ts'
import { pageLimit } from '../repository/entries.ts'
import { segmentKey } from '../repository/names.ts'
import { type ArchiveBlock, decodeTablePage, type TableAddress } from '../repository/root.ts'
import type { SegmentSizes } from '../repository/segment-sizes.ts'
import { Ranges } from './ranges.ts'

/** Pages of the table read at a time. */
const tablePagesAtOnce = 4
/** Failures told of one archive; more say nothing new. */
const mostFailures = 100

/** Counts the stored bytes of the index that were read. */
export type OnRead = (bytes: number) => void

export class ArchiveCheck {
  readonly stored: StoredLevel
  readonly level: number
  /** Bytes of the archive that cannot be had, and why. */
  readonly damage = new Ranges()
  readonly failures: FailureRecord[] = []
  /** Bytes of the archive; infinite when nobody can say. */
  length = 0
  /** Blocks that the table lists. */
  blocks = 0
  /** What of the table was read; the rest is damage. */
  readonly table: TableAddress[] = []

  constructor(stored: StoredLevel, level: number) {
    this.stored = stored
    this.level = level
  }

  /** @throws Failure of the storage; damage is kept */
  async examine(segments: SegmentSizes, onRead: OnRead): Promise<void> {
    let table: readonly TableAddress[]
    try {
      table = (await this.stored.root()).table
      onRead(this.stored.rootAddress.stored)
    } catch (error) {
      this.lose(0, Number.POSITIVE_INFINITY, error)
      this.length = Number.POSITIVE_INFINITY
      return
    }
    let at = 0
    for await (const { page, blocks, error } of ahead(table, tablePagesAtOnce, (one) =>
      this.#read(one, onRead),
    )) {
      const next = table[++at]
      if (blocks === undefined) {
        this.length = next?.firstOffset ?? Number.POSITIVE_INFINITY
        this.blocks = next?.firstBlock ?? this.blocks
        this.lose(page.firstOffset, this.length, error)
        continue
      }
      this.#follow(page, blocks)
      for (const block of blocks) {
        const failure = this.#uncovered(block, segments)
        if (failure !== undefined) this.lose(block.start, block.start + block.size, failure)
      }
      this.table.push(page)
    }
  }

  /** Whether a part of what lies at this place cannot be had. */
  misses(offset: number, length: number): boolean {
    return this.damage.meets(offset, offset + Math.max(1, length))
  }

  /** Notes that a part of the archive cannot be had. @throws `error` when it says nothing of what is stored */
  lose(start: number, end: number, error: unknown): void {
    if (!isDamage(error)) throw error
    this.damage.add({ start, end })
    if (this.failures.length >= mostFailures) return
    const record = toRecord(error)
    // One sentence for a segment that is gone, not one for each of its blocks.
    const known = this.failures.some(
      ({ message, facts }) => message === record.message && facts?.['segment'] === record.facts?.['segment'],
    )
    if (!known || record.facts?.['segment'] === undefined) this.failures.push(record)
  }

  async #read(
    page: TableAddress,
    onRead: OnRead,
  ): Promise<{ page: TableAddress; blocks?: readonly ArchiveBlock[]; error?: unknown }> {
    try {
      const blocks = decodeTablePage(await this.stored.readBlock('index', page, pageLimit))
      onRead(page.stored)
      return { page, blocks }
    } catch (error) {
      if (!isDamage(error)) throw error
      return { page, error }
    }
  }

  /** That blocks follow one another without a gap, from where their page says. */
  #follow(page: TableAddress, blocks: readonly ArchiveBlock[]): void {
    let { firstBlock: number, firstOffset: start } = page
    const gap = number !== this.blocks || start !== this.length
    for (const block of blocks) {
      if (gap || block.number !== number || block.start !== start || block.size === 0) {
        this.lose(start, start + Math.max(1, block.size), contradiction(this.stored.id, number))
      }
      number++
      start += block.size
    }
    this.blocks = number
    this.length = start
  }

  #uncovered({ segment, offset, stored, number }: ArchiveBlock, segments: SegmentSizes): Failure | undefined {
    const { id } = this.stored
    const size = segments.size(id, 'data', segment)
    if (size !== undefined && offset + stored <= size) return undefined
    const message =
      size === undefined ? 'A segment of an archive is missing.' : 'A segment of an archive was cut short.'
    return new Failure('damaged', message, {
      facts: { segment: segmentKey(id, 'data', segment), block: number, size },
    })
  }
}

function contradiction(id: string, block: number): Failure {
  return new Failure('damaged', 'The table of the blocks of an archive contradicts itself.', {
    facts: { backup: id, block },
  })
}
